"""Writer: commits finished items behind the encoder, by rows or by time; whole items, one commit a flush."""

import queue
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from embed_assets.errors import MediaError
from embed_assets.media.files.unreachable import KEPT
from embed_assets.media.media_types import Segment
from embed_assets.store.manifest_row import ManifestRow
from embed_assets.store.quarantine import Quarantine
from embed_assets.store.upsert import one_of, upsert
from embed_assets.store.user_columns import ItemFacts, column_values, user_columns
from embed_assets.store.vectors import VectorTable, unstorable

_REWRITTEN = 10_000  # items in one commit: 30,000 take 1.1 s, by 2,000 a commit 2.8 s


@dataclass(frozen=True, slots=True)
class EncodedItem:
    """An item with a vector for every segment."""

    row: ManifestRow
    segments: Sequence[Segment]
    vectors: Sequence[np.ndarray]


@dataclass(frozen=True, slots=True)
class FailedItem:
    """An item to quarantine."""

    row: ManifestRow
    error: MediaError


class Writer:
    """Takes finished items from the loop and commits them on a thread of its own.

    At most one flush is being written while the next one fills. An error of the thread is raised by the
    next `put` or by `close`.
    """

    def __init__(
        self,
        table: VectorTable,
        schema: pa.Schema,
        *,
        version: str,
        replaced: frozenset[str],
        flush_rows: int,
        flush_seconds: float,
    ) -> None:
        self._table = table
        self._schema = schema
        self._version = version
        self._replaced = replaced
        self._flush_rows = flush_rows
        self._flush_seconds = flush_seconds
        self._quarantine = Quarantine(table.database, table.name)
        self._pending: list[EncodedItem | FailedItem] = []
        self._rows = 0
        self._since = time.monotonic()
        self._queue: queue.Queue[list[EncodedItem | FailedItem] | None] = queue.Queue(maxsize=1)
        self._error: BaseException | None = None
        self.seconds = 0.0
        self.commits = 0
        self.conflicts = 0  # merges that were done again, since another writer's commit came first
        self.repeats = 0  # times that Lance gave up over conflicts, and was called again
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def refusal(self, vectors: Sequence[np.ndarray]) -> MediaError | None:
        """Return the error of an item whose vectors can't be stored, or None."""
        reason = unstorable(vectors, self._schema.field("vector").type.value_type)
        return MediaError(reason) if reason else None

    def put(self, item: EncodedItem | FailedItem) -> None:
        """Add one finished item; flushes when there are enough rows or enough time went by."""
        self._raise()
        self._pending.append(item)
        self._rows += len(item.segments) if isinstance(item, EncodedItem) else 0
        if self._rows >= self._flush_rows or time.monotonic() - self._since >= self._flush_seconds:
            self._flush()

    def close(self) -> None:
        """Write what is left and wait for it."""
        if self._error is None and self._pending:
            self._flush()
        self._queue.put(None)
        self._thread.join()
        self._raise()

    def _flush(self) -> None:
        self._queue.put(self._pending)
        self._pending, self._rows, self._since = [], 0, time.monotonic()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while (items := self._queue.get()) is not None:
            if self._error is None:
                started = time.monotonic()
                try:
                    self._write(items)
                except BaseException as error:  # raised where the loop is, on its next put
                    self._error = error
                self.seconds += time.monotonic() - started

    def _write(self, items: Sequence[EncodedItem | FailedItem]) -> None:
        done = [item for item in items if isinstance(item, EncodedItem)]
        failed = [item for item in items if isinstance(item, FailedItem)]
        if failed:
            self._quarantine.add((item.row, item.error) for item in failed)
            failed_ids = [item.row["media_id"] for item in failed if item.error.reason not in KEPT]
            obsolete = [media_id for media_id in failed_ids if media_id in self._replaced]
            self._table.delete_items(obsolete)
        if done:
            replaced = [item.row["media_id"] for item in done if item.row["media_id"] in self._replaced]
            self._table.write_as_it_is(lambda schema: self._replace(done, replaced, schema))
            self.commits += 1

    def _replace(self, items: Sequence[EncodedItem], replaced: Sequence[str], schema: pa.Schema) -> None:
        contention = self._table.replace_items(self._arrow(items, schema), replaced=replaced)
        self.conflicts += contention.conflicts
        self.repeats += contention.repeats

    def _arrow(self, items: Sequence[EncodedItem], schema: pa.Schema) -> pa.Table:
        """Return rows of the vector table for complete items."""
        now, fields = datetime.now(UTC), user_columns(schema)
        columns: dict[str, list[Any]] = {name: [] for name in schema.names if name != "vector"}
        vectors: list[np.ndarray] = []
        for item in items:
            of_item = {**column_values(fields, _facts(item.row)), "embedded_at": now}
            for segment, vector in zip(item.segments, item.vectors, strict=True):
                vectors.append(vector)
                values = of_item | self._values(item, segment)
                for name, column in columns.items():
                    column.append(values[name])
        arrays = [
            _vector_array(vectors, field.type) if field.name == "vector" else pa.array(columns[field.name], field.type)
            for field in schema
        ]
        return pa.Table.from_arrays(arrays, schema=schema)

    def _values(self, item: EncodedItem, segment: Segment) -> dict[str, Any]:
        row = item.row
        start = "" if segment.start is None else f":{segment.start}"
        return {
            **{name: row[name] for name in ("media_id", "source", "shard", "modality", "key", "uri", "meta_hash")},
            "segment_id": f"{row['media_id']}:{segment.kind}{start}",
            "kind": segment.kind,
            "media_hash": row["content_hash"],
            "content_hash": segment.content_hash,
            "segment_count": len(item.segments),
            "start": segment.start,
            "end": segment.end,
            "text": segment.text,
            "labels": row["labels"],
            "encoder_version": self._version,
        }


