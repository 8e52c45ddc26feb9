"""Cells: single values of tables as text, labels and JSON, and names that no other row has."""

import contextlib
import json
from collections.abc import Mapping
from typing import Any

from embed_assets.media.sidecar import jsonable


def unique(base: str, digest: str, taken: set[str]) -> str:
    """`base`, or where another row has it already, the first of base~digest, base-2, base-3, … that is free."""
    name = base
    if name in taken and digest:
        name = base = f"{base}~{digest}"
    number = 1
    while name in taken:
        number += 1
        name = f"{base}-{number}"
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
    if value is None or isinstance(value, (list, tuple, Mapping)) or value != value:
        return None
    # NUL and halves of surrogate pairs, which a database refuses.
    return str(value).replace("\0", "").encode("utf-8", "replace").decode()


def labels_of(value: Any) -> list[str]:
    """A value as labels: each of a list, also of one that is written as JSON."""
    if isinstance(value, str) and value.lstrip().startswith("["):  # how CSV writes a list
        with contextlib.suppress(ValueError):
            value = json.loads(value)
    values = value if isinstance(value, (list, tuple)) else [value]
    return [label for each in values if (label := cell(each))]


def plain(value: Any) -> Any:
    """The value as JSON can hold it; what it can't, as text."""
    try:
        return jsonable(value)
    except TypeError:
        return str(value)


def media_bytes(value: Any) -> Any:
    """The bytes of a value; Hugging Face's datasets keep media as {bytes, path}."""
    return value.get("bytes") if isinstance(value, Mapping) else value
