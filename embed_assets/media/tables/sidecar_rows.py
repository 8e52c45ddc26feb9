"""Rows of a sidecar, each with the place where it stands, for errors to name."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from embed_assets.errors import MediaError, SourceError
from embed_assets.media.cells.column_names import missing_column, twice
from embed_assets.media.cells.json_size import too_many_values
from embed_assets.media.files.source import Source
from embed_assets.media.limits import Limits
from embed_assets.media.tables.parquet_file import ParquetFile
from embed_assets.media.tables.text_files import CSV, JSONL, PARQUET, records

Row = tuple[str, Mapping[str, Any]]  # where it stands ("line 3"), and its fields

KINDS = {".jsonl": JSONL, ".csv": CSV, ".parquet": PARQUET}  # by the end of the name

_CELL = 2**20  # bytes
_ROWS = 1024  # of Parquet in memory
_HINTS = {
    "not UTF-8": "save the file as UTF-8, or name its encoding in the source's setting encoding",
    "not JSON": "expected one JSON object per line",
    "not a JSON object": "expected an object with the field 'file'",
    "not as many fields as the header has": "quote commas in text",
}


def sidecar_rows(uri: str, source: Source, key: str, kind: str, encoding: str | None) -> Iterator[Row]:
    """Yield all rows, read as those of a table. Raises SourceError for the first one that can't be parsed.

    Text is UTF-8 or in `encoding`, which is never guessed. Values of CSV are text, except a list in `labels`. Raises
    MediaError where the file itself can't be read.
    """
    if kind == PARQUET:
        yield from _parquet_rows(uri, source, key)
        return
    with source.stream(key) as stream:
        rows = records(
            stream, kind, required=("file",), limits=Limits(), encoding=encoding or "utf-8", distinct_columns=True
        )
        for number, record in rows:
            place = f"line {number}"
            if isinstance(record, str):
                hint = _HINTS.get(record)
                fail(uri, place, f"{record}; {hint}" if hint else record)
            yield place, record if kind == JSONL else {**record, **_csv_labels(record, uri, place)}


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


def _parquet_rows(uri: str, source: Source, key: str) -> Iterator[Row]:
    """Yield rows as Python values, numbered from 1."""
    file = ParquetFile(source=source, key=key, limits=Limits())
    try:
        names = file.names()
        if problem := missing_column(["file"], names) or twice(names, names):
            raise SourceError(f"Sidecar {uri!r}: {problem}.")
        for place, row in file.rows(names, caps=dict.fromkeys(names, _CELL), rows=_ROWS):
            yield f"row {place + 1}", row
    except MediaError as error:
        if error.again:
            raise
        raise SourceError(f"Sidecar {uri!r} is not a Parquet file that can be read: {error}") from error


def fail(uri: str, place: str, problem: str) -> NoReturn:
    """Raise the SourceError on one row."""
    raise SourceError(f"Sidecar {uri!r}, {place}: {problem}.")
