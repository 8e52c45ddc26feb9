"""Rows of a .jsonl, .csv or .parquet file, each with the place where it stands, for errors to name."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from embed_assets.errors import SourceError

Row = tuple[str, Mapping[str, Any]]  # where it stands ("line 3"), and its fields


def _decoded(uri: str, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        fail(uri, f"line {line}", "is not UTF-8; save the file as UTF-8", error)


def jsonl_rows(uri: str, data: bytes) -> Iterator[Row]:
    """One JSON object per line; empty lines are passed over."""
    # split, not splitlines: JSON strings may hold U+2028 and other characters that splitlines cuts at.
    for number, line in enumerate(_decoded(uri, data).split("\n"), start=1):
        if not line.strip():
            continue
        place = f"line {number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            fail(uri, place, f"is not JSON ({error}); expected one object per line", error)
        if not isinstance(row, dict):
            fail(uri, place, f"is a JSON {type(row).__name__}; expected an object with the field 'file'")
        yield place, row


def csv_rows(uri: str, data: bytes) -> Iterator[Row]:
    """Lines below a line of column names; every value is text, but a list in `labels`."""
    reader = csv.DictReader(io.StringIO(_decoded(uri, data), newline=""), strict=True)
    try:
        names = reader.fieldnames or []
        if "file" not in names:
            fail(uri, "line 1", f"has no column 'file'; found {', '.join(names) or 'nothing'}")
        if len(set(names)) < len(names):
            fail(uri, "line 1", f"names a column twice: {', '.join(names)}")
        for row in reader:
            place = f"line {reader.line_num}"
            if None in row or None in row.values():
                fail(
                    uri,
                    place,
                    f"does not have the {len(names)} fields of the first line; quote commas in text",
                )
            yield place, {**row, **_csv_labels(row, uri, place)}
    except csv.Error as error:
        fail(uri, f"line {reader.line_num}", f"is not CSV ({error})", error)


def _csv_labels(row: Mapping[str, str], uri: str, place: str) -> dict[str, Any]:
    value = row.get("labels", "")
    if not value.lstrip().startswith("["):
        return {}
    try:
        return {"labels": json.loads(value)}
    except ValueError as error:
        fail(uri, place, f"field 'labels' begins like a list but is not JSON: {value!r}", error)


def parquet_rows(uri: str, data: bytes) -> Iterator[Row]:
    """Rows as Python values, numbered from 1."""
    import pyarrow as pa  # 1.3 s, paid by those who have a Parquet sidecar
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(pa.BufferReader(data))
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"Sidecar {uri!r} is not a Parquet file that can be read: {error}") from error
    if "file" not in table.column_names:
        raise SourceError(f"Sidecar {uri!r} has no column 'file'; found {', '.join(table.column_names)}.")
    for number, row in enumerate(table.to_pylist(), start=1):
        yield f"row {number}", row


def fail(uri: str, place: str, what: str, cause: BaseException | None = None) -> NoReturn:
    """Raises the SourceError on one row."""
    raise SourceError(f"Sidecar {uri!r}, {place}: {what}.") from cause
