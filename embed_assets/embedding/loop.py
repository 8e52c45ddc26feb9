"""The hot loop: threads read and prepare ahead, the encoder never waits, commits happen behind it.

    manifest rows ─► reader threads ─► buffer ─► window ─► batches ─► encoder ─► writer thread ─► Lance

An item is written with all its segments in one commit, so that a killed run leaves whole items only.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import repeat
from typing import Any

import numpy as np

from embed_assets import progress
from embed_assets.embedding.batch_trial import BatchTrial
from embed_assets.embedding.batching import BatchLimits, encode, unit_of
from embed_assets.embedding.bounded_queue import Buffer, Closed
from embed_assets.embedding.commit_writer import EncodedItem, FailedItem, Writer
from embed_assets.embedding.embed_report import EmbedReport
from embed_assets.embedding.run_budget import RunBudget, affordable_prefix
from embed_assets.embedding.vectors_of_equal_input import EqualInputVectors
from embed_assets.encoders.base import Encoder, Prepared
from embed_assets.errors import MediaError
from embed_assets.manifest.pending_items import Plan
from embed_assets.media.media_types import Modality, Segment
from embed_assets.store.manifest_row import ManifestRow
from embed_assets.store.vectors import NOT_FINITE

# A window of texts holds this many batches: enough to sort by length, few enough to stay small.
_WINDOW_BATCHES = 64
_ENTRY_BYTES = 150  # of a dictionary: a short text, a number, and their place
_PART_BYTES = 32 * 2**20  # of what is prepared: a sound of hours goes through the loop in parts

Segmenter = Callable[[ManifestRow], Iterable[Segment]]


@dataclass(slots=True)
class _Item:
    """One media item, put together again from its parts."""

    row: ManifestRow
    segments: list[Segment] = field(default_factory=list)
    vectors: list[np.ndarray] = field(default_factory=list)
    encoded: int = 0  # segments whose vectors are new
    error: MediaError | None = None


@dataclass(slots=True)
class _Part:
    """Some segments of an item on their way through the loop; of most items all of them."""

    item: _Item
    segments: list[Segment] = field(default_factory=list)
    prepared: list[Prepared] = field(default_factory=list)
    error: MediaError | None = None
    last: bool = True

    @property
    def cost(self) -> int:
        return sum(prepared.cost for prepared in self.prepared)

    @property
    def modality(self) -> str:
        return self.item.row["modality"] or ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Encoding:
    """An encoder, and how its items are read, cut and batched.

    `segmenter` reads one manifest row's media and cuts it; it raises MediaError, behind some segments too, where the
    item is to be quarantined.
    """

    encoder: Encoder
    segmenter: Segmenter
    limits: BatchLimits
    readers: int  # threads
    buffer_bytes: int  # that readers prepare ahead
    trials: Mapping[str, BatchTrial] = field(default_factory=dict)  # unit → sizes that are tried in this run

    def window(self, modality: Modality) -> int:
        """Return the cost of a window: many batches of texts, to sort by length, one batch of anything else."""
        trial = self.trials.get(unit_of(modality))
        one = trial.room() if trial is not None else self.limits.of(modality)
        return max(one, self.limits.of(modality) * _WINDOW_BATCHES) if modality == "text" else one

    def batch_sizes(self, spent: Iterable[str]) -> dict[str, int]:
        """Return the most that a batch held in the units (tokens, pixels) that were spent, as it was at the end."""
        usual = {"tokens": self.limits.tokens, "pixels": self.limits.pixels}
        chosen = {unit: trial.choice for unit, trial in self.trials.items() if trial.choice is not None}
        return {unit: size for unit, size in {**usual, **chosen}.items() if unit in set(spent)}


class CollectedItems:
    """Finished items, kept in memory in place of a table.

    `refusal` says why the vectors of an item can't be stored; by default nothing is refused: they can be compared.
    """

    def __init__(self, refusal: Callable[[Sequence[np.ndarray]], MediaError | None] = lambda _: None) -> None:
        self.encoded: list[EncodedItem] = []
        self.failed: list[FailedItem] = []
        self.refusal = refusal

    def put(self, item: EncodedItem | FailedItem) -> None:
        """Keep an item."""
        if isinstance(item, EncodedItem):
            self.encoded.append(item)
        else:
            self.failed.append(item)


def embed(
    plan: Plan,
    encoding: Encoding,
    *,
    writer: Writer,
    known: EqualInputVectors,
    report: EmbedReport,
    budget: RunBudget | None = None,
) -> None:
    """Encode the missing items of a plan; counts and seconds go into `report`.

    A quarantined item does not stop the others. On any error, Ctrl-C included, complete items are written before the
    error is raised, so that a rerun continues from there. The same where the next item would cost more than `budget`
    has left: nothing is raised, and `report.stopped` says so.
    """
    started, encoder = time.monotonic(), encoding.encoder
    report.ran_on(encoder)
    # Half a text is money lost where the budget ends in it: of APIs, which take texts, it is not begun.
    reading = _Readers(plan.encode, encoding, whole_texts=budget is not None)
    total, done_count = len(plan.encode), 0
    done_ids = set[str]()
    before = report.total("quarantined")

    def tell(items: int = 0) -> None:
        quarantined = report.total("quarantined") - before
        progress.report("encode", encoder.spec.name, done_count + items, total, quarantined=quarantined)

    window_encoder = _WindowEncoder(encoding, writer=writer, known=known, report=report, budget=budget, tell=tell)
    try:
        for window in _windows(reading, encoding, budget):
            fitting = window_encoder.encode(window)
            done = [part.item.row["media_id"] for part in window[:fitting] if part.last]
            if budget is not None:
                done_ids.update(done)
            done_count += len(done)
            tell()
            if budget is not None:
                budget.items += len(done)
            if budget is not None and fitting < len(window):
                left = [row for row in plan.encode if row["media_id"] not in done_ids]
                report.stop(budget.stop(len(left)), left)
                break
    finally:
        reading.stop()
        writer.close()
        report.read_seconds += reading.seconds
        report.waited_seconds += reading.waited
        report.write_seconds += writer.seconds
        report.batch_sizes = encoding.batch_sizes(report.spent)
        report.commits += writer.commits
        report.add_seconds(time.monotonic() - started)


def encode_in_memory(
    rows: Sequence[ManifestRow],
    encoding: Encoding,
    *,
    report: EmbedReport,
    keep: CollectedItems | None = None,
    known: EqualInputVectors | None = None,
) -> EmbedReport:
    """Read, cut and encode rows in memory; their cost and seconds go into `report`, their vectors into `keep`.

    Segments that are `known` are not encoded; by default all are.
    """
    started, encoder = time.monotonic(), encoding.encoder
    report.ran_on(encoder)
    reading = _Readers(rows, encoding)
    window_encoder = _WindowEncoder(encoding, writer=keep, known=known, report=report, budget=None)
    done_count = 0
    try:
        for window in _windows(reading, encoding, None):
            done_count += sum(part.last for part in window[: window_encoder.encode(window)])
            progress.report("sample", encoder.spec.name, done_count, len(rows))
    finally:
        reading.stop()
        report.read_seconds += reading.seconds
        report.waited_seconds += reading.waited
        report.add_seconds(time.monotonic() - started)
    return report


class _WindowEncoder:
    """Vectors for every segment of a window: existing ones of equal input, or new ones.

    Without a writer nothing is written, without existing vectors all is encoded: a sample. `tell` is called with
    the window's items that are encoded, after each batch: a window of a slow encoder takes minutes.
    """

    def __init__(
        self,
        encoding: Encoding,
        *,
        writer: Writer | CollectedItems | None,
        known: EqualInputVectors | None,
        report: EmbedReport,
        budget: RunBudget | None,
        tell: Callable[[int], None] = lambda items: None,
    ) -> None:
        self._encoder = encoding.encoder
        self._tell = tell
        self._limits, self._trials = encoding.limits, encoding.trials
        self._writer = writer
        self._known = known
        self._report = report
        self._budget = budget
        self._clock = time.monotonic if budget is None else budget.clock
        self._since = self._clock()

    def encode(self, window: Sequence[_Part]) -> int:
        """Encode the window's first parts; return how many: all, unless the budget ends among them."""
        encoded = 0
        while encoded < len(window):  # a server may bill less than was estimated: check the budget again
            fitting = self._encode_fitting(window[encoded:], before=sum(part.last for part in window[:encoded]))
            if not fitting:
                break
            encoded += fitting
        return encoded

    def _encode_fitting(self, window: Sequence[_Part], *, before: int) -> int:
        hashes = {segment.content_hash for part in window for segment in part.segments}
        vectors = self._known.lookup(hashes) if self._known else {}
        missing: dict[str, Prepared] = {}
        costs = [0] * len(window)
        first: dict[str, int] = {}  # content hash → the part that it is encoded for; others reuse it
        for place, part in enumerate(window):
            for segment, prepared in zip(part.segments, part.prepared, strict=True):
                key = segment.content_hash
                if key not in vectors and key not in first:
                    first[key], missing[key] = place, prepared
                    costs[place] += prepared.cost
        fitting = self._fits(window, costs)
        missing = {key: prepared for key, prepared in missing.items() if first[key] < fitting}
        items = sum(part.last for part in window[:fitting])
        billed = self._encode(missing, vectors, after_batch=lambda done: self._tell(before + int(items * done)))
        for place, part in enumerate(window[:fitting]):
            _add(part, vectors, encoded=sum(first.get(segment.content_hash) == place for segment in part.segments))
            if part.last:
                _finish(part.item, writer=self._writer, report=self._report)
        self._account(window[:fitting], costs, first, billed)
        return fitting

    def _fits(self, window: Sequence[_Part], costs: Sequence[int]) -> int:
        """Return how many of the first parts the budget affords, modality by modality."""
        if self._budget is None:
            return len(window)
        fitting = len(window)
        for modality in dict.fromkeys(part.modality for part in window):
            remaining = self._budget.remaining(self._encoder.spec, modality)
            own = [cost if part.modality == modality else 0 for part, cost in zip(window, costs, strict=True)]
            fitting = min(fitting, affordable_prefix(own, remaining))
        return fitting

    def _encode(
        self, missing: Mapping[str, Prepared], vectors: dict[str, np.ndarray], *, after_batch: Callable[[float], None]
    ) -> int:
        """Encode missing segments into `vectors`; return the tokens that a server billed, 0 where none counts.

        `after_batch` is called with the share that is encoded.
        """
        if not missing:
            return 0
        report, billed = self._report, getattr(self._encoder, "billed_tokens", 0)
        started, done = time.monotonic(), 0

        def count(segments: int) -> None:
            nonlocal done
            done += segments
            after_batch(done / len(missing))

        prepared = list(missing.values())
        encoded = encode(self._encoder, prepared, limits=self._limits, trials=self._trials, after_batch=count)
        report.encode_seconds += time.monotonic() - started
        report.cost += sum(prepared.cost for prepared in missing.values())
        report.segments_encoded += len(missing)
        new_vectors = dict(zip(missing, encoded, strict=True))
        if self._known:
            self._known.remember({key: vector for key, vector in new_vectors.items() if np.isfinite(vector).all()})
        vectors |= new_vectors
        return getattr(self._encoder, "billed_tokens", 0) - billed

    def _account(self, window: Sequence[_Part], costs: Sequence[int], first: Mapping[str, int], billed: int) -> None:
        """Add the work of the window to the report, by source and modality, and its cost to the budget."""
        now, total = self._clock(), sum(costs[: len(window)])
        elapsed, self._since = now - self._since, now
        encoded = Counter(first.values())
        spent = Counter[str]()
        for place, (part, cost) in enumerate(zip(window, costs, strict=False)):
            if part.error is not None:
                continue
            share = cost / total if total else 1 / len(window)
            spent[part.modality] += cost
            work = self._report.work_of(part.item.row["source"], part.modality)
            work.items += part.last
            work.bytes += (part.item.row["size"] or 0) if part.last else 0
            work.segments += len(part.segments)
            work.encoded += encoded[place]
            work.cost += cost
            work.billed += billed * share
            work.seconds += elapsed * share
        if self._budget is None or not total:
            return
        for modality, cost in spent.items():
            share = cost / total
            self._budget.spend(
                self._encoder.spec, modality, cost, billed=billed * share or None, seconds=elapsed * share
            )


