"""Dataset kinds: a Lance dataset, a Delta table or a folder of Parquet, each one table that is read by columns."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

from embed_assets.errors import MediaError, MissingExtraError, SourceError
from embed_assets.media.listing import list_source
from embed_assets.media.source import Source, open_source, unopened

if TYPE_CHECKING:
    import pyarrow as pa

DatasetKind = Literal["lance", "delta", "parquet"]

Wanted = Callable[[Mapping[str, Any]], bool]

BATCH_ROWS = 1024  # in memory at one time
_BYTES = 32 * 2**20  # of a batch, where the format can bound it


class Dataset(Protocol):
    """A table at one version."""

    kind: DatasetKind

    def version(self) -> str:
        """Equal where the rows are equal: another one may still hold the same rows."""
        ...

    def columns(self) -> list[str]:
        """Names of its columns."""
        ...

    def batches(self, columns: Sequence[str], *, rows: int) -> "Iterator[pa.RecordBatch]":
        """All rows of some columns, about `rows` of them at a time."""
        ...

    def picked(
        self, told: Sequence[str], columns: Sequence[str], wanted: Wanted, *, rows: int
    ) -> "Iterator[pa.RecordBatch]":
        """Of the rows that are wanted some columns, in order; `wanted` is asked of each row once, by `told` alone."""
        ...


class LanceTable:
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

    def batches(self, columns: Sequence[str], *, rows: int) -> "Iterator[pa.RecordBatch]":
        """All rows of some columns; blobs as bytes."""
        bounds = {"batch_size": rows, "batch_size_bytes": _BYTES, "batch_readahead": 1, "fragment_readahead": 1}
        yield from self._dataset.scanner(
            columns=list(columns), scan_in_order=True, blob_handling="all_binary", **bounds
        ).to_batches()

    def picked(
        self, told: Sequence[str], columns: Sequence[str], wanted: Wanted, *, rows: int
    ) -> "Iterator[pa.RecordBatch]":
        """By a scan of few columns; then the wanted rows alone are taken."""
        places: list[int] = []
        first = 0
        for batch in self.batches(told, rows=BATCH_ROWS):
            places.extend(first + place for place in _wanted(batch, told, wanted))
            first += len(batch)
        for start in range(0, len(places), rows):
            taken = self._dataset.take(places[start : start + rows], columns=list(columns))
            yield from taken.to_batches()

    def value_at(self, place: int, column: str) -> Any:
        """One cell, without a scan."""
        return self._dataset.take([place], columns=[column])[column][0].as_py()


class ScannedTable(ABC):
    """A table whose rows are not taken one by one."""

    kind: DatasetKind

    @abstractmethod
    def batches(self, columns: Sequence[str], *, rows: int) -> "Iterator[pa.RecordBatch]":
        """All rows of some columns."""

    def picked(
        self, told: Sequence[str], columns: Sequence[str], wanted: Wanted, *, rows: int
    ) -> "Iterator[pa.RecordBatch]":
        """By a scan of all the columns; what is not wanted never becomes an object of Python."""
        import pyarrow as pa

        for batch in self.batches(columns, rows=rows):
            if places := _wanted(batch, told, wanted):
                yield batch.take(pa.array(places))


class ParquetFolder(ScannedTable):
    """A folder of Parquet files, in whose folders' names `column=value` counts as a column."""

    kind: DatasetKind = "parquet"

    def __init__(self, uri: str, *, storage_options: Mapping[str, Any] | None, **chosen: Any) -> None:
        import pyarrow.dataset as ds

        listed = list_source(uri, storage_options=storage_options, **chosen)
        files = [file for file in listed if _is_part(file.key)]
        if not files:
            raise SourceError(f"Folder {unopened(uri).uri!r} has no .parquet file that the source's pattern names.")
        told = "\n".join(f"{file.key} {file.size} {file.mtime} {file.etag}" for file in files)
        self._version = hashlib.sha256(told.encode()).hexdigest()[:16]
        source = open_source(uri, storage_options, follow_links=bool(chosen.get("follow_links")))
        _refuse_links(source, [file.key for file in files])
        self._dataset = ds.dataset(
            [f"{source.root}/{file.key}" for file in files],
            format="parquet",
            filesystem=_filesystem(source),
            partitioning="hive",
            partition_base_dir=source.root,
        )

    def version(self) -> str:
        """By the names, sizes, times and etags of its files."""
        return self._version

    def columns(self) -> list[str]:
        """Names of the first file's columns, and those in the folders' names."""
        return self._dataset.schema.names

    def batches(self, columns: Sequence[str], *, rows: int) -> "Iterator[pa.RecordBatch]":
        """All rows of some columns, file by file."""
        import pyarrow.dataset as ds

        # Without a buffer a column's chunk is read as a whole, which may be all of the file.
        options = ds.ParquetFragmentScanOptions(use_buffered_stream=True, buffer_size=2**20, pre_buffer=False)
        bounds: dict[str, Any] = {"batch_size": rows, "batch_readahead": 1, "fragment_readahead": 1}
        yield from self._dataset.to_batches(
            columns=list(columns), use_threads=False, fragment_scan_options=options, **bounds
        )


