"""The manifest: a row per media item of every source, deleted ones included, and a mark per text table."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute

from embed_assets.media.files.unicode_names import composed
from embed_assets.media.media_types import Annotation
from embed_assets.store.manifest_row import SCHEMA, ManifestRow, owner
from embed_assets.store.open_database import Database
from embed_assets.store.source_state import TABLE as SOURCE_STATE
from embed_assets.store.source_state import SourceState, read_state, write_state
from embed_assets.store.upkeep.packed_manifest import PACKED, PACKED_ROWS, UNPACKED, unpacked
from embed_assets.store.upsert import COMMITTED, KEY, add_missing_columns, one_of, quoted, read, upsert

pc: Any = pyarrow.compute  # its functions are made as it is imported: no checker sees them

TABLE = "manifest"
TABLE_MARKS = "manifest_tables"
MOST_NEW = 200_000  # rows of new items in one commit: Lance's merge takes a kilobyte of memory for each
# Keys among the marks of older stores that name no table, by what they hold of the source's state.
_STATE_KEYS = {"": "decoders", "//": "encoding", "/": "unreachable", "///": "unmatched"}

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

    def table_versions(self) -> tuple[int | None, ...]:
        """Return the versions of its tables: while they are equal, so is what is read from it."""
        return tuple(self._database.version(name) for name in (TABLE, TABLE_MARKS, SOURCE_STATE))

    @property
    def version(self) -> int:
        """Table version of the rows, 0 where there are none yet."""
        return self._database.version(TABLE) or 0

    def keys_since(self, source: str, version: int) -> set[str]:
        """Return keys of a source whose rows were written after that table version: clocks may be set back."""
        table = self._database.open_or_none(TABLE)
        if table is None or table.version == version:
            return set()
        where = f"source = {quoted(source)} AND {COMMITTED} > {version}"
        return set(read(table, ["key"], where=where)["key"].to_pylist())

    def rows(self, source: str) -> list[ManifestRow]:
        """Return all rows of a source; none where the store is new."""
        return cast("list[ManifestRow]", self.table([source]).to_pylist())

    def table(
        self, sources: Iterable[str], *, columns: Iterable[str] = SCHEMA.names, version: int | None = None
    ) -> pa.Table:
        """Return columns of all rows of the sources, as they are or as of a table version."""
        return self._read(columns, where=one_of("source", list(sources)), version=version)

    def tables(self, sources: Iterable[str], *, columns: Iterable[str], version: int) -> Iterator[pa.Table]:
        """Yield columns of all rows of the sources as of a table version, some thousand rows at a time."""
        table, names = self._at(version), list(columns)
        if table is None:
            return
        dataset: Any = table.to_lance()
        needed, where = _needed(table, names), one_of("source", list(sources))
        for batch in dataset.to_batches(columns=needed, filter=where):
            yield _converted(pa.Table.from_batches([batch]), names)

    def of_ids(self, media_ids: Sequence[str], *, columns: Iterable[str], version: int) -> pa.Table:
        """Return columns of the rows of these ids as of a table version, in its order."""
        return self._read(columns, where=one_of("media_id", media_ids), version=version)

    def write(self, rows: Iterable[ManifestRow]) -> None:
        """Insert or replace rows by media id, in one commit. The first write converts a manifest of an older store."""
        self.write_table(pa.Table.from_pylist([dict(row) for row in rows], schema=SCHEMA))

    def write_table(self, written: pa.Table, *, new: int = 0) -> None:
        """Insert or replace rows as `write`, given as a table with SCHEMA.

        The last `new` of them are of items that are not there: where they are very many, some follow in further
        commits, in which nothing is replaced. A reader may see some of them before the others.
        """
        if not written.num_rows:
            return
        table = add_missing_columns(self._database, TABLE, SCHEMA)
        first = max(written.num_rows - new, MOST_NEW)
        rows, packed = written.slice(0, first), self._read(SCHEMA.names, where=PACKED_ROWS)
        if packed.num_rows:
            replaced = pc.is_in(packed["media_id"], value_set=written["media_id"].combine_chunks())
            rows = pa.concat_tables([rows, packed.filter(pc.invert(replaced)).cast(SCHEMA)])
        upsert(table, rows, key="media_id")
        for start in range(first, written.num_rows, MOST_NEW):
            upsert(table, written.slice(start, MOST_NEW), key="media_id")

    def copied(self, database: Database, sources: Iterable[str]) -> "Manifest":
        """Return a manifest in another store, with the rows, marks and state of these sources."""
        copy = Manifest(database)
        for source in sources:
            copy.write(self.rows(source))
            copy.write_state(source, self.state(source))
            copy.mark_tables(source, self.table_marks(source))
        return copy

    def state(self, source: str) -> SourceState:
        """Return what the latest refresh of a source was made with, and what it could not reach."""
        state = read_state(self._database, source)
        if state is None:  # of an older store
            marks = self._all_marks(source)
            state = SourceState(**{name: marks[key] for key, name in _STATE_KEYS.items() if key in marks})
        return state

    def write_state(self, source: str, state: SourceState) -> None:
        """Replace the state of a source."""
        write_state(self._database, source, state)

    def table_marks(self, source: str) -> dict[str, str]:
        """Map the key of each table whose rows are in the manifest to its mark: equal mark, equal rows."""
        return {key: mark for key, mark in self._all_marks(source).items() if key not in _STATE_KEYS}

    def _all_marks(self, source: str) -> dict[str, str]:
        table = self._database.open_or_none(TABLE_MARKS)
        if table is None:
            return {}
        rows = read(table, ["key", "mark"], where=f"source = {quoted(source)}").to_pylist()
        return {row["key"]: row["mark"] for row in rows}

    def mark_tables(self, source: str, marks: Mapping[str, str]) -> None:
        """Replace the marks of a source, in one commit; called once the rows and the state are written."""
        before = self._all_marks(source)
        if before == dict(marks):
            return
        rows = [
            {"id": f"{source}/{key}", "source": source, "key": key, "mark": mark}
            for key, mark in marks.items()
            if before.get(key) != mark
        ]
        obsolete = [f"{source}/{key}" for key in before if key not in marks]
        upsert(
            self._database.open_or_create(TABLE_MARKS, _MARKS),
            pa.Table.from_pylist(rows, schema=_MARKS),
            key="id",
            delete_where=one_of("id", obsolete) if obsolete else None,
        )

    def retry_quarantined(self, source: str) -> int:
        """Make the next refresh read quarantined items, and tables with such rows; return how many items these are."""
        quarantined = [row for row in self.rows(source) if row["status"] == "quarantined"]
        self.write({**row, "size": None, "etag": None} for row in quarantined)
        tables = {owner(row) for row in quarantined}
        self.mark_tables(source, {key: mark for key, mark in self.table_marks(source).items() if key not in tables})
        return len(quarantined)

    def of(self, source: str, keys: Sequence[str]) -> list[ManifestRow]:
        """Return the rows of these keys; of deleted items none."""
        if not keys:
            return []
        where = f"source = {quoted(source)} AND {one_of('key', keys)} AND status != 'deleted'"
        return cast("list[ManifestRow]", self._read(SCHEMA.names, where=where).to_pylist())

    def media(self, source: str, key: str) -> ManifestRow | None:
        """Return the row of one item by its key, or None."""
        return next(iter(self.of(source, [key])), None)

    def item(self, media_id: str) -> ManifestRow | None:
        """Return the row of one item by its id, or None; of a deleted item None."""
        where = f"media_id = {quoted(media_id)} AND status != 'deleted'"
        return cast("ManifestRow | None", next(iter(self._read(SCHEMA.names, where=where).to_pylist()), None))

    def _at(self, version: int | None) -> Any:
        """Open the table, at a version if one is given; None where there is none yet."""
        if version is None:
            return self._database.open_or_none(TABLE)
        return self._database.open_at(TABLE, version) if version else None

    def _read(self, columns: Iterable[str], *, where: str | None, version: int | None = None) -> pa.Table:
        """Read columns; rows of an older store are converted."""
        table, names = self._at(version), list(columns)
        if table is None:
            return SCHEMA.empty_table().select(names)
        return _converted(read(table, _needed(table, names), where=where), names)


def _needed(table: Any, names: Sequence[str]) -> list[str]:
    """Return the columns to read, in a store that may be an older one."""
    if not set(names).intersection(UNPACKED):
        return list(names)
    present = set(table.schema.names)  # once: each time it is read from the table
    return [name for name in dict.fromkeys((*names, *PACKED, *UNPACKED)) if name in present]


def _converted(rows: pa.Table, names: Sequence[str]) -> pa.Table:
    """Return the columns of rows as they were read by `_needed`."""
    return unpacked(rows).select(names) if set(names).intersection(UNPACKED) else rows


def annotated(annotation: Annotation) -> dict[str, Any]:
    """Return the manifest columns of an annotation; labels in NFC, the form of queries."""
    extra = json.dumps(annotation.extra, sort_keys=True, default=str) if annotation.extra else None
    labels = list(dict.fromkeys(map(composed, annotation.labels)))
    return {"caption": annotation.caption, "labels": labels, "extra": extra}
