"""TableValue: an asset's value as a table: Arrow, pandas, polars, DuckDB, rows as dictionaries."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from embed_assets.errors import SourceError
from embed_assets.media.cells.column_names import missing_column

_ROWS, _BYTES = 1024, 32 * 2**20  # of a batch
_ACCEPTED = (
    "anything with an Arrow stream (pyarrow.Table, RecordBatchReader, pandas from 2.2, polars, a DuckDB relation), a "
    "pyarrow.RecordBatch, a list of dictionaries, or a mapping of partitions to such"
)


class TableValue:
    """A value as batches of rows. `batches` may be called once: a stream can't be read again."""

    def __init__(self, value: Any, *, columns: Sequence[str], origin: str) -> None:
        """Take the value of `origin`, an asset's name for messages. Raises SourceError if it is no table."""
        self._origin = origin
        self._columns = list(columns)
        self._parts = [_reader(part, columns, origin) for part in _parts(value)]

    def schema(self) -> pa.Schema | None:
        """Return the columns with types that can be stored; None without rows and columns.

        Raises SourceError where a column is missing, or has incompatible types in two partitions.
        """
        parts = [part for part in self._parts if part.schema.names]
        for part in parts:
            if problem := missing_column(self._columns, part.schema.names):
                raise SourceError(f"The value of {self._origin} has {problem}. Fix the columns of the source's table.")
        if not parts:
            return None
        try:
            plain = [pa.schema([_storable(part.schema.field(name)) for name in self._columns]) for part in parts]
            return pa.unify_schemas(plain, promote_options="permissive")
        except (pa.ArrowException, TypeError) as error:
            raise SourceError(f"The partitions of {self._origin} are no one table: {error}") from error

    def batches(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Yield all rows of the schema's columns, some megabytes at a time."""
        for part in self._parts:
            if not part.schema.names:
                continue
            for batch in part:
                arrays = [batch.column(field.name).cast(field.type) for field in schema]
                yield from _pieces(pa.RecordBatch.from_arrays(arrays, schema=schema))


def _parts(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, Mapping) else [value]


def _pieces(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    rows = max(1, min(_ROWS, len(batch) * _BYTES // max(1, batch.nbytes)))
    for start in range(0, len(batch), rows):
        yield batch.slice(start, rows)


def _reader(value: Any, columns: Sequence[str], origin: str) -> pa.RecordBatchReader:
    try:
        if isinstance(value, list) and all(isinstance(row, Mapping) for row in value):
            return _of_rows(value, columns).to_reader()
        if isinstance(value, pa.RecordBatch):
            return pa.Table.from_batches([value]).to_reader()
        if hasattr(value, "__arrow_c_stream__"):
            return pa.RecordBatchReader.from_stream(value)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise SourceError(f"The value of {origin} can't be taken as a table: {error}") from error
    kind = type(value)
    actual = "nothing" if value is None else f"a {kind.__module__}.{kind.__qualname__}".replace("builtins.", "")
    raise SourceError(
        f"{origin[:1].upper()}{origin[1:]} gave {actual}, where a table was expected: {_ACCEPTED}. "
        "Return one of these, or name what the asset writes as the source's uri."
    )


def _of_rows(rows: list[Mapping[str, Any]], columns: Sequence[str]) -> pa.Table:
    """Return rows that may have different keys as a table; values of other columns are dropped, of any type."""
    names = dict.fromkeys(name for row in rows for name in row)
    cells = {name: [row.get(name) if name in columns else None for row in rows] for name in names}
    return pa.table({name: pa.array(values) for name, values in cells.items()})


def _storable(field: Any) -> Any:
    """Return the field with a type that Lance stores: categories and views as their values."""
    kind = field.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_null(kind) or kind == pa.string_view():
        kind = pa.string()
    if kind == pa.binary_view():
        kind = pa.large_binary()
    return pa.field(field.name, kind)
