"""The manifest table: one row per media item of every source, deleted ones included."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from embed_assets.media.item import Annotation
from embed_assets.store.connection import Store
from embed_assets.store.rows import one_of, quoted, read, upsert

TABLE = "manifest"

SCHEMA = pa.schema(
    [
        pa.field("media_id", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("key", pa.string(), nullable=False),
        pa.field("uri", pa.string(), nullable=False),
        pa.field("shard", pa.string(), nullable=False),
        pa.field("size", pa.int64()),
        pa.field("mtime", pa.float64()),
        pa.field("etag", pa.string()),
        pa.field("content_hash", pa.string()),
        pa.field("meta_hash", pa.string()),
        pa.field("mime", pa.string()),
        pa.field("modality", pa.string()),
        pa.field("status", pa.string(), nullable=False),
        pa.field("reason", pa.string()),
        pa.field("caption", pa.string()),
        pa.field("labels", pa.list_(pa.string())),
        pa.field("extra", pa.string()),
        pa.field("updated_at", pa.timestamp("us", tz="UTC")),
    ]
)


class Manifest:
    """Reads and writes manifest rows. A row is a mapping with the schema's names."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def rows(self, source: str) -> list[dict[str, Any]]:
        """All rows of a source; none where the store is new."""
        return self.table([source]).to_pylist()

    def table(self, sources: Iterable[str], *, columns: Iterable[str] = SCHEMA.names) -> pa.Table:
        """Columns of all rows of the sources."""
        table, names = self._store.open_or_none(TABLE), list(columns)
        if table is None:
            return SCHEMA.empty_table().select(names)
        return read(table, names, where=one_of("source", list(sources)))

    def write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Insert or replace rows by media id, in one commit."""
        given = pa.Table.from_pylist([dict(row) for row in rows], schema=SCHEMA)
        if given.num_rows:
            upsert(self._store.open_or_create(TABLE, SCHEMA), given, key="media_id")

    def media(self, source: str, key: str) -> Mapping[str, Any] | None:
        """The row of one item by its key, or None."""
        table = self._store.open_or_none(TABLE)
        if table is None:
            return None
        where = f"source = {quoted(source)} AND key = {quoted(key)} AND status != 'deleted'"
        found = table.search().where(where).limit(1).to_list()
        return found[0] if found else None


def annotated(annotation: Annotation) -> dict[str, Any]:
    """The manifest columns that an annotation fills."""
    extra = json.dumps(annotation.extra, sort_keys=True, default=str) if annotation.extra else None
    return {"caption": annotation.caption, "labels": list(annotation.labels), "extra": extra}
