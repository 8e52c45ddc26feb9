"""Conditions of a command line: one argument, COLUMN=VALUE, read as a filter."""

import math

from embed_assets.errors import SettingsError
from embed_assets.search.filters import FilterTree, Operator, Value, parse_filter

_SIGNS: tuple[tuple[str, Operator], ...] = (
    ("!=", "ne"), (">=", "gte"), ("<=", "lte"), ("=", "eq"), ("<", "lt"), (">", "gt"), ("~", "contains"),
)  # fmt: skip


def parse_condition(text: str) -> FilterTree:
    """Return the filter of one argument: label=dog, price<20, price>=5, label=cat,dog, title~word, source!=web.

    Numbers and true or false are compared as such; quotes make a text of them. Raises SettingsError.
    """
    for sign, operator in _SIGNS:
        column, found, value = text.partition(sign)
        if found and column.strip() and not any(each in column for each, _ in _SIGNS):
            return _argument(column.strip(), operator, value.strip())
    raise SettingsError(
        f"Filter {text!r} is no condition. Write COLUMN=VALUE, COLUMN!=VALUE, COLUMN<VALUE, COLUMN>=VALUE, "
        "COLUMN=ONE,OTHER, or COLUMN~TEXT for a part of a text."
    )


def _argument(column: str, operator: Operator, text: str) -> FilterTree:
    if operator == "eq" and "," in text and not text.startswith(('"', "'")):
        values = [_typed(part.strip()) for part in text.split(",")]
        return parse_filter({column: {"in": values}})
    value = text if operator == "contains" else _typed(text)
    return parse_filter({column: {operator: value}})


def _typed(text: str) -> Value:
    """Return a number or truth value where the text is one; what stands in quotes stays text."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        if math.isfinite(value) and not (kind is int and text.lstrip("-").startswith("0") and text not in ("0", "-0")):
            return value
        return text
    return text