def _vector_array(vectors: Sequence[np.ndarray], kind: pa.DataType) -> pa.Array:
    number = np.float16 if kind.value_type == pa.float16() else np.float32
    flat = np.concatenate(vectors).astype(number)
    return pa.FixedSizeListArray.from_arrays(pa.array(flat, kind.value_type), kind.list_size)


def rewrite_metadata(table: VectorTable, rows: Sequence[ManifestRow]) -> None:
    """Bring URI, labels, caption, time and user columns of items up to date; vectors are kept as they are."""
    for start in range(0, len(rows), _REWRITTEN):
        by_id = {row["media_id"]: row for row in rows[start : start + _REWRITTEN]}
        table.write_as_it_is(lambda schema, by_id=by_id: _rewrite(table, by_id, schema))


def _rewrite(table: VectorTable, by_id: Mapping[str, ManifestRow], schema: pa.Schema) -> None:
    old = table.read(schema.names, where=one_of("media_id", list(by_id)))
    if old is None or not old.num_rows:
        return
    owners = [by_id[media_id] for media_id in old["media_id"].to_pylist()]
    fields = user_columns(schema)
    of_items = {media_id: column_values(fields, _facts(row)) for media_id, row in by_id.items()}
    new = {name: [owner[name] for owner in owners] for name in ("key", "uri", "meta_hash", "labels")}
    new |= {name: [of_items[owner["media_id"]][name] for owner in owners] for name in next(iter(of_items.values()))}
    kept = zip(old["kind"].to_pylist(), old["text"].to_pylist(), owners, strict=True)
    new["text"] = [text if kind == "chunk" else owner["caption"] for kind, text, owner in kept]
    for name in schema.names:
        if name in new:
            field = schema.field(name)
            old = old.set_column(schema.get_field_index(name), field, pa.array(new[name], field.type))
    upsert(table.database.open(table.name), old.select(schema.names).cast(schema), key="segment_id")


def _facts(row: ManifestRow) -> ItemFacts:
    return ItemFacts(row["extra"], row["mtime"])
