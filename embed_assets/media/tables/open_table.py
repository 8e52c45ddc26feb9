"""open_dataset: a table that is read by columns, opened on first use."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from embed_assets.errors import EmbedAssetsError, MediaError, SourceError
from embed_assets.media.cells.cell_values import media_bytes
from embed_assets.media.cells.column_names import missing_column, twice
from embed_assets.media.files.source import Source, is_local, redacted_source
from embed_assets.media.limits import Limits
from embed_assets.media.tables.lance_and_delta import (
    BATCH_ROWS,
    Cells,
    Dataset,
    DatasetKind,
    DeltaTable,
    LanceTable,
    Predicate,
    Unread,
)
from embed_assets.media.tables.parquet_folder import ParquetFolder

_HINTS = {
    "lance": "Check the uri: a Lance dataset is a folder with _versions in it.",
    "delta": "Check the uri: a Delta table is a folder with _delta_log in it.",
    "parquet": "Check the uri and the files below it.",
}


class Rows:
    """A dataset's rows as records, opened on first use; every error becomes a SourceError that names the dataset."""

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
            raise SourceError(f"{failure} {_HINTS[self.kind]}") from failure.__cause__

    def version(self) -> str:
        """Return a version that changes with the rows."""
        dataset = self._dataset
        try:
            return dataset.version()
        except Exception as error:
            raise self._failure(error) from error.__cause__

    def require(self, columns: Sequence[str]) -> None:
        """Raise SourceError where a column is missing."""
        names = self._names()
        problem = missing_column(columns, names) or twice(columns, names)
        if problem:
            raise SourceError(f"{self._shown}: {problem}. Fix the columns of the source's table.")

    def records(
        self, columns: Sequence[str], *, caps: Mapping[str, int] | None = None, rows: int = BATCH_ROWS
    ) -> Iterator[tuple[int, Cells | Unread]]:
        """Yield all rows in order, each with its number from 1; a cell above its cap is `UnreadableCell`."""
        return self._guarded(lambda dataset: dataset.records(columns, caps=caps or {}, rows=rows))

    def scan_where(
        self,
        filter_columns: Sequence[str],
        columns: Sequence[str],
        predicate: Predicate,
        *,
        caps: Mapping[str, int] | None = None,
        rows: int = BATCH_ROWS,
    ) -> Iterator[tuple[int, Cells | Unread]]:
        """Yield the rows for which `predicate` holds, given their `filter_columns`; numbered from 1."""
        return self._guarded(
            lambda dataset: dataset.scan_where(filter_columns, columns, predicate, caps=caps or {}, rows=rows)
        )

    def value_at(self, place: int, column: str) -> bytes | None:
        """Return the bytes of one row of a Lance dataset, by its place from 0."""
        dataset = self._dataset
        assert isinstance(dataset, LanceTable)
        try:
            return media_bytes(dataset.value_at(place, column))
        except Exception as error:
            raise self._failure(error) from error.__cause__

    def _guarded(self, opened: Callable[[Dataset], Iterator[Cells | Unread]]) -> Iterator[tuple[int, Cells | Unread]]:
        dataset = self._dataset
        try:
            yield from enumerate(opened(dataset), start=1)
        except EmbedAssetsError:
            raise
        except Exception as error:
            raise self._failure(error) from error.__cause__

    def _names(self) -> list[str]:
        try:
            return self._dataset.columns()
        except MediaError as error:
            raise SourceError(f"Can't read {self._shown}: {error}. {_HINTS[self.kind]}") from error

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
    limits: Limits | None = None,
) -> Rows:
    """Return the table at a uri, at its latest version on first use.

    `store_options` are the storage options with Lance's names. Reading raises SourceError where there is no such
    table, MissingExtraError where its package is not installed.
    """
    place = str(Path(uri.removeprefix("file://")).expanduser().absolute()) if is_local(uri) else uri

    def opened() -> Dataset:
        if kind == "lance":
            return LanceTable(place, store_options)
        if kind == "delta":
            return DeltaTable(place, store_options)
        chosen = {"pattern": pattern, "exclude": exclude, "follow_links": follow_links}
        return ParquetFolder(uri, storage_options=storage_options, limits=limits or Limits(), **chosen)

    return Rows(opened, kind=kind, shown=shown, about=redacted_source(uri, storage_options))
