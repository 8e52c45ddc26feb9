"""Entries of tables: rows that are not as the manifest has them, found by columns, kept small until they are used."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from embed_assets.manifest.entry import Entry, FileProbe, stored_annotation
from embed_assets.manifest.stored_rows import StoredRows
from embed_assets.media.media_types import Annotation, ListedFile
from embed_assets.media.tables.row_chunks import RowChunk
from embed_assets.media.tables.rows_as_items import row_key
from embed_assets.store.manifest import annotated

pc: Any = pyarrow.compute  # its functions are made as it is imported: no checker sees them

_BETWEEN = "\x1f"  # labels, joined to one text
_COMPARED = ("uri", "content_hash", "reason", "etag", "row_stamp", "caption", "labels", "extra")
_OBJECTS = 1024  # rows that are objects at one time
_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("content_hash", pa.string()),
        ("size", pa.int64()),
        ("mime", pa.string()),
        ("modality", pa.string()),
        ("reason", pa.string()),
        ("decoder", pa.string()),
        ("charset", pa.string()),
        ("updated", pa.string()),
        ("caption", pa.string()),
        ("labels", pa.list_(pa.string())),
        ("extra", pa.string()),
    ]
)


@dataclass(kw_only=True)
class TableEntries:
    """Rows of one table that are new, or not as the manifest has them; the others are noted in `stored`."""

    file: ListedFile
    stamp: str
    stored: StoredRows
    annotate: Callable[[str, Annotation], Annotation]  # by the row's key, and its own columns
    rows: int = 0  # all that were read
    _parts: list[pa.Table] = field(default_factory=list)

    def add(self, chunk: RowChunk) -> None:
        """Compare some rows with the manifest; keep those that differ."""
        self.rows += len(chunk.ids)
        part = self._columns(chunk)
        prefix = row_key(self.file.key, "")
        keys = pa.array([prefix + name for name in chunk.ids], pa.string())
        places = self.stored.places(keys)
        self.stored.note(places)
        other = part.filter(pc.invert(self._same(part, places)))
        if other.num_rows:
            self._parts.append(other)

    def __iter__(self) -> Iterator[Entry]:
        for part in self._parts:
            for batch in part.to_batches(max_chunksize=_OBJECTS):
                yield from map(self._entry, batch.to_pylist())

    def with_reasons(self, reasons: Any) -> Iterator[Entry]:
        """Yield the entries that can't be used for one of these reasons."""
        for part in self._parts:
            chosen = part.filter(pc.is_in(part["reason"], value_set=pa.array(sorted(reasons), pa.string())))
            yield from map(self._entry, chosen.to_pylist())

    def _columns(self, chunk: RowChunk) -> pa.Table:
        prefix = row_key(self.file.key, "")
        of_cells: dict[int, dict[str, Any]] = {}  # many rows share one annotation
        columns: list[dict[str, Any]] = []
        for name, own in zip(chunk.ids, chunk.annotations, strict=True):
            merged = self.annotate(prefix + name, own)
            if id(merged) not in of_cells or merged is not own:
                of_cells[id(merged)] = annotated(merged)
            columns.append(of_cells[id(merged)])
        values = {
            "id": chunk.ids,
            "content_hash": chunk.content_hashes,
            "size": chunk.sizes,
            "mime": chunk.mimes,
            "modality": chunk.modalities,
            "reason": chunk.reasons,
            "decoder": chunk.decoders,
            "charset": chunk.charsets,
            "updated": chunk.updated,
            **{name: [each[name] for each in columns] for name in ("caption", "labels", "extra")},
        }
        return pa.table(values, schema=_SCHEMA)

    def _same(self, part: pa.Table, places: np.ndarray) -> Any:
        """Return which rows are in the manifest as they are, and usable: nothing of them is to be written."""
        place = pa.array(places, mask=places < 0)
        old = self.stored.rows.select(_COMPARED).take(place)
        uri = pc.binary_join_element_wise(f"{self.file.uri}#", part["id"], "")
        unread = pc.is_null(part["content_hash"])
        content = pc.and_(pc.equal(part["content_hash"], old["content_hash"]), pc.is_null(part["reason"]))
        for name in ("caption", "labels", "extra"):
            content = pc.and_(content, pc.equal(_text(part[name]), _text(old[name])))
        content = pc.and_(content, pc.is_null(old["reason"]))
        stamped = pc.and_(pc.equal(part["updated"], old["etag"]), pc.equal(old["row_stamp"], self.stamp))
        stamped = pc.or_(pc.equal(part["updated"], ""), pc.fill_null(stamped, False))
        same = pc.and_(pc.or_(unread, pc.fill_null(content, False)), stamped)
        return pc.fill_null(pc.and_(same, pc.equal(uri, old["uri"])), False)

    def _entry(self, row: Mapping[str, Any]) -> Entry:
        key = row_key(self.file.key, row["id"])
        item = replace(self.file, key=key, row_id=row["id"], uri=f"{self.file.uri}#{row['id']}", size=row["size"])
        if row["updated"]:  # with its stamp: a row that was read with other settings, or another sidecar, is read again
            item = replace(item, etag=row["updated"])
        if row["content_hash"] is None:
            stored = self.stored.of([key])[0]
            assert stored is not None, "only a row of the manifest is not read"
            return Entry(
                replace(item, size=stored["size"] or 0), None, stored_annotation(stored), self.file.key, self.stamp
            )
        probe = FileProbe(
            row["content_hash"], row["mime"], row["modality"], row["reason"], row["decoder"], row["charset"]
        )
        annotation = {name: row[name] for name in ("caption", "labels", "extra")}
        return Entry(item, probe, annotation, self.file.key, self.stamp if row["updated"] else None)


def _text(column: Any) -> Any:
    """Return a column as texts, "" for null."""
    kind = column.type
    return pc.fill_null(pc.binary_join(column, _BETWEEN) if pa.types.is_list(kind) else column, "")
