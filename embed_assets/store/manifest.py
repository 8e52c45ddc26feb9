"""The manifest: a row per media item of every source, deleted ones included, and a mark per text table."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from embed_assets.media.files.unicode_names import composed
from embed_assets.media.media_types import Annotation
from embed_assets.media.tables.rows_as_items import table_of
from embed_assets.store.database import Database
from embed_assets.store.upsert import COMMITTED, KEY, one_of, quoted, read, upsert

TABLE = "manifest"
TABLE_MARKS = "manifest_tables"
DECODERS = ""  # among the marks, where no table is called that: the decoder plugins that files were shown to
ENCODING = "//"  # among the marks: the encoding by which the settings had texts read that are not UTF-8
OUT_OF_REACH = "/"  # among the marks: what could not be reached, by the latest refresh
UNMATCHED = "///"  # among the marks: rows of the sidecar that name no item, by the latest refresh

SCHEMA = pa.schema(
    [
        pa.field("media_id", pa.string(), nullable=False, metadata=KEY),
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


_MARKS = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False, metadata=KEY),
        pa.field("source", pa.string(), nullable=False),
        pa.field("key", pa.string(), nullable=False),
        pa.field("mark", pa.string(), nullable=False),
    ]
)


class Manifest:
    """Reads and writes manifest rows. A row is a mapping with the schema's names."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def state(self) -> tuple[int | None, int | None]:
        """Versions of its tables: while they are equal, so is what is read from it."""
        return self._database.version(TABLE), self._database.version(TABLE_MARKS)

    @property
    def version(self) -> int:
        """Table version of the rows, 0 where there are none yet."""
        return self._database.version(TABLE) or 0

    def keys_since(self, source: str, version: int) -> set[str]:
        """Keys of a source whose rows were written after that table version: by commits, as clocks may be set back."""
        table = self._database.open_or_none(TABLE)
        if table is None or table.version == version:
            return set()
        where = f"source = {quoted(source)} AND {COMMITTED} > {version}"
        return set(read(table, ["key"], where=where)["key"].to_pylist())

    def rows(self, source: str, *, columns: Iterable[str] = SCHEMA.names) -> list[dict[str, Any]]:
        """All rows of a source; none where the store is new."""
        return self.table([source], columns=columns).to_pylist()

    def table(self, sources: Iterable[str], *, columns: Iterable[str] = SCHEMA.names) -> pa.Table:
        """Columns of all rows of the sources."""
        table, names = self._database.open_or_none(TABLE), list(columns)
        if table is None:
            return SCHEMA.empty_table().select(names)
        return read(table, names, where=one_of("source", list(sources)))

    def write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Insert or replace rows by media id, in one commit."""
        given = pa.Table.from_pylist([dict(row) for row in rows], schema=SCHEMA)
        if given.num_rows:
            upsert(self._database.open_or_create(TABLE, SCHEMA), given, key="media_id")

    def copied(self, database: Database, sources: Iterable[str]) -> "Manifest":
        """A manifest in another store, with the rows and marks of these sources."""
        copy = Manifest(database)
        for source in sources:
            copy.write(self.rows(source))
            copy.mark_tables(source, self.table_marks(source))
        return copy

    def table_marks(self, source: str) -> dict[str, str]:
        """Key → mark of each text table whose rows are in the manifest: equal mark, equal rows."""
        table = self._database.open_or_none(TABLE_MARKS)
        if table is None:
            return {}
        rows = read(table, ["key", "mark"], where=f"source = {quoted(source)}").to_pylist()
        return {row["key"]: row["mark"] for row in rows}

    def mark_tables(self, source: str, marks: Mapping[str, str]) -> None:
        """Make these the marks of a source, in one commit; called once the rows are written."""
        before = self.table_marks(source)
        if before == dict(marks):
            return
        rows = [
            {"id": f"{source}/{key}", "source": source, "key": key, "mark": mark}
            for key, mark in marks.items()
            if before.get(key) != mark
        ]
        gone = [f"{source}/{key}" for key in before if key not in marks]
        upsert(
            self._database.open_or_create(TABLE_MARKS, _MARKS),
            pa.Table.from_pylist(rows, schema=_MARKS),
            key="id",
            delete_where=one_of("id", gone) if gone else None,
        )

    def look_again(self, source: str) -> int:
        """Make the next refresh read what is set aside, and tables with such rows; how many items these are."""
        aside = [row for row in self.rows(source) if row["status"] == "quarantined"]
        self.write({**row, "size": None, "etag": None} for row in aside)
        tables = {table_of(row) or row["key"] for row in aside}
        self.mark_tables(source, {key: mark for key, mark in self.table_marks(source).items() if key not in tables})
        return len(aside)

    def of(self, source: str, keys: Sequence[str]) -> list[dict[str, Any]]:
        """The rows of these keys; of deleted items none."""
        table = self._database.open_or_none(TABLE)
        if table is None or not keys:
            return []
        where = f"source = {quoted(source)} AND {one_of('key', keys)} AND status != 'deleted'"
        return read(table, SCHEMA.names, where=where).to_pylist()

    def media(self, source: str, key: str) -> Mapping[str, Any] | None:
        """The row of one item by its key, or None."""
        table = self._database.open_or_none(TABLE)
        if table is None:
            return None
        where = f"source = {quoted(source)} AND key = {quoted(key)} AND status != 'deleted'"
        found = table.search().where(where).limit(1).to_list()
        return found[0] if found else None


def annotated(annotation: Annotation) -> dict[str, Any]:
    """The manifest columns that an annotation fills; labels in NFC, in which they are asked for."""
    extra = json.dumps(annotation.extra, sort_keys=True, default=str) if annotation.extra else None
    labels = list(dict.fromkeys(map(composed, annotation.labels)))
    return {"caption": annotation.caption, "labels": labels, "extra": extra}
