"""Kinds of values: what a user's value is, by its type in JSON or its form as text, and how a column holds it."""

import json
import math
import re
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any, Literal

Kind = Literal["bool", "int", "float", "date", "time", "text", "nested"]

WRITTEN = "written "  # before the kind of a text that reads like a number or a truth value
MOST_CHARACTERS = 2048  # of a text in a column; the whole stays in the manifest

_INT = re.compile(r"-?(0|[1-9][0-9]*)")  # a zip code 01234 is none
_FLOAT = re.compile(r"-?((0|[1-9][0-9]*)(\.[0-9]+)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(_DATE.pattern + r"[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?")
_TRUTH = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_LONGEST = 40  # characters of a number, a date or a truth value
_BITS = 63


def kind_of(value: Any) -> str | None:
    """Return the kind of a value of JSON; None where it is missing.

    Times and dates are texts in JSON, and are known by their form. A text that reads like a number or a truth value
    is of the kind "written int", say: it is one where every value is written as text, as in csv.
    """
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int" if value.bit_length() <= _BITS else "float"
    if isinstance(value, float):
        return "float"
    return _kind_of_text(value) if isinstance(value, str) else "nested"


def common_kind(kinds: Iterable[str], *, written: bool) -> Kind | None:
    """Return the kind of a column with values of these kinds, None for none; `written`: all values are written as text.

    Text holds any value.
    """
    found: set[Kind] = {as_meant(kind, written=written) for kind in kinds}
    if not found:
        return None
    if len(found) == 1:
        kind: Kind = found.pop()
        return "text" if kind == "nested" else kind
    if found == {"int", "float"}:
        return "float"
    return "time" if found == {"date", "time"} else "text"


def as_meant(kind: str, *, written: bool) -> Kind:
    """Return the kind of a text that reads like another: that one where values are written as text, else text."""
    plain: Any = kind.removeprefix(WRITTEN)
    return plain if written or plain == kind else "text"


def as_kind(value: Any, kind: Kind) -> Any:
    """Return a value of JSON as a column of a kind holds it; None where it is missing or does not fit."""
    if value is None or (value == "" and kind != "text"):
        return None
    if kind == "text":
        return _text(value)
    if isinstance(value, str):
        return _read(value.strip() if len(value) <= _LONGEST else "", kind)
    if kind == "bool":
        return value if isinstance(value, bool) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if kind == "float":
        return _float(value)
    if kind != "int" or (isinstance(value, float) and not value.is_integer()):
        return None
    return int(value) if int(value).bit_length() <= _BITS else None


def _kind_of_text(text: str) -> str:
    if len(text) > _LONGEST:
        return "text"
    text = text.strip()
    if _INT.fullmatch(text):
        return f"{WRITTEN}int" if int(text).bit_length() <= _BITS else "text"  # digits of an id would be lost
    if _is_float(text):
        return f"{WRITTEN}float"
    if text in _TRUTH:
        return f"{WRITTEN}bool"
    if _DATE.fullmatch(text):
        return "text" if _date(text) is None else "date"
    return "text" if _TIME.fullmatch(text) is None or _time(text) is None else "time"


def _read(text: str, kind: Kind) -> Any:
    """Return what a text says, as a value of a kind."""
    if kind == "bool":
        return _TRUTH.get(text)
    if kind == "date":
        return _date(text) if _DATE.fullmatch(text) else None
    if kind == "time":
        return _time(text) if _DATE.fullmatch(text) or _TIME.fullmatch(text) else None
    if kind == "int":
        number = int(text) if _INT.fullmatch(text) else None
        return number if number is not None and number.bit_length() <= _BITS else None
    return float(text) if _is_float(text) else None


def _is_float(text: str) -> bool:
    return _FLOAT.fullmatch(text) is not None and math.isfinite(float(text))  # 12e4567 is an id


def _float(value: int | float) -> float | None:
    try:
        return float(value)
    except OverflowError:
        return None


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = text.encode("utf-8", "replace").decode()  # halves of surrogate pairs
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 1]}…"


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _time(text: str) -> datetime | None:
    """Return a time, without a zone in UTC; a day begins at midnight. Nanoseconds are cut to microseconds."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
