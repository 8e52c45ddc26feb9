"""Filters: conditions on columns as a small typed tree; read from JSON, never from text that a database would parse."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from embed_assets.errors import SettingsError

Value = str | bool | int | float
Operator = Literal["eq", "ne", "lt", "lte", "gt", "gte", "in", "contains", "prefix", "exists"]
ITEM = "item"  # what a filter calls the column of ids
WORDS = ("and", "or", "not")  # no column can be named by them
OPERATORS: tuple[str, ...] = get_args(Operator)

_DEEPEST = 6  # and, or, not within each other
_MOST_CONDITIONS = 64
MOST_ITEMS = 10_000  # of one `in` of ids: a selection
_MOST_VALUES = 1000  # of one `in` of another column
_MOST_CHARACTERS = 2000  # of a column's name or a value


@dataclass(frozen=True, slots=True)
class Condition:
    """One column compared with a value, or for `in` with several."""

    column: str
    operator: Operator
    value: Value | tuple[Value, ...]

    def document(self) -> dict[str, Any]:
        """Return it as JSON-able values."""
        value = list(self.value) if isinstance(self.value, tuple) else self.value
        return {self.column: {self.operator: value}}


@dataclass(frozen=True, slots=True)
class All:
    """Every one of the filters holds."""

    filters: tuple["FilterTree", ...]

    def document(self) -> dict[str, Any]:
        """Return it as JSON-able values."""
        return {"and": [each.document() for each in self.filters]}


@dataclass(frozen=True, slots=True)
class Some:
    """At least one of the filters holds."""

    filters: tuple["FilterTree", ...]

    def document(self) -> dict[str, Any]:
        """Return it as JSON-able values."""
        return {"or": [each.document() for each in self.filters]}


@dataclass(frozen=True, slots=True)
class Not:
    """The filter does not hold. A row without a value in its columns is in neither."""

    filter: "FilterTree"

    def document(self) -> dict[str, Any]:
        """Return it as JSON-able values."""
        return {"not": self.filter.document()}


FilterTree = Condition | All | Some | Not


def parse_filter(document: Any) -> FilterTree:
    """Return the filter of a JSON object: {"and": [{"label": {"in": ["dog"]}}, {"price": {"lt": 20}}]}.

    A column's value stands for `eq`, a list of values for `in`; several columns in one object must all hold. Raises
    SettingsError that names the part which is none.
    """
    reader = _Reader()
    return reader.tree(document, "where", depth=0)


def columns_named(tree: FilterTree | None) -> list[str]:
    """Return the columns that a filter compares, each once, in its order."""
    if tree is None:
        return []
    if isinstance(tree, Condition):
        return [tree.column]
    inner = (tree.filter,) if isinstance(tree, Not) else tree.filters
    return list(dict.fromkeys(name for each in inner for name in columns_named(each)))


def both(one: FilterTree | None, other: FilterTree | None) -> FilterTree | None:
    """Return a filter that holds where both do; None where there is neither."""
    if one is None or other is None:
        return one or other
    return All((one, other))


class _Reader:
    """Reads one tree and counts its conditions."""

    def __init__(self) -> None:
        self._conditions = 0

    def tree(self, document: Any, place: str, *, depth: int) -> FilterTree:
        if depth > _DEEPEST:
            raise SettingsError(f"{place}: the filter is nested deeper than {_DEEPEST} levels.")
        if not isinstance(document, Mapping) or not document:
            raise SettingsError(
                f'{place}: expected an object such as {{"label": {{"in": ["dog"]}}}}, found {_brief(document)}.'
            )
        parts = [self._entry(name, value, place, depth=depth) for name, value in document.items()]
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _entry(self, name: Any, value: Any, place: str, *, depth: int) -> FilterTree:
        if name in ("and", "or"):
            if not isinstance(value, list) or not value:
                raise SettingsError(f"{place}.{name}: expected a list of filters, found {_brief(value)}.")
            parts = tuple(
                self.tree(each, f"{place}.{name}[{number}]", depth=depth + 1) for number, each in enumerate(value)
            )
            return All(parts) if name == "and" else Some(parts)
        if name == "not":
            return Not(self.tree(value, f"{place}.not", depth=depth + 1))
        if not isinstance(name, str) or not name or len(name) > _MOST_CHARACTERS:
            raise SettingsError(f"{place}: {_brief(name)} is no column.")
        return self._conditions_of(name, value, f"{place}.{_brief(name)}")

    def _conditions_of(self, column: str, value: Any, place: str) -> FilterTree:
        if isinstance(value, list):
            value = {"in": value}
        elif not isinstance(value, Mapping):
            value = {"eq": value}
        if not value:
            raise SettingsError(f"{place}: no comparison. One of: {', '.join(OPERATORS)}.")
        parts = [self._condition(column, operator, operand, place) for operator, operand in value.items()]
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _condition(self, column: str, operator: Any, operand: Any, place: str) -> Condition:
        self._conditions += 1
        if self._conditions > _MOST_CONDITIONS:
            raise SettingsError(f"{place}: the filter has more than {_MOST_CONDITIONS} conditions.")
        if operator not in OPERATORS:
            raise SettingsError(f"{place}: {_brief(operator)} is no comparison. One of: {', '.join(OPERATORS)}.")
        place = f"{place}.{operator}"
        if operator == "in":
            most = MOST_ITEMS if column == ITEM else _MOST_VALUES
            if not isinstance(operand, list) or not 0 < len(operand) <= most:
                raise SettingsError(f"{place}: expected a list of 1 to {most} values.")
            return Condition(column, operator, tuple(_value(each, place) for each in operand))
        if operator == "exists" and not isinstance(operand, bool):
            raise SettingsError(f"{place}: expected true or false, found {_brief(operand)}.")
        if operator in ("contains", "prefix") and not isinstance(operand, str):
            raise SettingsError(f"{place}: expected a text, found {_brief(operand)}.")
        return Condition(column, operator, _value(operand, place))


def _value(value: Any, place: str) -> Value:
    if isinstance(value, datetime):
        value = value.isoformat()
    if not isinstance(value, (str, bool, int, float)):
        raise SettingsError(f"{place}: expected a text, a number, true or false, found {_brief(value)}.")
    if isinstance(value, str) and (len(value) > _MOST_CHARACTERS or "\0" in value or not _is_unicode(value)):
        raise SettingsError(f"{place}: a text of at most {_MOST_CHARACTERS} characters, without NUL, in valid Unicode.")
    if isinstance(value, float) and not math.isfinite(value):
        raise SettingsError(f"{place}: {value} can't be compared.")
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**63:
        raise SettingsError(f"{place}: {_brief(value)} is beyond 64 bits.")
    return value


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:39]}…"


def _read_filter(document: Any) -> FilterTree:
    if isinstance(document, (Condition, All, Some, Not)):
        return document
    try:
        return parse_filter(document)
    except SettingsError as error:
        raise ValueError(str(error)) from error


# A filter as a field of a pydantic model: given and shown as its JSON object.
Filter = Annotated[
    FilterTree,
    BeforeValidator(_read_filter),
    PlainSerializer(lambda tree: tree.document(), return_type=dict[str, Any]),
    WithJsonSchema(
        {
            "type": "object",
            "minProperties": 1,
            "description": "Conditions by column, and, or, not. Comparisons: " + ", ".join(OPERATORS) + ".",
            "examples": [{"and": [{"label": {"in": ["dog", "cat"]}}, {"price": {"lt": 20}}]}],
        }
    ),
]
