"""CSV records: the rows of a CSV or TSV file, broken ones with their reason, also behind wrong quotes."""

import csv
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from embed_assets.errors import MediaError
from embed_assets.media.cells.column_names import missing_column, twice
from embed_assets.media.limits import Limits
from embed_assets.media.tables.text_lines import Lines

_HEADER = 2**20  # characters of the line of names
_FIELDS = 2_000_000  # of one record, also where its text has the delimiter in it
_RECORD = 4  # times the characters of a text


def csv_rows(
    lines: Lines, *, required: Collection[str], limits: Limits, tabs: bool, distinct: bool = False
) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
    """Yield the number of each record's last line, from 1, and its fields by name or the reason. Raises MediaError.

    Quoted fields may hold delimiters and line ends. Between tabs a quote is a plain character where the quoted record
    would be broken, or would swallow lines that are records themselves.
    """
    csv.field_size_limit(max(csv.field_size_limit(), limits.max_characters))  # of the process; 131,072 at first
    names, mark = _header(lines, required, tabs=tabs, distinct=distinct)
    record_lines = _RecordLines(lines, width=len(names), mark=mark, most=_RECORD * limits.max_characters)
    rows = csv.reader(record_lines, delimiter=mark, strict=True)
    while True:
        row, fault = _next(rows, record_lines)
        if row is None:
            return
        fault = lines.fault() or fault
        if row and not fault and len(row) != len(names):
            fault = "not as many fields as the header has"
        if row or fault:
            yield record_lines.number, fault or dict(zip(names, row, strict=True))


def _header(lines: Lines, required: Collection[str], *, tabs: bool, distinct: bool) -> tuple[list[str], str]:
    """Return the names of the columns, and the delimiter that gives the required ones."""
    header = next(iter(lines), "")
    if lines.fault() == "line too long" or len(header) > _HEADER:
        raise MediaError("header too long", f"a table's first line has its columns, in {_HEADER:,} characters at most")
    marks = sorted(",;\t|", key=lambda mark: mark != ("\t" if tabs else ","))
    split = {mark: next(csv.reader([header], delimiter=mark), []) for mark in marks}
    mark = next((mark for mark in marks if set(required) <= set(split[mark])), marks[0])
    if problem := missing_column(required, split[mark]) or twice(split[mark] if distinct else required, split[mark]):
        raise MediaError(problem)
    return split[mark], mark


def _next(rows: Iterator[list[str]], record_lines: "_RecordLines") -> tuple[list[str] | None, str]:
    """Return the fields of the next record, None at the end, and the reason where it is broken."""
    record_lines.begin()
    try:
        return next(rows), ""
    except StopIteration:
        return None, ""
    except _Literal:
        return record_lines.literal(), ""
    except _TooLarge as error:
        return [], str(error)
    except csv.Error as error:
        literal = record_lines.literal()
        if literal is not None:
            return literal, ""
        return [], "too many characters" if "field limit" in str(error) else "not CSV"


class _Literal(Exception):
    """The record's first line is a record by itself, and so is the line that its quote would swallow."""


class _TooLarge(Exception):
    """A record has more characters or fields than one may have."""


class _RecordLines:
    """The lines of one record, which may have to be read again without quotes."""

    def __init__(self, lines: Lines, *, width: int, mark: str, most: int) -> None:
        self._lines = iter(lines)
        self._again: deque[str] = deque()
        self._taken: list[str] = []
        self._marks = width - 1
        self._mark = mark
        self._most = most
        self._left = self._fields = 0
        self.number = 1  # of the line that was read last

    def begin(self) -> None:
        """Begin a record."""
        self._taken, self._left, self._fields = [], self._most, _FIELDS

    def literal(self) -> list[str] | None:
        """Return the fields of the first line without quoting, if it is a record; other lines are read again."""
        if self._mark != "\t" or not self._taken or not self._full(self._taken[0]):
            return None
        self._again.extendleft(reversed(self._taken[1:]))
        self.number -= len(self._taken) - 1
        return self._taken[0].rstrip("\r\n").split(self._mark)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self.number += 1
        self._left -= len(line)
        self._fields -= line.count(self._mark)
        if self._left < 0 or self._fields < 0:
            raise _TooLarge("too many characters" if self._left < 0 else "too many fields")
        if self._mark == "\t":
            self._taken.append(line)
            if self._marks and len(self._taken) > 1 and self._full(self._taken[0]) and self._full(line):
                raise _Literal
        return line

    def _full(self, line: str) -> bool:
        return line.count(self._mark) == self._marks
