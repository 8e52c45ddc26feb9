"""Keeper: which of several near-duplicates is the best one to keep, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class Merits:
    """What speaks for an item; 0 or None where it is not known."""

    pixels: int = 0
    length: int = 0  # characters of a text, milliseconds of a recording
    labels: int = 0
    size: int = 0  # bytes
    modified: datetime | None = field(default=None)


_REASONS = ("most pixels", "longest", "most labels", "largest file", "oldest")
_BY_NAME = "equal in all; first by name"


def keeper_of(names: Sequence[str], merits: Mapping[str, Merits]) -> tuple[str, str]:
    """Return the name to keep and the reasons that decide, in the order of their weight; `merits` are by name."""
    left, reasons = sorted(names), []
    for place, reason in enumerate(_REASONS):
        values = {name: _values(merits[name])[place] for name in left}
        best = [name for name in left if values[name] == max(values.values())]
        if len(best) < len(left):
            reasons.append(reason)
        left = best
        if len(left) == 1:
            break
    return left[0], ", ".join(reasons) or _BY_NAME


def _values(each: Merits) -> tuple[float, ...]:
    age = -each.modified.timestamp() if each.modified is not None else float("-inf")
    return each.pixels, each.length, each.labels, each.size, age
