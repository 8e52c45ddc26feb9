"""Asset value tables ("landed"): the value of a host's asset, kept as a table of the store, one for each source."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from embed_assets.errors import SourceError
from embed_assets.media.cells.cell_sizes import rows_of
from embed_assets.media.cells.cell_values import Names
from embed_assets.media.tables.asset_value import TableValue
from embed_assets.media.tables.rows_as_items import row_name
from embed_assets.store.buckets.lance_options import lance_options
from embed_assets.store.open_database import Database
from embed_assets.store.upsert import KEY, one_of, read, upsert

ROW_ID = "_landed_id"  # names the row, as its key in the manifest does
_PREFIX = "landed_"
_ROW_HASH = "_landed_hash"  # of an unchanged row it is equal

_FLUSH = 256 * 2**20  # bytes of changed rows in memory
_DELETED = 1000  # rows that one filter names


@dataclass(frozen=True, kw_only=True)
class LandedReport:
    """Counts of a landing."""

    rows: int
    written: int
    deleted: int


class LandedTable:
    """The landed table of one source."""

    def __init__(self, database: Database, source: str) -> None:
        self._database = database
        self.name = f"{_PREFIX}{source}"

    @property
    def uri(self) -> str:
        """Address of the table."""
        return f"{self._database.uri.rstrip('/')}/{self.name}.lance"

    @property
    def options(self) -> dict[str, str]:
        """Storage options of the store, in Lance's words."""
        return lance_options(self._database.storage_options)

    def exists(self) -> bool:
        """Return whether a value was ever landed."""
        return self._database.open_or_none(self.name) is not None

    def write(
        self, value: TableValue, *, columns: Sequence[str], content: Sequence[str], id: str | None
    ) -> LandedReport:
        """Make the table's rows those of the value: changed ones are replaced, gone ones deleted, equal ones left.

        Rows are known by the column `id`, or by that of their content. A landing that was killed is finished by
        the next one. Raises SourceError where the value lacks a column, or has one that can't be stored.
        """
        schema = value.schema() or self._schema_before(columns)
        before = self._before(schema)
        changed = _Changed(self._database, self.name, schema)
        names_used = Names()
        for batch in value.batches(schema):
            names, hashes = [], []
            for row in rows_of(batch, {}):
                names.append(row_name(row, content=content, id=id, used=names_used))
                hashes.append(_hash(row))
            places = [n for n, name in enumerate(names) if before.get(name) != hashes[n]]
            changed.add(
                batch.take(pa.array(places, pa.int64())), [names[n] for n in places], [hashes[n] for n in places]
            )
        deleted = [name for name in before if name not in names_used]
        changed.finish(deleted)
        return LandedReport(rows=len(names_used), written=changed.rows, deleted=len(deleted))

    def _schema_before(self, columns: Sequence[str]) -> pa.Schema:
        """Return the schema for a value without rows and columns: as before, or texts."""
        table = self._database.open_or_none(self.name)
        if table is not None and set(columns) <= set(table.schema.names):
            return pa.schema([table.schema.field(name) for name in columns])
        return pa.schema([pa.field(name, pa.string()) for name in columns])

    def _before(self, schema: pa.Schema) -> Mapping[str, str]:
        """Return the hashes of stored rows by name. Drops the table where its columns are others than the schema's."""
        table = self._database.open_or_none(self.name)
        if table is None:
            return {}
        if not table.schema.equals(_with_own(schema)):
            self._database.drop(self.name)
            return {}
        rows = read(table, [ROW_ID, _ROW_HASH])
        return dict(zip(rows[ROW_ID].to_pylist(), rows[_ROW_HASH].to_pylist(), strict=True))


class _Changed:
    """Rows to write, some hundred megabytes a commit."""

    def __init__(self, database: Database, name: str, schema: pa.Schema) -> None:
        self._schema = _with_own(schema)
        try:
            self._table = database.open_or_create(name, self._schema)
        except (OSError, ValueError, RuntimeError) as error:
            raise SourceError(f"Table {name!r} can't be made with columns {schema.names}: {error}") from error
        self._batches: list[pa.RecordBatch] = []
        self._bytes = 0
        self.rows = 0

    def add(self, batch: pa.RecordBatch, names: Sequence[str], hashes: Sequence[str]) -> None:
        if not names:
            return
        own = [pa.array(names, pa.string()), pa.array(hashes, pa.string())]
        self._batches.append(pa.RecordBatch.from_arrays([*own, *batch.columns], schema=self._schema))
        self.rows += len(names)
        self._bytes += batch.nbytes
        if self._bytes >= _FLUSH:
            self._write(None)

    def finish(self, deleted: Sequence[str]) -> None:
        """Write what is left, and delete rows: in one commit where these are few."""
        self._write(one_of(ROW_ID, deleted[:_DELETED]) if deleted else None)
        for start in range(_DELETED, len(deleted), _DELETED):
            self._write(one_of(ROW_ID, deleted[start : start + _DELETED]))

    def _write(self, delete_where: str | None) -> None:
        rows = pa.Table.from_batches(self._batches, schema=self._schema)
        upsert(self._table, rows, key=ROW_ID, delete_where=delete_where)
        self._batches, self._bytes = [], 0


def _with_own(schema: pa.Schema) -> pa.Schema:
    own = [
        pa.field(ROW_ID, pa.string(), nullable=False, metadata=KEY),
        pa.field(_ROW_HASH, pa.string(), nullable=False),
    ]
    return pa.schema([*own, *schema])


def _hash(row: Mapping[str, Any]) -> str:
    digest = hashlib.sha256()
    for value in row.values():
        content = value if isinstance(value, bytes) else repr(value).encode("utf-8", "surrogatepass")
        digest.update(f"{len(content)} ".encode() + content)
    return digest.hexdigest()[:32]


def is_landed(database: Database, name: str) -> bool:
    """Return whether a table was landed: the names of an encoder's tables may begin with the same word."""
    table = database.open_or_none(name) if name.startswith(_PREFIX) else None
    return table is not None and ROW_ID in table.schema.names