def _add(part: _Part, vectors: Mapping[str, np.ndarray], *, encoded: int) -> None:
    """Add a part's segments and vectors to its item. `encoded`: how many of the segments were new."""
    item, found = part.item, [vectors[segment.content_hash] for segment in part.segments]
    item.segments += part.segments
    item.vectors += found
    item.encoded += encoded
    item.error = item.error or part.error
    if item.error is None and not all(np.isfinite(vector).all() for vector in found):
        item.error = MediaError(NOT_FINITE, "the encoder returned NaN or infinity for this item")


def _finish(item: _Item, *, writer: Writer | CollectedItems | None, report: EmbedReport) -> None:
    """Hand a complete item to the writer, or quarantine it."""
    source, shard = item.row["source"], item.row["shard"]
    error = item.error or (writer.refusal(item.vectors) if writer is not None else None)
    if error is not None:
        report.count("quarantined", source, shard)
        report.reason(source, error.reason)
        if writer is not None:
            writer.put(FailedItem(item.row, error))
        return
    report.count("embedded" if item.encoded else "reused", source, shard)
    report.segments_reused += len(item.segments) - item.encoded
    report.shards[shard]["segments"] += len(item.segments)
    for warning in (segment.warning for segment in item.segments if segment.warning is not None):
        report.warn(source, item.row["key"], warning.kind, warning.where)
    if writer is not None:
        writer.put(EncodedItem(item.row, item.segments, item.vectors))


