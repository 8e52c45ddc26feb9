"""Cells: single values of tables as text, labels and JSON, and names that no other row has."""

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
    """Names that are taken, and how far those that many rows would have are counted."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: dict[str, int] = {}


def unique(base: str, digest: str, taken: Names) -> str:
    """`base`, or where another row has it already, the first of base~digest, base-2, base-3, … that is free."""
    name = base
    if name in taken and digest:
        name = base = f"{base}~{digest}"
    if name in taken:
        number = taken.counts.get(base, 1)
        while name in taken:
            number += 1
            name = f"{base}-{number}"
        taken.counts[base] = number
    taken.add(name)
    return name


def cell(value: Any) -> str | None:
    """A single value as text; None for nothing, and for lists, structures and bytes that are no text."""
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
    """Any value as text: lists and structures as JSON, bytes that are no text in hexadecimal; None for nothing."""
    if isinstance(value, bytes) and (b"\0" in value or cell(value) is None):
        return value.hex()
    return cell(json.dumps(plain(value), ensure_ascii=False)) if _nested(value) else cell(value)


def labels_of(value: Any) -> list[str]:
    """A value as labels: each of a list, also of one that is written as JSON. Raises ValueError with its `fault`."""
    if isinstance(value, str) and value.lstrip().startswith("["):  # how CSV writes a list
        value = _listed(value)
    values = value if isinstance(value, (list, tuple)) else [value]
    return [label for each in values if (label := as_text(each))]


def _listed(text: str) -> Any:
    if too_many_values(text):
        raise ValueError("too many values")
    try:
        found = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deep") from None
    except ValueError:
        return text
    if said := fault(found):
        raise ValueError(said)
    return found


def plain(value: Any) -> Any:
    """The value as JSON can hold it: times as ISO text, NaN, which tables use for nothing, as None.

    What JSON has nothing for becomes text.
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
    """Why a value can't be told beside a content; "" where it can. Without recursion: brackets are cheap to write."""
    if not _nested(value):
        return value.why if isinstance(value, UnreadableCell) else "too many characters" if _size(value) > _MOST else ""
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
    """The bytes of a value; Hugging Face's datasets keep media as {bytes, path}."""
    return value.get("bytes") if isinstance(value, Mapping) else value


def _nested(value: Any) -> bool:
    return isinstance(value, (list, tuple, Mapping))


def _finite(value: float | Decimal) -> float | str | None:
    """Nothing for what is no number, text for what is too large for one of JSON."""
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
