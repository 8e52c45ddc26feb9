"""records: the rows of a .jsonl, .csv or .tsv file, one after another, in bounded memory."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, BinaryIO

from embed_assets.errors import MediaError
from embed_assets.media.limits import Limits
from embed_assets.media.tables.csv_records import separated
from embed_assets.media.tables.jsonl_records import json_rows
from embed_assets.media.tables.text_lines import Lines

Record = tuple[int, Mapping[str, Any] | str]  # its number in the file, and its fields or the reason why there are none

JSONL, CSV, TSV = "application/jsonl", "text/csv", "text/tab-separated-values"
PARQUET = "application/vnd.apache.parquet"
TABLE_KINDS = {JSONL: "jsonl", CSV: "csv", TSV: "tsv", PARQUET: "parquet"}
KINDS = {".jsonl": JSONL, ".ndjson": JSONL, ".csv": CSV, ".tsv": TSV, ".parquet": PARQUET}

_BROKEN = 10_000  # records that are set aside one by one, even where they are most of the file


def table_mime(key: str) -> str | None:
    """Return the mime type of a table by the end of its name; None for a file that is none."""
    return KINDS.get(f".{key.rpartition('.')[2].lower()}")


def table_kind(key: str) -> str | None:
    """Return the kind of a table by the end of its name: csv, tsv, jsonl, parquet; None for a file that is none."""
    return TABLE_KINDS.get(table_mime(key) or "")


def records(
    stream: BinaryIO, kind: str, *, required: Collection[str], limits: Limits, encoding: str | None = None
) -> Iterator[Record]:
    """Rows in the file's order; one that can't be parsed is its line's number and a reason, and the next one follows.

    `required` are columns; of JSON lines, whose rows have each their own, it is enough that some row has them.
    `encoding` is the setting of the source. Raises MediaError "no column ...", "several columns ...", "header too
    long", "unknown encoding" or "no table".
    """
    try:
        if kind == JSONL:
            yield from _mostly_whole(json_rows(Lines(stream, limits, ends="\n", encoding=encoding), required))
        else:
            lines = Lines(stream, limits, ends="", encoding=encoding)
            yield from _mostly_whole(separated(lines, required=required, limits=limits, tabs=kind == TSV))
    except UnicodeError as error:
        raise MediaError("unknown encoding", str(error)) from error


def _mostly_whole(rows: Iterator[Record]) -> Iterator[Record]:
    """The rows, unless most are broken: then the file is no table, and its lines are not worth an item each."""
    broken = whole = 0
    for number, row in rows:
        if isinstance(row, str):
            broken += 1
            if broken > _BROKEN and broken > whole:
                raise MediaError("no table", f"{broken:,} of {broken + whole:,} rows are broken, line {number}: {row}")
        else:
            whole += 1
        yield number, row
