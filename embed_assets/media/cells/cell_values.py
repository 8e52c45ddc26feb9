"""Cells: single values of tables as text, labels and JSON; unique names of rows."""

import json
import math
from collections.abc import Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any

from embed_assets.media.cells.arrow_cells import DEEPEST, UnreadableCell
from embed_assets.media.cells.iso_times import iso_duration
from embed_assets.media.cells.json_size import too_many_values

_MOST = 2**20  # characters of a value that is not the content
_SMALL = 8  # characters of a number


class Names(set[str]):
    """Names in use, with a counter for names that many rows share."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: dict[str, int] = {}


def unique(base: str, digest: str, used: Names) -> str:
    """Return `base`, or where another row has it, the first of base~digest, base-2, base-3, … that is free."""
    name = base
    if name in used and digest:
        name = base = f"{base}~{digest}"
    if name in used:
        number = used.counts.get(base, 1)
        while name in used:
            number += 1
            name = f"{base}-{number}"
        used.counts[base] = number
    used.add(name)
    return name


def cell(value: Any) -> str | None:
    """Return a single value as text; None for missing values, lists, structures and bytes that are not text."""
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, timedelta):
        return iso_duration(value // timedelta(microseconds=1), 10**6)
    if value is None or isinstance(value, (list, tuple, Mapping, UnreadableCell)) or value != value:
        return None
    # NUL and halves of surrogate pairs, which a database refuses.
    return str(value).replace("\0", "").encode("utf-8", "replace").decode()


def as_text(value: Any) -> str | None:
    """Return any value as text: lists and structures as JSON, binary bytes in hexadecimal; None if it is missing."""
    if isinstance(value, bytes) and (b"\0" in value or cell(value) is None):
        return value.hex()
    return cell(json.dumps(plain(value), ensure_ascii=False)) if _nested(value) else cell(value)


def labels_of(value: Any) -> list[str]:
    """Return a value as labels: those of a list, also of one in JSON. Raises ValueError with its `fault`."""
    if isinstance(value, str) and value.lstrip().startswith("["):  # how CSV writes a list
        value = _listed(value)
    values = value if isinstance(value, (list, tuple)) else [value]
    return [label for each in values if (label := as_text(each))]


def _listed(text: str) -> Any:
    if too_many_values(text):
        raise ValueError("too many values")
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deep") from None
    except ValueError:
        return text
    if reason := fault(value):
        raise ValueError(reason)
    return value


def plain(value: Any) -> Any:
    """Return the value as JSON can hold it: times as ISO text, NaN, which means missing in tables, as None.

    Types that JSON does not have become text.
    """
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, (float, Decimal)):
        return _finite(value)
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, Mapping):
        return {_name(name): plain(each) for name, each in value.items()}
    return as_text(value)


def fault(value: Any) -> str:
    """Return why a value can't be stored as metadata, "" where it can. Not recursive: files may nest deeply."""
    if not _nested(value):
        if isinstance(value, UnreadableCell):
            return value.reason
        return "too many characters" if _size(value) > _MOST else ""
    level, left = [value], _MOST
    for _ in range(DEEPEST + 1):
        left -= sum(map(_size, level))
        if left < 0:
            return "too many characters"
        level = [part for each in level if _nested(each) for part in _parts(each)]
        if not level:
            return ""
    return "nested too deep"


def media_bytes(value: Any) -> Any:
    """Return the bytes of a value; Hugging Face's datasets keep media as {bytes, path}."""
    return value.get("bytes") if isinstance(value, Mapping) else value


def _nested(value: Any) -> bool:
    return isinstance(value, (list, tuple, Mapping))


def _finite(value: float | Decimal) -> float | str | None:
    """Return None for NaN and infinity, text for a number that is too large for JSON."""
    if not math.isfinite(value) and not (isinstance(value, Decimal) and value.is_finite()):
        return None
    number = float(value)
    return number if math.isfinite(number) else str(value)


def _size(value: Any) -> int:
    return len(value) if isinstance(value, (str, bytes)) else _SMALL


def _parts(value: Any) -> Any:
    return [*value, *value.values()] if isinstance(value, Mapping) else value


def _name(name: Any) -> str:
    return name if isinstance(name, str) else as_text(name) or str(name)
