"""JSONL records: the objects of JSON lines, parsed only where they are of a size that memory can hold."""

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from embed_assets.errors import MediaError
from embed_assets.media.cells.column_names import missing_column
from embed_assets.media.cells.json_size import too_many_values
from embed_assets.media.tables.text_lines import Lines

_SHOWN = 13  # names of columns that are kept for a message


def json_rows(lines: Lines, required: Collection[str]) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
    """The number of each line that is not empty, from 1, and its object or why there is none."""
    names: dict[str, None] = {}  # not all: there may be others in every row
    for number, line in enumerate(lines, start=1):
        fault = lines.fault()
        if not fault and not line.strip():
            continue
        row = fault or _parsed(line)
        if not isinstance(row, str):
            _note(names, row, required)
        yield number, row
    if names and (said := missing_column(required, list(names))):
        raise MediaError(said)


def _note(names: dict[str, None], row: Mapping[str, Any], required: Collection[str]) -> None:
    if len(names) < _SHOWN + len(required):
        names.update((name, None) for name, _ in zip(row, range(_SHOWN), strict=False))
    names.update((name, None) for name in required if name in row)


def _parsed(line: str) -> Mapping[str, Any] | str:
    """A line's object, or what it is instead."""
    if too_many_values(line):
        return "too many values"
    try:
        row = json.loads(line)
    except RecursionError:
        return "nested too deep"
    except ValueError:
        return "not JSON"
    return row if isinstance(row, dict) else "not a JSON object"
