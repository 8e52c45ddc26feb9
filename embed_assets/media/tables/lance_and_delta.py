"""Lance datasets and Delta tables: each one table that is read by columns."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from embed_assets.errors import MissingExtraError
from embed_assets.lance_rows import rows_at
from embed_assets.media.cells.cell_sizes import rows_of
from embed_assets.media.files.source import redacted_source

if TYPE_CHECKING:
    import pyarrow as pa

DatasetKind = Literal["lance", "delta", "parquet"]

Cells = Mapping[str, Any]  # of one row, by column
Predicate = Callable[[Cells], bool]

BATCH_ROWS = 1024  # in memory at one time
_BYTES = 32 * 2**20  # of a batch, where the format can bound it
_BLIND_ROWS = 128  # of a batch, where it can't


@dataclass(frozen=True, slots=True)
class Unread:
    """An unreadable part of a dataset, in place of its rows."""

    name: str
    reason: str


class Dataset(Protocol):
    """A table at one version."""

    kind: DatasetKind

    def version(self) -> str:
        """Return a version that changes with the rows; other versions may have the same rows."""
        ...

    def columns(self) -> list[str]:
        """Return the names of its columns."""
        ...

    def records(self, columns: Sequence[str], *, caps: Mapping[str, int], rows: int) -> "Iterator[Cells | Unread]":
        """Yield all rows of some columns, read about `rows` at a time; cells above their caps are `UnreadableCell`."""
        ...

    def scan_where(
        self,
        filter_columns: Sequence[str],
        columns: Sequence[str],
        predicate: Predicate,
        *,
        caps: Mapping[str, int],
        rows: int,
    ) -> "Iterator[Cells | Unread]":
        """Yield some columns of the selected rows, in order; each row's `filter_columns` go to `predicate` once."""
        ...


class _ByBatches(ABC):
    """A table that is read in Arrow batches."""

    def records(self, columns: Sequence[str], *, caps: Mapping[str, int], rows: int) -> Iterator[Cells]:
        """Yield all rows of some columns; blobs as bytes."""
        for batch in self._batches(columns, rows):
            yield from rows_of(batch, caps)

    @abstractmethod
    def _batches(self, columns: Sequence[str], rows: int) -> "Iterator[pa.RecordBatch]":
        """Yield all rows of some columns, at most `rows` at a time."""


class LanceTable(_ByBatches):
    """A Lance dataset."""

    kind: DatasetKind = "lance"

    def __init__(self, uri: str, options: Mapping[str, str] | None) -> None:
        import lance  # 0.4 s

        self._dataset: Any = lance.dataset(uri, storage_options=dict(options or {}) or None)

    def version(self) -> str:
        """Return a hash of the data files: a new index makes a Lance version with the same rows."""
        digest = hashlib.sha256(str(self._dataset.schema).encode())
        for fragment in self._dataset.get_fragments():
            files = [each.path for each in fragment.data_files()]
            digest.update(f"{fragment.fragment_id} {files} {fragment.deletion_file()}\n".encode())
        return digest.hexdigest()[:16]

    def columns(self) -> list[str]:
        """Return the names of its columns."""
        return self._dataset.schema.names

    def scan_where(
        self,
        filter_columns: Sequence[str],
        columns: Sequence[str],
        predicate: Predicate,
        *,
        caps: Mapping[str, int],
        rows: int,
    ) -> Iterator[Cells]:
        """Scan the filter columns, then take the selected rows."""
        filtered = self.records(filter_columns, caps=caps, rows=BATCH_ROWS)
        places = [place for place, record in enumerate(filtered) if predicate(record)]
        for start in range(0, len(places), rows):
            for batch in rows_at(self._dataset, places[start : start + rows], columns).to_batches():
                yield from rows_of(batch, caps)

    def _batches(self, columns: Sequence[str], rows: int) -> "Iterator[pa.RecordBatch]":
        bounds = {"batch_size": rows, "batch_size_bytes": _BYTES, "batch_readahead": 1, "fragment_readahead": 1}
        yield from self._dataset.scanner(
            columns=list(columns), scan_in_order=True, blob_handling="all_binary", **bounds
        ).to_batches()

    def value_at(self, place: int, column: str) -> Any:
        """Return one cell, without a scan."""
        return self._dataset.take([place], columns=[column])[column][0].as_py()


class DeltaTable(_ByBatches):
    """A Delta table, also one with deletion vectors or mapped columns, which only its own engine reads."""

    kind: DatasetKind = "delta"

    def __init__(self, uri: str, options: Mapping[str, str] | None) -> None:
        try:
            import deltalake  # 0.2 s
        except ImportError as error:
            raise MissingExtraError(f"The Delta table {redacted_source(uri).uri!r}", "delta") from error
        self._table = deltalake.DeltaTable(uri, storage_options=dict(options or {}) or None)

    def version(self) -> str:
        """Return Delta's version and the table's id: a table that is created again counts from 0."""
        return f"{self._table.metadata().id} {self._table.version()}"

    def columns(self) -> list[str]:
        """Return the names of its columns."""
        return [field.name for field in self._table.schema().fields]

    def scan_where(
        self,
        filter_columns: Sequence[str],
        columns: Sequence[str],
        predicate: Predicate,
        *,
        caps: Mapping[str, int],
        rows: int,
    ) -> Iterator[Cells]:
        """Scan all columns; other rows never become Python objects."""
        for batch in self._batches(columns, rows):
            filtered = rows_of(batch.select(list(filter_columns)), caps)
            yield from rows_of(batch, caps, places=[n for n, record in enumerate(filtered) if predicate(record)])

    def _batches(self, columns: Sequence[str], rows: int) -> "Iterator[pa.RecordBatch]":
        import pyarrow as pa
        from deltalake import QueryBuilder

        bounds = {
            "datafusion.execution.batch_size": str(min(rows, _BLIND_ROWS)),
            "datafusion.execution.target_partitions": "1",
        }
        names = ", ".join('"' + name.replace('"', '""') + '"' for name in columns)
        result = QueryBuilder(bounds).register("rows", self._table).execute(f"SELECT {names} FROM rows")
        yield from pa.RecordBatchReader.from_stream(result)
