"""records: the rows of a .jsonl, .csv or .tsv file, one after another, in bounded memory."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, BinaryIO

from embed_assets.errors import MediaError
from embed_assets.media.limits import Limits
from embed_assets.media.tables.csv_records import csv_rows
from embed_assets.media.tables.jsonl_records import json_rows
from embed_assets.media.tables.text_lines import Lines

Record = tuple[int, Mapping[str, Any] | str]  # its number in the file, and its fields or why it is unreadable

JSONL, CSV, TSV = "application/jsonl", "text/csv", "text/tab-separated-values"
PARQUET = "application/vnd.apache.parquet"
TABLE_KINDS = {JSONL: "jsonl", CSV: "csv", TSV: "tsv", PARQUET: "parquet"}
KINDS = {".jsonl": JSONL, ".ndjson": JSONL, ".csv": CSV, ".tsv": TSV, ".parquet": PARQUET}

_BROKEN = 10_000  # records that are quarantined one by one, even where they are most of the file


def table_mime(key: str) -> str | None:
    """Return the mime type of a table by the end of its name; None for other files."""
    return KINDS.get(f".{key.rpartition('.')[2].lower()}")


def table_kind(key: str) -> str | None:
    """Return the kind of a table by the end of its name: csv, tsv, jsonl, parquet; None for other files."""
    return TABLE_KINDS.get(table_mime(key) or "")


def records(
    stream: BinaryIO,
    kind: str,
    *,
    required: Collection[str],
    limits: Limits,
    encoding: str | None = None,
    distinct_columns: bool = False,
) -> Iterator[Record]:
    """Yield the rows in the file's order, with their numbers; in place of one that can't be parsed, the reason.

    `required` are columns; of JSON lines, whose rows have their own fields, one row with them is enough.
    `encoding` is the setting of the source. With `distinct_columns` no two columns of a header may have one name,
    required or not. Raises MediaError "no column ...", "several columns ...", "header too long", "unknown encoding" or
    "no table".
    """
    try:
        if kind == JSONL:
            yield from _mostly_whole(json_rows(Lines(stream, limits, ends="\n", encoding=encoding), required))
        else:
            lines = Lines(stream, limits, ends="", encoding=encoding)
            yield from _mostly_whole(
                csv_rows(lines, required=required, limits=limits, tabs=kind == TSV, distinct=distinct_columns)
            )
    except UnicodeError as error:
        raise MediaError("unknown encoding", str(error)) from error


def _mostly_whole(rows: Iterator[Record]) -> Iterator[Record]:
    """Yield the rows, unless most are broken: then the file is no table, and its lines are no items."""
    broken = whole = 0
    for number, row in rows:
        if isinstance(row, str):
            broken += 1
            if broken > _BROKEN and broken > whole:
                raise MediaError("no table", f"{broken:,} of {broken + whole:,} rows are broken, line {number}: {row}")
        else:
            whole += 1
        yield number, row
