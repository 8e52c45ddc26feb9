"""Rows of a .jsonl, .csv or .parquet file, each with the place where it stands, for errors to name."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn

from embed_assets.errors import MediaError, SourceError
from embed_assets.media.cells.json_size import too_many_values
from embed_assets.media.files.source import Source
from embed_assets.media.limits import Limits
from embed_assets.media.tables.parquet_file import ParquetFile
from embed_assets.media.tables.text_lines import NOT_UTF8, told_codec

Row = tuple[str, Mapping[str, Any]]  # where it stands ("line 3"), and its fields

_LINE = 2**24  # characters of a line, or of the lines of one record
_FIELDS = 100_000  # of a record
_CELL = 2**20  # bytes
_ROWS = 1024  # of Parquet in memory
_NOT_UTF8 = (
    "is not UTF-8, nor what the source's setting encoding says; save the file as UTF-8, or name its encoding there"
)


def jsonl_rows(uri: str, source: Source, key: str, encoding: str | None = None) -> Iterator[Row]:
    """One JSON object per line; empty lines are passed over."""
    # No other line ends: JSON strings may hold U+2028 and other characters that splitlines cuts at.
    with _lines(uri, source, key, ends="\n", encoding=encoding) as lines:
        for line in lines:
            place = f"line {lines.number}"
            lines.begin()
            if not line.strip():
                continue
            row = _parsed(uri, place, line)
            if not isinstance(row, dict):
                fail(uri, place, f"is a JSON {type(row).__name__}; expected an object with the field 'file'")
            yield place, row


def _parsed(uri: str, place: str, text: str) -> Any:
    if too_many_values(text):
        fail(uri, place, "has too many values for one file")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        fail(uri, place, f"is not JSON ({error}); expected one object per line", error)


def csv_rows(uri: str, source: Source, key: str, encoding: str | None = None) -> Iterator[Row]:
    """Lines below a line of column names; every value is text, but a list in `labels`."""
    csv.field_size_limit(max(csv.field_size_limit(), Limits().max_characters))  # of the process; 131,072 at first
    with _lines(uri, source, key, ends="", encoding=encoding) as lines:
        reader = csv.reader(lines, strict=True)
        try:
            names = next(reader, [])
            _check_names(uri, "line 1", names)
            lines.begin()
            for row in reader:
                place = f"line {reader.line_num}"
                lines.begin()
                if row and len(row) != len(names):
                    fail(
                        uri,
                        place,
                        f"does not have the {len(names)} fields of the first line; quote commas in text",
                    )
                if row:
                    fields = dict(zip(names, row, strict=True))
                    yield place, {**fields, **_csv_labels(fields, uri, place)}
        except csv.Error as error:
            fail(uri, f"line {reader.line_num}", f"is not CSV ({error})", error)


def _csv_labels(row: Mapping[str, str], uri: str, place: str) -> dict[str, Any]:
    value = row.get("labels", "")
    if not value.lstrip().startswith("["):
        return {}
    if not too_many_values(value):
        try:
            return {"labels": json.loads(value)}
        except (ValueError, RecursionError):
            pass
    fail(uri, place, f"field 'labels' begins like a list but is not JSON: {value[:200]!r}")


def parquet_rows(uri: str, source: Source, key: str, encoding: str | None = None) -> Iterator[Row]:
    """Rows as Python values, numbered from 1."""
    file = ParquetFile(source=source, key=key, limits=Limits())
    try:
        names = file.names()
        _check_names(uri, "its schema", names)
        for place, row in file.rows(names, caps=dict.fromkeys(names, _CELL), rows=_ROWS):
            yield f"row {place + 1}", row
    except MediaError as error:
        if error.again:
            raise
        raise SourceError(f"Sidecar {uri!r} is not a Parquet file that can be read: {error}") from error


def fail(uri: str, place: str, what: str, cause: BaseException | None = None) -> NoReturn:
    """Raises the SourceError on one row."""
    raise SourceError(f"Sidecar {uri!r}, {place}: {what}.") from cause


def _check_names(uri: str, place: str, names: list[str]) -> None:
    shown = ", ".join(name[:80] for name in names[:12]) or "nothing"
    if "file" not in names:
        fail(uri, place, f"has no column 'file'; found {shown}")
    if len(set(names)) < len(names):
        fail(uri, place, f"names a column twice: {shown}")


@contextmanager
def _lines(uri: str, source: Source, key: str, *, ends: str, encoding: str | None) -> "Iterator[_Lines]":
    with source.stream(key) as stream:
        codec = "utf-8-sig" if encoding is None else told_codec(stream, encoding)
        yield _Lines(uri, io.TextIOWrapper(stream, codec, errors="surrogateescape", newline=ends))


class _Lines:
    """Lines of a file in UTF-8, or in the source's encoding, of which one record has not more than memory can hold."""

    def __init__(self, uri: str, text: io.TextIOWrapper) -> None:
        self._uri = uri
        self._text = text
        self.number = 0
        self.begin()

    def begin(self) -> None:
        """A record begins."""
        self._left, self._fields = _LINE, _FIELDS

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._text.readline(self._left + 1)
        if not line:
            raise StopIteration
        self.number += 1
        self._left -= len(line)
        self._fields -= line.count(",")
        place = f"line {self.number}"
        if self._left < 0 or self._fields < 0:
            fail(self._uri, place, f"is too long: one record has more than {_LINE:,} characters or {_FIELDS:,} commas")
        if not line.isascii() and NOT_UTF8.search(line):
            fail(self._uri, place, _NOT_UTF8)
        return line
