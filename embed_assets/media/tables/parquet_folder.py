"""A folder of Parquet files as one table; `column=value` in a folder's name is a column."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any
from urllib.parse import unquote

from embed_assets.errors import MediaError, SourceError
from embed_assets.media.files.listing import list_source
from embed_assets.media.files.source import Source, open_source, redacted_source
from embed_assets.media.limits import Limits
from embed_assets.media.tables.lance_and_delta import BATCH_ROWS, Cells, DatasetKind, Predicate, Unread
from embed_assets.media.tables.parquet_file import ParquetFile

_NUMBER = re.compile(r"-?[0-9]{1,10}")
_NOTHING = "__HIVE_DEFAULT_PARTITION__"


class ParquetFolder:
    """A table of files in the order of their names, each read in a worker; a broken one gives an `Unread`."""

    kind: DatasetKind = "parquet"

    def __init__(self, uri: str, *, storage_options: Mapping[str, Any] | None, limits: Limits, **chosen: Any) -> None:
        listed = list_source(uri, storage_options=storage_options, **chosen)
        files = [file for file in listed if _is_part(file.key)]
        if not files:
            raise SourceError(
                f"Folder {redacted_source(uri).uri!r} has no .parquet file that the source's pattern names."
            )
        state = "\n".join(f"{file.key} {file.size} {file.mtime} {file.etag}" for file in files)
        self._version = hashlib.sha256(state.encode()).hexdigest()[:16]
        source = open_source(uri, storage_options, follow_links=bool(chosen.get("follow_links")))
        _refuse_links(source, [file.key for file in files])
        self._parts = {file.key: ParquetFile(source=source, key=file.key, limits=limits) for file in files}
        self._partition_values = _partitions(list(self._parts))

    def version(self) -> str:
        """Return a hash of the names, sizes, times and etags of the files."""
        return self._version

    def columns(self) -> list[str]:
        """Return the names of the first file's columns, and those in the folders' names."""
        from_folders = (name for values in self._partition_values.values() for name in values)
        return list(dict.fromkeys([*self._names, *from_folders]))

    def records(self, columns: Sequence[str], *, caps: Mapping[str, int], rows: int) -> Iterator[Cells | Unread]:
        """Yield all rows of some columns, file by file."""
        for key in self._parts:
            try:
                for _, row in self._rows(key, columns, caps, rows):
                    yield row
            except MediaError as error:
                yield _unread(key, error)

    def scan_where(
        self,
        filter_columns: Sequence[str],
        columns: Sequence[str],
        predicate: Predicate,
        *,
        caps: Mapping[str, int],
        rows: int,
    ) -> Iterator[Cells | Unread]:
        """Scan the filter columns of each file, then read the selected rows."""
        for key in self._parts:
            try:
                filtered = self._rows(key, filter_columns, caps, BATCH_ROWS)
                places = [place for place, row in filtered if predicate(row)]
                for _, row in self._rows(key, columns, caps, rows, only=places):
                    yield row
            except MediaError as error:
                yield _unread(key, error)

    @cached_property
    def _names(self) -> list[str]:
        """Columns of the first readable file. Raises MediaError where none is."""
        for place, part in enumerate(self._parts.values(), start=1):
            try:
                return part.names()
            except MediaError:
                if place == len(self._parts):
                    raise
        return []

    def _rows(
        self, key: str, columns: Sequence[str], caps: Mapping[str, int], rows: int, *, only: list[int] | None = None
    ) -> Iterator[tuple[int, Cells]]:
        values = self._partition_values[key]
        in_file = [name for name in columns if name not in values]
        for place, row in self._parts[key].rows(in_file, caps=caps, rows=rows, only=only):
            yield place, {name: values[name] if name in values else row.get(name) for name in columns}


def _refuse_links(source: Source, keys: Sequence[str]) -> None:
    """Raise SourceError for a link to a file elsewhere: without the file, its rows would count as deleted."""
    try:
        for key in keys if source.fs is None else ():
            source.local(key)
    except MediaError as error:
        raise SourceError(f"Source {source.uri!r}: {error}.") from error


def _unread(key: str, error: MediaError) -> Unread:
    if error.again:  # it may be readable at the next run: its rows must not count as deleted
        raise SourceError(f"Can't read {key}: {error}. Run again.") from error
    return Unread(key, error.reason)


def _partitions(keys: Sequence[str]) -> dict[str, dict[str, str | int | None]]:
    """Return each file's values by its folders' names: whole numbers where all of a column are, else texts."""
    pairs = {key: dict(_pairs(key)) for key in keys}
    names = {name for each in pairs.values() for name in each}
    numbers = {name for name in names if all(_is_number(each.get(name)) for each in pairs.values())}
    return {
        key: {name: int(value) if value is not None and name in numbers else value for name, value in each.items()}
        for key, each in pairs.items()
    }


def _pairs(key: str) -> Iterator[tuple[str, str | None]]:
    for part in key.split("/")[:-1]:
        name, equals, value = part.partition("=")
        if equals:
            yield unquote(name), None if value == _NOTHING else unquote(value)


def _is_number(value: str | None) -> bool:
    """Return whether a value is a whole number, or missing."""
    return value is None or (_NUMBER.fullmatch(value) is not None and abs(int(value)) < 2**31)


def _is_part(key: str) -> bool:
    """Return whether a file holds rows: names with an underscore in front are metadata of other tools."""
    return key.lower().endswith(".parquet") and not any(part.startswith("_") for part in key.split("/"))
