"""records: the rows of a .jsonl, .csv, .tsv or .parquet file, one after another, in bounded memory."""

import csv
import io
import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, BinaryIO

from embed_assets.errors import MediaError
from embed_assets.media.limits import Limits
from embed_assets.media.text import byte_order_mark, code_page, guess_utf16

Record = tuple[int, Mapping[str, Any] | str]  # its number in the file, and its fields or the reason why there are none

JSONL, CSV, TSV = "application/jsonl", "text/csv", "text/tab-separated-values"
PARQUET = "application/vnd.apache.parquet"
KINDS = {".jsonl": JSONL, ".ndjson": JSONL, ".csv": CSV, ".tsv": TSV, ".parquet": PARQUET}

_HEAD = 2**20  # bytes by which the encoding is told
_BATCH = 1024  # rows of Parquet in memory
_SHOWN = 12  # columns that a message lists
_NOT_UTF8 = re.compile("[\udc80-\udcff]")  # what "surrogateescape" makes of bytes that do not decode


def table_kind(key: str) -> str | None:
    """The mime type of a table by the end of its name; None for a file that is none."""
    return KINDS.get(f".{key.rpartition('.')[2].lower()}")


def records(stream: BinaryIO, kind: str, *, required: Collection[str], limits: Limits) -> Iterator[Record]:
    """Rows in the file's order; one that can't be parsed is its number and a reason, and the next one follows.

    Of CSV and JSON lines the number is the line's, of Parquet the row's, from 1. `required` are columns;
    of JSON lines, whose rows have each their own, it is enough that some row has them. Raises MediaError
    "no column ...", "broken parquet" or "unknown encoding".
    """
    import pyarrow as pa

    try:
        if kind == PARQUET:
            yield from _parquet(stream, required)
        elif kind == JSONL:
            yield from _jsonl(_Lines(stream, limits, ends="\n"), required)
        else:
            yield from _csv(_Lines(stream, limits, ends=""), required, limits, tabs=kind == TSV)
    except UnicodeError as error:
        raise MediaError("broken parquet" if kind == PARQUET else "unknown encoding", str(error)) from error
    except (pa.ArrowException, OSError) as error:
        raise MediaError("broken parquet", str(error)) from error


def _parquet(stream: BinaryIO, required: Collection[str]) -> Iterator[Record]:
    import pyarrow.parquet as pq

    # Without a buffer a column's chunk is read as a whole, which may be all of the file.
    file = pq.ParquetFile(stream, buffer_size=2**20, pre_buffer=False)
    _require(required, file.schema_arrow.names)
    number = 0
    for batch in file.iter_batches(batch_size=_BATCH, columns=list(required), use_threads=False):
        for row in batch.to_pylist():
            number += 1
            yield number, row


def _jsonl(lines: "_Lines", required: Collection[str]) -> Iterator[Record]:
    seen: dict[str, None] = {}
    for number, line in enumerate(lines, start=1):
        fault = lines.fault()
        if not fault and not line.strip():
            continue
        row = fault or _parsed(line)
        if not isinstance(row, str):
            seen.update(dict.fromkeys(row))
        yield number, row
    if seen:
        _require(required, list(seen))


def _parsed(line: str) -> Mapping[str, Any] | str:
    """A line's object, or what it is instead."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return "not JSON"
    return row if isinstance(row, dict) else "not a JSON object"


def _csv(lines: "_Lines", required: Collection[str], limits: Limits, *, tabs: bool) -> Iterator[Record]:
    csv.field_size_limit(max(csv.field_size_limit(), limits.max_characters))  # of the process; 131,072 at first
    header = next(iter(lines), "")
    lines.fault()
    marks = sorted(",;\t|", key=lambda mark: mark != ("\t" if tabs else ","))
    split = {mark: next(csv.reader([header], delimiter=mark), []) for mark in marks}
    mark = next((mark for mark in marks if set(required) <= set(split[mark])), marks[0])
    names = split[mark]
    _require(required, names)
    rows = csv.reader(lines, delimiter=mark, strict=True)
    while True:
        try:
            row, fault = next(rows), ""
        except StopIteration:
            return
        except csv.Error as error:
            row, fault = [], "too many characters" if "field limit" in str(error) else "not CSV"
        fault = lines.fault() or fault
        if row and not fault and len(row) != len(names):
            fault = "not as many fields as the header has"
        if row or fault:
            yield rows.line_num + 1, fault or dict(zip(names, row, strict=True))


class _Lines:
    """Lines of a text file in the encoding that it is in, none much longer than a text may be."""

    def __init__(self, stream: BinaryIO, limits: Limits, *, ends: str) -> None:
        codec = _codec(stream, limits)
        self._text = io.TextIOWrapper(stream, codec, errors="surrogateescape", newline=ends)
        self._limit = 4 * limits.max_characters
        self._fault = ""

    def fault(self) -> str:
        """What is wrong with the lines since this was last asked: "not UTF-8", "line too long" or nothing."""
        found, self._fault = self._fault, ""
        return found

    def __iter__(self) -> Iterator[str]:
        while line := self._text.readline(self._limit):
            if not line.isascii() and _NOT_UTF8.search(line):
                self._fault = "not UTF-8"
            if len(line) == self._limit:
                self._fault = "line too long"
                while len(self._text.readline(self._limit)) == self._limit:
                    pass
            yield line


def _codec(stream: BinaryIO, limits: Limits) -> str:
    """As of a text, but told by the beginning, in which a few broken lines do not decide for all."""
    head = stream.read(_HEAD)
    stream.seek(0)
    if len(head) == _HEAD:
        head = head[: head.rfind(b"\n") + 1] or head
    if codec := byte_order_mark(head) or guess_utf16(head):
        return codec
    other = [line for line in head.splitlines() if not line.isascii()]
    broken = sum(not _is_utf8(line) for line in other)
    return "utf-8" if broken * 2 <= len(other) else code_page(head, limits)


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def missing_column(columns: Collection[str], names: Collection[str]) -> str:
    """The first column that is not among the names, in words; "" where all are there."""
    for column in columns:
        if column not in names:
            shown = [*list(names)[:_SHOWN], *(["…"] if len(names) > _SHOWN else [])]
            return f"no column {column!r}; it has {', '.join(shown) or 'none'}"
    return ""


def _require(columns: Collection[str], names: Collection[str]) -> None:
    if said := missing_column(columns, names):
        raise MediaError(said)
