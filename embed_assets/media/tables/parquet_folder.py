"""A folder of Parquet files as one table, in whose folders' names `column=value` counts as a column."""

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
from embed_assets.media.tables.lance_and_delta import BATCH_ROWS, Cells, DatasetKind, Unread, Wanted
from embed_assets.media.tables.parquet_file import ParquetFile

_NUMBER = re.compile(r"-?[0-9]{1,10}")
_NOTHING = "__HIVE_DEFAULT_PARTITION__"


class ParquetFolder:
    """Its files in the order of their names, each read in a process of its own; of a broken one stands an `Unread`."""

    kind: DatasetKind = "parquet"

    def __init__(self, uri: str, *, storage_options: Mapping[str, Any] | None, limits: Limits, **chosen: Any) -> None:
        listed = list_source(uri, storage_options=storage_options, **chosen)
        files = [file for file in listed if _is_part(file.key)]
        if not files:
            raise SourceError(
                f"Folder {redacted_source(uri).uri!r} has no .parquet file that the source's pattern names."
            )
        told = "\n".join(f"{file.key} {file.size} {file.mtime} {file.etag}" for file in files)
        self._version = hashlib.sha256(told.encode()).hexdigest()[:16]
        source = open_source(uri, storage_options, follow_links=bool(chosen.get("follow_links")))
        _refuse_links(source, [file.key for file in files])
        self._parts = {file.key: ParquetFile(source=source, key=file.key, limits=limits) for file in files}
        self._said = _partitions(list(self._parts))

    def version(self) -> str:
        """By the names, sizes, times and etags of its files."""
        return self._version

    def columns(self) -> list[str]:
        """Names of the first file's columns, and those in the folders' names."""
        return list(dict.fromkeys([*self._names, *(name for said in self._said.values() for name in said)]))

    def records(self, columns: Sequence[str], *, caps: Mapping[str, int], rows: int) -> Iterator[Cells | Unread]:
        """All rows of some columns, file by file."""
        for key in self._parts:
            try:
                for _, row in self._rows(key, columns, caps, rows):
                    yield row
            except MediaError as error:
                yield _unread(key, error)

    def scan_where(
        self, told: Sequence[str], columns: Sequence[str], wanted: Wanted, *, caps: Mapping[str, int], rows: int
    ) -> Iterator[Cells | Unread]:
        """By a scan of few columns of each file; then of the wanted rows alone the others."""
        for key in self._parts:
            try:
                asked = self._rows(key, told, caps, BATCH_ROWS)
                places = [place for place, row in asked if wanted(row)]
                for _, row in self._rows(key, columns, caps, rows, only=places):
                    yield row
            except MediaError as error:
                yield _unread(key, error)

    @cached_property
    def _names(self) -> list[str]:
        """Columns of the first file that can be read. Raises MediaError where none can."""
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
        said = self._said[key]
        wanted = [name for name in columns if name not in said]
        for place, row in self._parts[key].rows(wanted, caps=caps, rows=rows, only=only):
            yield place, {name: said[name] if name in said else row.get(name) for name in columns}


def _refuse_links(source: Source, keys: Sequence[str]) -> None:
    """A part that a link takes from elsewhere stops the whole table: without it rows would be gone."""
    try:
        for key in keys if source.fs is None else ():
            source.local(key)
    except MediaError as error:
        raise SourceError(f"Source {source.uri!r}: {error}.") from error


def _unread(key: str, error: MediaError) -> Unread:
    if error.again:  # it may be there again at the next run: no row is to be given up for it
        raise SourceError(f"Can't read {key}: {error}. Run again.") from error
    return Unread(key, error.reason)


def _partitions(keys: Sequence[str]) -> dict[str, dict[str, str | int | None]]:
    """What the folders' names say of each file: whole numbers where all of a column are such, else texts."""
    said = {key: dict(_pairs(key)) for key in keys}
    names = {name for each in said.values() for name in each}
    numbers = {name for name in names if all(_is_number(each.get(name)) for each in said.values())}
    return {
        key: {name: int(value) if value is not None and name in numbers else value for name, value in each.items()}
        for key, each in said.items()
    }


def _pairs(key: str) -> Iterator[tuple[str, str | None]]:
    for part in key.split("/")[:-1]:
        name, equals, value = part.partition("=")
        if equals:
            yield unquote(name), None if value == _NOTHING else unquote(value)


def _is_number(value: str | None) -> bool:
    """Whether a value is one, or nothing."""
    return value is None or (_NUMBER.fullmatch(value) is not None and abs(int(value)) < 2**31)


def _is_part(key: str) -> bool:
    """Whether a file holds rows: names that begin with an underscore are other tools' notes."""
    return key.lower().endswith(".parquet") and not any(part.startswith("_") for part in key.split("/"))
