"""Datasets: the rows of tables that are read by columns, as records; opened on first use."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embed_assets.errors import EmbedAssetsError, SourceError
from embed_assets.media.cells import media_bytes
from embed_assets.media.dataset_kinds import (
    BATCH_ROWS,
    Dataset,
    DatasetKind,
    DeltaTable,
    LanceTable,
    ParquetFolder,
    Wanted,
    spelled,
)
from embed_assets.media.source import Source, is_local, unopened
from embed_assets.media.table_files import missing_column

if TYPE_CHECKING:
    import pyarrow as pa

_WAYS_OUT = {
    "lance": "Check the uri: a Lance dataset is a folder with _versions in it.",
    "delta": "Check the uri: a Delta table is a folder with _delta_log in it.",
    "parquet": "Check the uri and the files below it.",
}


class Rows:
    """A dataset's rows as records, opened on first use; whatever goes wrong is a SourceError that names it."""

    def __init__(self, opened: Callable[[], Dataset], *, kind: DatasetKind, shown: str, about: Source) -> None:
        self._opened = opened
        self._shown = shown
        self._about = about
        self.kind = kind

    @cached_property
    def _dataset(self) -> Dataset:
        try:
            return self._opened()
        except EmbedAssetsError:
            raise
        except Exception as error:
            failure = self._about.error(f"Can't open {self._shown} as {self.kind}", error)
            raise SourceError(f"{failure} {_WAYS_OUT[self.kind]}") from failure.__cause__

    def version(self) -> str:
        """Equal where the rows are equal."""
        dataset = self._dataset
        try:
            return dataset.version()
        except Exception as error:
            raise self._failure(error) from error.__cause__

    def require(self, columns: Sequence[str]) -> None:
        """Raise SourceError where a column is not there."""
        said = missing_column(columns, self._dataset.columns())
        if said:
            raise SourceError(f"{self._shown}: {said}. Correct the columns of the source's table.")

    def records(self, columns: Sequence[str], *, rows: int = BATCH_ROWS) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """All rows in order, each with its number from 1."""
        return self._guarded(self._dataset.batches(columns, rows=rows))

    def picked(
        self, told: Sequence[str], columns: Sequence[str], wanted: Wanted, *, rows: int = BATCH_ROWS
    ) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """The rows that are wanted, by the columns `told`, which `wanted` is asked with; numbered from 1."""
        return self._guarded(self._dataset.picked(told, columns, wanted, rows=rows))

    def value_at(self, place: int, column: str) -> bytes | None:
        """The bytes of one row, by its place from 0; of a Lance dataset alone."""
        dataset = self._dataset
        assert isinstance(dataset, LanceTable)
        try:
            return media_bytes(dataset.value_at(place, column))
        except Exception as error:
            raise self._failure(error) from error.__cause__

    def _guarded(self, batches: "Iterator[pa.RecordBatch]") -> Iterator[tuple[int, Mapping[str, Any]]]:
        number = 0
        try:
            for batch in batches:
                for row in spelled(batch).to_pylist():
                    number += 1
                    yield number, row
        except EmbedAssetsError:
            raise
        except Exception as error:
            raise self._failure(error) from error.__cause__

    def _failure(self, error: Exception) -> SourceError:
        return self._about.error(f"Can't read {self._shown}", error)


def open_dataset(
    uri: str,
    kind: DatasetKind,
    *,
    shown: str,
    pattern: str = "**/*",
    exclude: Sequence[str] = (),
    follow_links: bool = False,
    storage_options: Mapping[str, Any] | None = None,
    store_options: Mapping[str, str] | None = None,
) -> Rows:
    """The table at a uri, at the version that is its latest when it is first used.

    `store_options` are the storage options in Lance's words. Reading raises SourceError where there is no such
    table, MissingExtraError where the package for it is not installed.
    """
    place = str(Path(uri.removeprefix("file://")).expanduser().absolute()) if is_local(uri) else uri

    def opened() -> Dataset:
        if kind == "lance":
            return LanceTable(place, store_options)
        if kind == "delta":
            return DeltaTable(place, store_options)
        chosen = {"pattern": pattern, "exclude": exclude, "follow_links": follow_links}
        return ParquetFolder(uri, storage_options=storage_options, **chosen)

    return Rows(opened, kind=kind, shown=shown, about=unopened(uri, storage_options))
