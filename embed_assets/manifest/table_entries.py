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
from embed_assets.media.tables.content_file import ContentFile
from embed_assets.media.tables.row_chunks import RowChunk
from embed_assets.media.tables.rows_as_items import row_key
from embed_assets.store.manifest import annotated

pc: Any = pyarrow.compute  # its functions are made as it is imported: no checker sees them

_BETWEEN = "\x1f"  # labels, joined to one text
_COMPARED = ("uri", "content_hash", "reason", "etag", "row_stamp", "caption", "labels", "extra")
_REMEMBERED = 10_000  # annotations
_OBJECTS = 1024  # rows that are objects at one time
_OWN = pa.schema(
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
    ]
)
_ANNOTATION = pa.schema(
    [
        ("caption", pa.string()),
        ("labels", pa.list_(pa.string())),
        ("extra", pa.string()),
    ]
)
_SCHEMA = pa.schema([*_OWN, *_ANNOTATION])


@dataclass(kw_only=True)
class TableEntries:
    """Rows of one table that are new, or not as the manifest has them; the others are noted in `stored`."""

    file: ListedFile
    stamp: str
    stored: StoredRows
    annotate: Callable[[str, Annotation], Annotation] | None  # by the row's key and its own columns; None: as these say
    contents: ContentFile | None = None  # where the texts of rows that differ are kept for the run
    rows: int = 0  # all that were read
    _parts: list[pa.Table] = field(default_factory=list)
    _known: dict[int, tuple[Annotation, dict[str, Any]]] = field(default_factory=dict)

    def add(self, chunk: RowChunk) -> None:
        """Compare some rows with the manifest; keep those that differ."""
        self.rows += len(chunk.ids)
        keys = pc.binary_join_element_wise(row_key(self.file.key, ""), pa.array(chunk.ids, pa.string()), "")
        part = self._columns(chunk, keys)
        places = self.stored.places(keys)
        self.stored.note(places)
        differs = pc.invert(self._same(part, places))
        other = part.filter(differs)
        if other.num_rows:
            self._parts.append(other)
            self._keep_texts(chunk, differs)

    def taken(self) -> Iterator[Entry]:
        """Yield the entries; what was yielded is held no longer."""
        self._parts.reverse()
        while self._parts:
            for batch in self._parts.pop().to_batches(max_chunksize=_OBJECTS):
                yield from map(self._entry, batch.to_pylist())

    def with_reasons(self, reasons: Any) -> Iterator[Entry]:
        """Yield the entries that can't be used for one of these reasons."""
        for part in self._parts:
            chosen = part.filter(pc.is_in(part["reason"], value_set=pa.array(sorted(reasons), pa.string())))
            yield from map(self._entry, chosen.to_pylist())

    def _keep_texts(self, chunk: RowChunk, differs: Any) -> None:
        if self.contents is None:
            return
        for place in np.flatnonzero(np.asarray(differs)).tolist():
            text, content_hash = chunk.texts[place], chunk.content_hashes[place]
            if text is not None and content_hash is not None:
                self.contents.add(content_hash, text.encode())

    def _columns(self, chunk: RowChunk, keys: Any) -> pa.Table:
        annotations = chunk.annotations
        if self.annotate is not None:
            pairs = zip(keys.to_pylist(), annotations, strict=True)
            annotations = [self.annotate(key, own) for key, own in pairs]
        places: dict[int, int] = {}  # many rows share one annotation
        place = [places.setdefault(id(each), len(places)) for each in annotations]
        by_id = {id(each): each for each in annotations}
        different = pa.Table.from_pylist([self._annotated(by_id[each]) for each in places], schema=_ANNOTATION)
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
        }
        columns = different.take(pa.array(place, pa.int64())).columns
        return pa.table([*pa.table(values, schema=_OWN).columns, *columns], schema=_SCHEMA)

    def _annotated(self, annotation: Annotation) -> dict[str, Any]:
        """Return the manifest's columns of an annotation, computed once while it lives."""
        known = self._known.get(id(annotation))
        if known is None or known[0] is not annotation:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[id(annotation)] = (annotation, annotated(annotation))
        return known[1]

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