def _windows(reading: "_Readers", encoding: Encoding, budget: RunBudget | None) -> Iterator[list[_Part]]:
    """Group parts in windows: many batches of texts (to sort by length), one batch of anything else.

    Fewer where a budget has to look at the clock between them.
    """
    limits, window = encoding.limits, list[_Part]()
    cost = 0
    for part in reading:
        window.append(part)
        if part.prepared:
            modality = part.prepared[0].modality
            most = encoding.window(modality)
            if budget is not None:
                most = min(most, max(limits.of(modality), budget.max_step(encoding.encoder.spec, modality)))
            cost += part.cost
            if cost >= most:
                yield window
                window, cost = [], 0
        elif len(window) >= 1024:
            yield window
            window, cost = [], 0
    if window:
        yield window


class _Readers:
    """Threads that read, segment and prepare manifest rows, ahead of the encoder and within a bound."""

    def __init__(
        self,
        rows: Sequence[ManifestRow],
        encoding: Encoding,
        *,
        whole_texts: bool = False,
    ) -> None:
        self._rows = iter(rows)
        self._whole_texts = whole_texts
        self._encoder = encoding.encoder
        self._segmenter = encoding.segmenter
        self._buffer: Buffer[_Part | BaseException] = Buffer(encoding.buffer_bytes)
        self._lock = threading.Lock()
        self._running = encoding.readers
        self.seconds = 0.0
        self.waited = 0.0  # seconds, of whoever takes the parts
        for number in range(encoding.readers):
            threading.Thread(target=self._run, name=f"reader-{number}", daemon=True).start()

    def __iter__(self) -> Iterator[_Part]:
        while True:
            started = time.monotonic()
            try:
                part = self._buffer.get()
            except Closed:
                return
            finally:
                self.waited += time.monotonic() - started
            if isinstance(part, BaseException):
                raise part
            yield part

    def stop(self) -> None:
        """Let the threads end after the part at hand."""
        self._buffer.close()

    def _run(self) -> None:
        try:
            while True:
                with self._lock:
                    row = next(self._rows, None)
                if row is None:
                    break
                self._read(row)
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

    def _read(self, row: ManifestRow) -> None:
        """Put an item into the buffer, part by part."""
        parts = self._parts(row)
        while True:
            started = time.monotonic()
            part = next(parts)
            with self._lock:
                self.seconds += time.monotonic() - started
            self._buffer.put(part, 1024 + sum(map(_estimated_bytes, part.prepared)))
            if part.last:
                return

    def _parts(self, row: ManifestRow) -> Iterator[_Part]:
        part, weight = _Part(_Item(row), last=False), 0
        try:
            # A call for each, for a loop of our own would hold the last payload while the next one is decoded.
            for segment, prepared in map(self._prepared, repeat(row["modality"]), self._segmenter(row)):
                if weight >= _PART_BYTES and not (self._whole_texts and part.modality == "text"):
                    yield part
                    part, weight = _Part(part.item, last=False), 0
                part.segments.append(segment)
                part.prepared.append(prepared)
                weight += _estimated_bytes(prepared)
        except MediaError as error:
            part = _Part(part.item, error=error)
        part.last = True
        yield part

    def _prepared(self, modality: Any, segment: Segment) -> tuple[Segment, Prepared]:
        """Return the segment without its payload, and the payload as the encoder prepared it."""
        return replace(segment, payload=None), self._encoder.prepare(modality, segment.payload)


def _estimated_bytes(prepared: Prepared) -> int:
    """Estimate the bytes of a waiting segment: float32 pixels of three channels, token ids, or counts by token."""
    counted = _ENTRY_BYTES * len(prepared.data) if isinstance(prepared.data, dict) else 0
    return max(counted, prepared.cost * (64 if prepared.modality == "text" else 12))
