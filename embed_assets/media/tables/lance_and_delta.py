"""Lance datasets and Delta tables: each is one table that is read by columns."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from embed_assets.errors import MissingExtraError
from embed_assets.media.cells.cell_sizes import rows_of
from embed_assets.media.files.source import redacted_source

if TYPE_CHECKING:
    import pyarrow as pa

DatasetKind = Literal["lance", "delta", "parquet"]

Cells = Mapping[str, Any]  # of one row, by column
Wanted = Callable[[Cells], bool]

BATCH_ROWS = 1024  # in memory at one time
_BYTES = 32 * 2**20  # of a batch, where the format can bound it
_BLIND_ROWS = 128  # of a batch, where it can't


@dataclass(frozen=True, slots=True)
class Unread:
    """Stands among the rows for a part of a dataset that can't be read."""

    name: str
    reason: str


class Dataset(Protocol):
    """A table at one version."""

    kind: DatasetKind

    def version(self) -> str:
        """Equal where the rows are equal: another one may still hold the same rows."""
        ...

    def columns(self) -> list[str]:
        """Names of its columns."""
        ...

    def records(self, columns: Sequence[str], *, caps: Mapping[str, int], rows: int) -> "Iterator[Cells | Unread]":
        """All rows of some columns, about `rows` of them read at a time; cells of more bytes than the caps untold."""
        ...

    def scan_where(
        self, told: Sequence[str], columns: Sequence[str], wanted: Wanted, *, caps: Mapping[str, int], rows: int
    ) -> "Iterator[Cells | Unread]":
        """Of the rows that are wanted some columns, in order; `wanted` is asked of each row once, by `told` alone."""
        ...


class _ByBatches(ABC):
    """A table that is read in batches of Arrow."""

    def records(self, columns: Sequence[str], *, caps: Mapping[str, int], rows: int) -> Iterator[Cells]:
        """All rows of some columns; blobs as bytes."""
        for batch in self._batches(columns, rows):
            yield from rows_of(batch, caps)

    @abstractmethod
    def _batches(self, columns: Sequence[str], rows: int) -> "Iterator[pa.RecordBatch]":
        """All rows of some columns, so many at a time at the most."""


class LanceTable(_ByBatches):
    """A Lance dataset."""

    kind: DatasetKind = "lance"

    def __init__(self, uri: str, options: Mapping[str, str] | None) -> None:
        import lance  # 0.4 s

        self._dataset: Any = lance.dataset(uri, storage_options=dict(options or {}) or None)

    def version(self) -> str:
        """By the files that hold the rows: an index that is built makes a Lance version, and no other rows."""
        digest = hashlib.sha256(str(self._dataset.schema).encode())
        for fragment in self._dataset.get_fragments():
            files = [each.path for each in fragment.data_files()]
            digest.update(f"{fragment.fragment_id} {files} {fragment.deletion_file()}\n".encode())
        return digest.hexdigest()[:16]

    def columns(self) -> list[str]:
        """Names of its columns."""
        return self._dataset.schema.names

    def scan_where(
        self, told: Sequence[str], columns: Sequence[str], wanted: Wanted, *, caps: Mapping[str, int], rows: int
    ) -> Iterator[Cells]:
        """By a scan of few columns; then the wanted rows alone are taken."""
        asked = self.records(told, caps=caps, rows=BATCH_ROWS)
        places = [place for place, record in enumerate(asked) if wanted(record)]
        for start in range(0, len(places), rows):
            for batch in self._dataset.take(places[start : start + rows], columns=list(columns)).to_batches():
                yield from rows_of(batch, caps)

    def _batches(self, columns: Sequence[str], rows: int) -> "Iterator[pa.RecordBatch]":
        bounds = {"batch_size": rows, "batch_size_bytes": _BYTES, "batch_readahead": 1, "fragment_readahead": 1}
        yield from self._dataset.scanner(
            columns=list(columns), scan_in_order=True, blob_handling="all_binary", **bounds
        ).to_batches()

    def value_at(self, place: int, column: str) -> Any:
        """One cell, without a scan."""
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
        """Delta's own, and the table's id: one that is made anew counts from 0 again."""
        return f"{self._table.metadata().id} {self._table.version()}"

    def columns(self) -> list[str]:
        """Names of its columns."""
        return [field.name for field in self._table.schema().fields]

    def scan_where(
        self, told: Sequence[str], columns: Sequence[str], wanted: Wanted, *, caps: Mapping[str, int], rows: int
    ) -> Iterator[Cells]:
        """By a scan of all the columns; what is not wanted never becomes an object of Python."""
        for batch in self._batches(columns, rows):
            asked = rows_of(batch.select(list(told)), caps)
            yield from rows_of(batch, caps, places=[place for place, record in enumerate(asked) if wanted(record)])

    def _batches(self, columns: Sequence[str], rows: int) -> "Iterator[pa.RecordBatch]":
        import pyarrow as pa
        from deltalake import QueryBuilder

        bounds = {
            "datafusion.execution.batch_size": str(min(rows, _BLIND_ROWS)),
            "datafusion.execution.target_partitions": "1",
        }
        names = ", ".join('"' + name.replace('"', '""') + '"' for name in columns)
        found = QueryBuilder(bounds).register("rows", self._table).execute(f"SELECT {names} FROM rows")
        yield from pa.RecordBatchReader.from_stream(found)
