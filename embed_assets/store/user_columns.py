"""User columns: the user's own columns in a vector table: names, types, values; and `modified`, an item's time."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pyarrow as pa

from embed_assets.media.cells.value_kinds import Kind, as_kind

MODIFIED = pa.field("modified", pa.timestamp("us", tz="UTC"))
MOST_COLUMNS = 256  # of the user in one table: each is a file of every fragment

_PREFIX = "extra_"  # apart from the table's own columns
_NAME = b"embed_assets/user_column"
_LONGEST = 200  # characters of a name
_TYPES: dict[Kind, pa.DataType] = {
    "bool": pa.bool_(),
    "int": pa.int64(),
    "float": pa.float64(),
    "date": pa.date32(),
    "time": pa.timestamp("us", tz="UTC"),
    "text": pa.string(),
}
_KINDS: dict[pa.DataType, Kind] = {type_: kind for kind, type_ in _TYPES.items()}
_HELD_BY: Mapping[Kind, Kind] = {"int": "float", "date": "time"}  # a wider kind that holds all values


class ItemFacts(NamedTuple):
    """What a manifest row holds for these columns."""

    extra: str | None  # user columns as JSON
    mtime: float | None


def user_columns(schema: pa.Schema) -> dict[str, pa.Field]:
    """Map the user's own names to the fields of a vector table that hold these columns."""
    named = ((field, (field.metadata or {}).get(_NAME)) for field in schema)
    return {name.decode(): field for field, name in named if name is not None}


def type_name(kind: Kind) -> str:
    """Return the Arrow type of a column of a kind, as text."""
    return str(_TYPES[kind])


def pending_fields(schema: pa.Schema, kinds: Mapping[str, Kind]) -> list[pa.Field]:
    """Return the fields that a vector table lacks or holds in another type.

    `kinds` are those of the user's columns, the most used first: of a table with MOST_COLUMNS no more are made. A
    column stays where it holds wider values than it has now.
    """
    present = user_columns(schema)
    used = {name.casefold() for name in schema.names}
    fields = [] if MODIFIED.name in schema.names else [MODIFIED]
    room = MOST_COLUMNS - len(present)
    for name, kind in kinds.items():
        field = present.get(name)
        if field is None and room > 0:
            fields.append(_new_field(name, kind, used))
            room -= 1
        elif field is not None and _KINDS[field.type] not in (kind, _HELD_BY.get(kind)):
            fields.append(field.with_type(_TYPES[kind]))
    return fields


def with_user_columns(schema: pa.Schema, kinds: Mapping[str, Kind]) -> pa.Schema:
    """Return the schema of a new vector table with the user's columns."""
    for field in pending_fields(schema, kinds):
        schema = schema.append(field)
    return schema


def storage_name(name: str) -> str:
    """Return the column of a user's name; what Lance can't hold in a column's name is replaced by `_`."""
    plain = "".join("_" if character in ".`" or not character.isprintable() else character for character in name)
    return _PREFIX + plain[:_LONGEST]


def column_values(fields: Mapping[str, pa.Field], facts: ItemFacts) -> dict[str, Any]:
    """Return an item's values by column: of user columns, `fields` by the user's names, and of `modified`.

    A value that does not fit its column's type is None: another run may have changed the type.
    """
    extra = json.loads(facts.extra) if facts.extra and fields else {}
    values = {field.name: as_kind(extra.get(name), _KINDS[field.type]) for name, field in fields.items()}
    return values | {MODIFIED.name: _moment(facts.mtime)}


def _new_field(name: str, kind: Kind, used: set[str]) -> pa.Field:
    """Return a field whose name is not in `used`, which are in lower case, and add it there."""
    base = unused = storage_name(name)
    number = 1
    while unused.casefold() in used:
        number += 1
        unused = f"{base}_{number}"
    used.add(unused.casefold())
    return pa.field(unused, _TYPES[kind], metadata={_NAME: name.encode("utf-8", "replace")})


def _moment(mtime: float | None) -> datetime | None:
    if not mtime:
        return None
    try:
        return datetime.fromtimestamp(mtime, UTC)
    except (ValueError, OverflowError, OSError):
        return None
