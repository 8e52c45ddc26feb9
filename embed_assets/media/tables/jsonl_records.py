"""JSONL records: the objects of JSON lines, parsed only where they fit into memory."""

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from embed_assets.errors import MediaError
from embed_assets.media.cells.column_names import missing_column
from embed_assets.media.cells.json_size import too_many_values
from embed_assets.media.tables.text_lines import Lines

_SHOWN = 13  # names of columns that are collected for a message


def json_rows(lines: Lines, required: Collection[str]) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
    """Yield the number of each non-empty line, from 1, and its object or the reason why it is none."""
    names: dict[str, None] = {}  # not all: every row may have others
    for number, line in enumerate(lines, start=1):
        fault = lines.fault()
        if not fault and not line.strip():
            continue
        row = fault or _parsed(line)
        if not isinstance(row, str):
            _note(names, row, required)
        yield number, row
    if names and (problem := missing_column(required, list(names))):
        raise MediaError(problem)


def _note(names: dict[str, None], row: Mapping[str, Any], required: Collection[str]) -> None:
    if len(names) < _SHOWN + len(required):
        names.update((name, None) for name, _ in zip(row, range(_SHOWN), strict=False))
    names.update((name, None) for name in required if name in row)


def _parsed(line: str) -> Mapping[str, Any] | str:
    """Return a line's object, or the reason why it is none."""
    if too_many_values(line):
        return "too many values"
    try:
        row = json.loads(line)
    except RecursionError:
        return "nested too deep"
    except ValueError:
        return "not JSON"
    return row if isinstance(row, dict) else "not a JSON object"
