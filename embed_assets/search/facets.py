"""Facets: how many items there are of each value of a column, for the filter at hand."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute

from embed_assets.search.compile_filter import filter_columns
from embed_assets.search.open_spaces import OpenSpace
from embed_assets.store.serving.nearest_rows import OF_SEVERAL, rows_left
from embed_assets.store.upsert import read

pc: Any = pyarrow.compute  # its functions are made as it is imported: no checker sees them

_OWN = ("source", "modality", "label")


def facets_of(spaces: Sequence[tuple[OpenSpace, str | None]], *, values: int) -> dict[str, dict[str, Any]]:
    """Return for each column its most frequent values with their numbers of items, or its range.

    {"label": {"type": "text", "values": {"dog": 31}, "distinct": 90}, "price": {"type": "number", "min": 2.5, "max":
    80.0, "items": 120}}; other types are time and boolean, whose values are "true" and "false". `spaces` are given with
    the filter compiled for each; an item in several of them is counted once.
    """
    counts: dict[str, Counter[Any]] = {}
    ranges: dict[str, list[Any]] = {}
    types: dict[str, str] = {}
    known: list[pa.Array] = []  # media ids by space
    for place, (space, where) in enumerate(spaces):
        items = _items(space, where)
        for others in known:
            items = items.filter(pc.invert(pc.is_in(items["media_id"], value_set=others)))
        if place + 1 < len(spaces):
            known.append(items["media_id"].combine_chunks())
        for name, column in _columns(space).items():
            if types.setdefault(name, _type(column.type)) != _type(column.type):
                continue  # values of several types are no one list and no one range: the first space's count
            if pa.types.is_list(column.type) or pa.types.is_string(column.type) or pa.types.is_boolean(column.type):
                counts.setdefault(name, Counter()).update(_counted(items[column.name]))
            else:
                ranges.setdefault(name, []).append(items[column.name])
    listed = {
        name: {"type": types[name], "values": dict(counted.most_common(values)), "distinct": len(counted)}
        for name, counted in counts.items()
        if counted
    }
    found = {name: _range(columns) for name, columns in ranges.items()}
    return listed | {name: {"type": types[name], **ends} for name, ends in found.items() if ends}


def _columns(space: OpenSpace) -> dict[str, pa.Field]:
    """Return the columns that are counted, by the names that a filter has for them."""
    users = {field.name for field in space.user_columns.values()}
    named = filter_columns(space.schema).items()
    own = {name: field for name, field in named if name in _OWN}
    return own | {name: field for name, field in named if field.name in users}


def _items(space: OpenSpace, where: str | None) -> pa.Table:
    """Return one row for each item that the filter leaves."""
    names = ["media_id", *dict.fromkeys(column.name for column in _columns(space).values())]
    rows = read(space.table, names, where=where)
    if not rows_left(space.table, space.release, OF_SEVERAL):
        return rows
    first = rows.append_column("place", pa.array(range(rows.num_rows), pa.int64()))
    places = first.group_by("media_id").aggregate([("place", "min")])["place_min"]
    return rows.take(places.combine_chunks() if isinstance(places, pa.ChunkedArray) else places)


def _counted(column: Any) -> dict[Any, int]:
    flat = pc.list_flatten(column) if pa.types.is_list(column.type) else column
    pairs: Iterable[Any] = pc.value_counts(flat.drop_null()).to_pylist()
    return {_shown(pair["values"]): pair["counts"] for pair in pairs}


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _type(kind: Any) -> str:
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_temporal(kind):
        return "time"
    return "number" if pa.types.is_integer(kind) or pa.types.is_floating(kind) else "text"


def _range(columns: Sequence[Any]) -> dict[str, Any]:
    ends = [pc.min_max(column).as_py() for column in columns]
    known = [each for each in ends if each["min"] is not None]
    if not known:
        return {}
    return {
        "min": min(_plain(each["min"]) for each in known),
        "max": max(_plain(each["max"]) for each in known),
        "items": sum(len(column) - column.null_count for column in columns),
    }


def _plain(value: Any) -> Any:
    """Return a number, or a time as ISO text: dates and times of several spaces compare as such."""
    return value.isoformat() if hasattr(value, "isoformat") else value