class DeltaTable(ScannedTable):
    """A Delta table, also one with deletion vectors or mapped columns, which only its own engine reads."""

    kind: DatasetKind = "delta"

    def __init__(self, uri: str, options: Mapping[str, str] | None) -> None:
        try:
            import deltalake  # 0.2 s
        except ImportError as error:
            raise MissingExtraError(f"The Delta table {unopened(uri).uri!r}", "delta") from error
        self._table = deltalake.DeltaTable(uri, storage_options=dict(options or {}) or None)

    def version(self) -> str:
        """Delta's own, and the table's id: one that is made anew counts from 0 again."""
        return f"{self._table.metadata().id} {self._table.version()}"

    def columns(self) -> list[str]:
        """Names of its columns."""
        return [field.name for field in self._table.schema().fields]

    def batches(self, columns: Sequence[str], *, rows: int) -> "Iterator[pa.RecordBatch]":
        """All rows of some columns."""
        import pyarrow as pa
        from deltalake import QueryBuilder

        bounds = {
            "datafusion.execution.batch_size": str(rows),
            "datafusion.execution.target_partitions": "1",
        }
        names = ", ".join('"' + name.replace('"', '""') + '"' for name in columns)
        found = QueryBuilder(bounds).register("rows", self._table).execute(f"SELECT {names} FROM rows")
        yield from map(spelled, pa.RecordBatchReader.from_stream(found))


def spelled(batch: "pa.RecordBatch") -> "pa.RecordBatch":
    """The batch without types that Python, or Arrow itself, can do little with."""
    import pyarrow as pa

    kinds = [_spelled(field.type) for field in batch.schema]
    if kinds == batch.schema.types:
        return batch
    arrays = [array.cast(kind, safe=False) for array, kind in zip(batch.columns, kinds, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)


def _spelled(kind: Any) -> Any:
    """Times of nanoseconds, for which Python has a value only with pandas, and views, which can't be taken from."""
    import pyarrow as pa

    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        return pa.timestamp("us", tz=kind.tz)
    if pa.types.is_time64(kind) and kind.unit == "ns":
        return pa.time64("us")
    if pa.types.is_duration(kind) and kind.unit == "ns":
        return pa.duration("us")
    if kind == pa.string_view():
        return pa.large_string()
    return pa.large_binary() if kind == pa.binary_view() else kind


def _wanted(batch: "pa.RecordBatch", told: Sequence[str], wanted: Wanted) -> list[int]:
    """Places of the rows of a batch that are wanted."""
    records = spelled(batch.select(list(told))).to_pylist()
    return [place for place, record in enumerate(records) if wanted(record)]


def _is_part(key: str) -> bool:
    """Whether a file holds rows: names that begin with an underscore are other tools' notes."""
    return key.lower().endswith(".parquet") and not any(part.startswith("_") for part in key.split("/"))


def _refuse_links(source: Source, keys: Sequence[str]) -> None:
    """A part that a link takes from elsewhere stops the whole table: without it rows would be gone."""
    try:
        for key in keys if source.fs is None else ():
            source.local(key)
    except MediaError as error:
        raise SourceError(f"Source {source.uri!r}: {error}.") from error


def _filesystem(source: Source) -> Any:
    import pyarrow.fs as fs

    return fs.LocalFileSystem() if source.fs is None else fs.PyFileSystem(fs.FSSpecHandler(source.fs))
