"""The hot loop: threads read and prepare ahead, the encoder never waits, commits happen behind it.

    manifest rows ─► reader threads ─► buffer ─► window ─► batches ─► encoder ─► writer thread ─► Lance

An item is written with all its segments in one commit, so that a killed run leaves whole items only.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from embed_assets.embedding import progress
from embed_assets.embedding.batching import Budget, encode
from embed_assets.embedding.buffer import Buffer, Closed
from embed_assets.embedding.known import KnownVectors
from embed_assets.embedding.plan import Plan
from embed_assets.embedding.report import EmbedReport
from embed_assets.embedding.writer import Done, Failed, Writer
from embed_assets.encoders.base import Encoder, Prepared
from embed_assets.errors import MediaError
from embed_assets.media.item import Segment

# A window of texts holds this many batches: enough to sort by length, few enough to stay small.
_WINDOW_BATCHES = 64

Segmenter = Callable[[Mapping[str, Any]], Sequence[Segment]]


@dataclass(slots=True)
class _Item:
    """One media item on its way through the loop."""

    row: Mapping[str, Any]
    segments: Sequence[Segment] = ()
    prepared: Sequence[Prepared] = ()
    error: MediaError | None = None
    vectors: list[np.ndarray | None] = field(default_factory=list)

    @property
    def cost(self) -> int:
        return sum(item.cost for item in self.prepared)


def embed(
    plan: Plan,
    *,
    encoder: Encoder,
    segmenter: Segmenter,
    writer: Writer,
    known: KnownVectors,
    budget: Budget,
    readers: int,
    buffer_bytes: int,
    report: EmbedReport,
) -> None:
    """Encode what the plan says is missing; counts and seconds go into `report`.

    `segmenter` reads one manifest row's media and cuts it, raising MediaError: the item is then
    quarantined and the others go on. On any other error, Ctrl-C included, what is complete is written
    before the error goes up, so that a rerun continues from there.
    """
    started = time.monotonic()
    reading = _Readers(plan.encode, encoder, segmenter, threads=readers, limit=buffer_bytes)
    total, seen = len(plan.encode), 0
    try:
        for window in _windows(reading, budget):
            _settle(window, encoder, budget=budget, writer=writer, known=known, report=report)
            seen += len(window)
            progress.report("encode", encoder.spec.name, seen, total)
    finally:
        reading.stop()
        writer.close()
        report.read_seconds += reading.seconds
        report.write_seconds += writer.seconds
        report.commits += writer.commits
        report.seconds += time.monotonic() - started


def _settle(
    window: Sequence[_Item],
    encoder: Encoder,
    *,
    budget: Budget,
    writer: Writer,
    known: KnownVectors,
    report: EmbedReport,
) -> None:
    """Give every segment of a window its vector: a known one of equal input, or a new one."""
    usable = [item for item in window if item.error is None]
    hashes = {segment.content_hash for item in usable for segment in item.segments}
    vectors = known.lookup(hashes)
    missing: dict[str, Prepared] = {}
    first: dict[str, int] = {}  # content hash → the item that it is encoded for; others reuse it
    for place, item in enumerate(window):
        for segment, prepared in zip(item.segments, item.prepared, strict=True):
            if segment.content_hash not in vectors and first.setdefault(segment.content_hash, place) == place:
                missing[segment.content_hash] = prepared
    if missing:
        started = time.monotonic()
        encoded = encode(encoder, list(missing.values()), budget=budget)
        report.encode_seconds += time.monotonic() - started
        report.cost += sum(prepared.cost for prepared in missing.values())
        fresh = dict(zip(missing, encoded, strict=True))
        known.remember({key: vector for key, vector in fresh.items() if np.isfinite(vector).all()})
        vectors |= fresh
    report.segments_encoded += len(missing)
    for place, item in enumerate(window):
        own = sum(first.get(segment.content_hash) == place for segment in item.segments)
        _finish(item, vectors, encoded=own, writer=writer, report=report)


def _finish(
    item: _Item,
    vectors: Mapping[str, np.ndarray],
    *,
    encoded: int,
    writer: Writer,
    report: EmbedReport,
) -> None:
    """Hand a complete item to the writer, or set it aside. `encoded`: how many of its segments were new."""
    source, shard = item.row["source"], item.row["shard"]
    error = item.error
    found = [vectors[segment.content_hash] for segment in item.segments]
    if error is None and not all(np.isfinite(vector).all() for vector in found):
        error = MediaError("vector not finite", "the encoder returned NaN or infinity for this item")
    if error is not None:
        report.count("quarantined", source, shard)
        report.reason(source, error.reason)
        writer.put(Failed(item.row, error))
        return
    report.count("embedded" if encoded else "reused", source, shard)
    report.segments_reused += len(item.segments) - encoded
    report.shards[shard]["segments"] += len(item.segments)
    writer.put(Done(item.row, item.segments, found))


def _windows(reading: "_Readers", budget: Budget) -> Iterator[list[_Item]]:
    """Items as they come, grouped: many batches of texts (to sort by length), one batch of anything else."""
    window: list[_Item] = []
    room = 0
    for item in reading:
        window.append(item)
        if item.prepared:
            modality = item.prepared[0].modality
            share = _WINDOW_BATCHES if modality == "text" else 1
            room += item.cost
            if room >= budget.of(modality) * share:
                yield window
                window, room = [], 0
        elif len(window) >= 1024:
            yield window
            window, room = [], 0
    if window:
        yield window


class _Readers:
    """Threads that read, segment and prepare manifest rows, ahead of the encoder and within a bound."""

    def __init__(
        self,
        rows: Sequence[Mapping[str, Any]],
        encoder: Encoder,
        segmenter: Segmenter,
        *,
        threads: int,
        limit: int,
    ) -> None:
        self._rows = iter(rows)
        self._encoder = encoder
        self._segmenter = segmenter
        self._buffer: Buffer[_Item | BaseException] = Buffer(limit)
        self._lock = threading.Lock()
        self._running = threads
        self.seconds = 0.0
        for number in range(threads):
            threading.Thread(target=self._run, name=f"reader-{number}", daemon=True).start()

    def __iter__(self) -> Iterator[_Item]:
        while True:
            try:
                item = self._buffer.get()
            except Closed:
                return
            if isinstance(item, BaseException):
                raise item
            yield item

    def stop(self) -> None:
        """Let the threads end after the item at hand."""
        self._buffer.close()

    def _run(self) -> None:
        try:
            while True:
                with self._lock:
                    row = next(self._rows, None)
                if row is None:
                    break
                started = time.monotonic()
                item = self._prepare(row)
                with self._lock:
                    self.seconds += time.monotonic() - started
                self._buffer.put(item, _weight(item))
        except Closed:
            return
        except BaseException as error:  # a bug, or the store of media went away: the run ends with it
            self._hand_over(error)
            return
        with self._lock:
            self._running -= 1
            if self._running:
                return
        self._buffer.close()

    def _hand_over(self, error: BaseException) -> None:
        try:
            self._buffer.put(error, 0)
        except Closed:
            return

    def _prepare(self, row: Mapping[str, Any]) -> _Item:
        try:
            segments = self._segmenter(row)
            modality = row["modality"]
            prepared = [self._encoder.prepare(modality, segment.payload) for segment in segments]
        except MediaError as error:
            return _Item(row, error=error)
        return _Item(row, segments=[_light(segment) for segment in segments], prepared=prepared)


def _light(segment: Segment) -> Segment:
    """The segment without its picture: what the encoder needs is prepared."""
    return Segment(
        kind=segment.kind,
        start=segment.start,
        end=segment.end,
        text=segment.text,
        content_hash=segment.content_hash,
        payload=None,
    )


def _weight(item: _Item) -> int:
    """Bytes that an item holds while it waits, roughly: float32 pixels of three channels, or token ids."""
    per_cost = 64 if item.prepared and item.prepared[0].modality == "text" else 12
    return 1024 + per_cost * item.cost
