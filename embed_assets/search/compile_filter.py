"""Filters compiled for one table: columns looked up in its schema, values in their types, texts quoted."""

import difflib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time
from typing import Any

import pyarrow as pa

from embed_assets.errors import SettingsError
from embed_assets.media.files.unicode_names import composed
from embed_assets.search.filters import ITEM, WORDS, All, Condition, FilterTree, Not, Some, Value
from embed_assets.store.upsert import quoted
from embed_assets.store.user_columns import user_columns

# What people call the columns of every table.
_OWN = {
    "source": "source",
    "modality": "modality",
    "label": "labels",
    "key": "key",
    "kind": "kind",
    ITEM: "media_id",
    "text": "text",
    "modified": "modified",
    "embedded": "embedded_at",
}
_SIGNS = {"eq": "=", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}
_MIDNIGHT = time()
_LAST = "\U0010ffff"  # behind every text that begins alike


class UnknownColumnError(SettingsError):
    """A filter names a column that a table does not have."""


def filter_columns(schema: pa.Schema) -> dict[str, pa.Field]:
    """Map the names that a filter may use to the columns of a vector table: its own, and the user's.

    A user's column that is called as one of the others, or as a word of filters, has `extra_` before its name.
    """
    present = set(schema.names)
    own = {name: schema.field(column) for name, column in _OWN.items() if column in present}
    taken = {*own, *WORDS}
    return {**{f"extra_{name}" if name in taken else name: each for name, each in user_columns(schema).items()}, **own}


def compile_filter(tree: FilterTree, schema: pa.Schema) -> str:
    """Return the filter in Lance's language. Raises UnknownColumnError, or SettingsError where a value doesn't fit.

    Names and numbers are written by `lancedb.expr`, texts by `quoted`: none can end where it should not.
    """
    columns = filter_columns(schema)
    return _compiled(tree, columns)


def _compiled(tree: FilterTree, columns: Mapping[str, pa.Field]) -> str:
    if isinstance(tree, All):
        return _joined("AND", tree.filters, columns)
    if isinstance(tree, Some):
        return _joined("OR", tree.filters, columns)
    if isinstance(tree, Not):
        return _not(_compiled(tree.filter, columns))
    return _condition(tree, columns)


def _joined(word: str, filters: tuple[FilterTree, ...], columns: Mapping[str, pa.Field]) -> str:
    return "(" + f" {word} ".join(_compiled(each, columns) for each in filters) + ")"


def _not(condition: str) -> str:
    """Return the opposite, which rows without a value fulfil too."""
    return f"(({condition}) IS NOT TRUE)"


def _condition(condition: Condition, columns: Mapping[str, pa.Field]) -> str:
    from lancedb.expr import col

    field = columns.get(condition.column)
    if field is None:
        raise UnknownColumnError(_unknown(condition.column, columns))
    name = col(field.name).to_sql()
    if condition.operator == "exists":
        if pa.types.is_list(field.type):  # an item without labels has an empty list
            return f"((array_length({name}) > 0) IS {'' if condition.value else 'NOT '}TRUE)"
        return f"({name} IS {'NOT ' if condition.value else ''}NULL)"
    if pa.types.is_list(field.type):
        return _of_list(condition, name)
    return _of_value(condition, field, name)


def _of_list(condition: Condition, name: str) -> str:
    """Compare a column of lists: labels."""
    if condition.operator not in ("eq", "ne", "in"):
        raise SettingsError(f"Filter on {condition.column!r}: {condition.operator} can't compare labels; use eq or in.")
    values = condition.value if isinstance(condition.value, tuple) else (condition.value,)
    has = " OR ".join(f"array_has({name}, {_literal(composed(_as_text(value)))})" for value in values)
    return _not(has) if condition.operator == "ne" else f"({has})"


def _of_value(condition: Condition, field: pa.Field, name: str) -> str:
    operator, operand = condition.operator, condition.value
    if isinstance(operand, tuple):
        values = [_typed(value, field, condition.column) for value in operand]
        return f"({_compared(name, field.type, values)} IN ({', '.join(map(_literal, values))}))"
    if operator in ("contains", "prefix"):
        if not pa.types.is_string(field.type):
            raise SettingsError(f"Filter on {condition.column!r}: {operator} is of texts, and it holds {field.type}.")
        text = str(operand)
        if operator == "contains":
            return f"contains(lower({name}), {_literal(text.lower())})"
        return f"({name} >= {_literal(text)} AND {name} < {_literal(text + _LAST)})"
    typed = _typed(operand, field, condition.column)
    name, value = _compared(name, field.type, [typed]), _literal(typed)
    return _not(f"{name} = {value}") if operator == "ne" else f"({name} {_SIGNS[operator]} {value})"


def _compared(name: str, kind: pa.DataType, values: Sequence[Any]) -> str:
    """Return a column as it is compared: Lance compares whole numbers and days with such alone."""
    if pa.types.is_integer(kind) and any(isinstance(value, float) for value in values):
        return f"CAST({name} AS DOUBLE)"
    if pa.types.is_date(kind) and any(isinstance(value, datetime) for value in values):
        return f"CAST({name} AS TIMESTAMP)"
    return name


def _typed(value: Value, field: pa.Field, name: str) -> Any:
    """Return the value as the column's type has it. Raises SettingsError where it has none."""
    kind = field.type
    if pa.types.is_string(kind):
        return _as_text(value)
    if pa.types.is_boolean(kind) and isinstance(value, bool):
        return value
    if (pa.types.is_integer(kind) or pa.types.is_floating(kind)) and not isinstance(value, (str, bool)):
        return value
    if pa.types.is_timestamp(kind) and isinstance(value, str) and (moment := _time(value)) is not None:
        return moment
    if pa.types.is_date(kind) and isinstance(value, str) and (moment := _time(value)) is not None:
        return moment if moment.time() != _MIDNIGHT else moment.date()
    raise SettingsError(f"Filter on {name!r}: it holds {_kind_in_words(kind)}, and {value!r} is none.")


def _time(text: str) -> datetime | None:
    """Return a moment of ISO text, in UTC where it says no zone; None for other text."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):  # of a zone in which the years 1 to 9999 end elsewhere
        return None


def _as_text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _literal(value: Any) -> str:
    """Return a value in Lance's language.

    Texts are quoted here: lancedb.expr leaves a quote behind a backslash as it is, where Lance's text ends.
    """
    from lancedb.expr import lit

    return quoted(value) if isinstance(value, str) else lit(value).to_sql()


def _kind_in_words(kind: pa.DataType) -> str:
    if pa.types.is_boolean(kind):
        return "true or false"
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "times (ISO: 2026-01-31 or 2026-01-31T12:00:00Z)"
    return "numbers"


def _unknown(name: str, columns: Mapping[str, pa.Field]) -> str:
    near = difflib.get_close_matches(name, columns, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"No column {name!r} to filter by.{hint} Columns: {', '.join(sorted(columns))}."
