"""Breakdowns: the items of an index by label, source, modality, length, month and the user's own columns."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from embed_assets.quality.item_vectors import items_of
from embed_assets.store.upsert import read
from embed_assets.store.user_columns import user_columns

if TYPE_CHECKING:
    from lancedb.table import Table

pc: Any = pyarrow.compute  # its functions are made as it is imported: no checker sees them

LARGEST, SMALLEST = 10, 5  # groups that are shown
_MOST_VALUES = 50  # of a user's column that divides the items into groups
_CHARACTERS = (200, 1000, 5000, 20_000, 100_000)
_SECONDS = (1, 5, 30, 120, 600, 3600)


@dataclass(frozen=True, kw_only=True)
class Group:
    """Items of one value."""

    name: str
    items: int
    share: float  # of all items; of labels an item may have several


@dataclass(frozen=True, kw_only=True)
class Breakdown:
    """Items by one of their properties.

    `effective` is the number of equally large groups that would be as diverse: the exponential of the entropy
    (Hill, 1973, doi:10.2307/1934352). 1: everything is in one group.
    """

    by: str
    groups: int
    effective: float
    without: int  # items that lack it
    largest: tuple[Group, ...]
    smallest: tuple[Group, ...] = ()  # those that are not among the largest, smallest first


def breakdowns(table: "Table") -> list[Breakdown]:
    """Return the items of a vector table by everything that divides them."""
    own = {name: field.name for name, field in user_columns(table.schema).items() if _divides(field.type)}
    items = items_of(table, ["source", "modality", "labels", "embedded_at", *own.values()])
    found = [
        _of_labels(items["labels"]),
        _of_values("source", items["source"]),
        _of_values("modality", items["modality"]),
        _of_values("month of embedding", pc.strftime(items["embedded_at"], format="%Y-%m")),
        *_lengths(table),
        *(_of_values(name, pc.cast(items[column], pa.string())) for name, column in own.items()),
    ]
    return [each for each in found if each.groups and (each.by not in own or each.groups <= _MOST_VALUES)]


def breakdown(by: str, counts: Counter[str], *, items: int, without: int) -> Breakdown:
    """Return the largest and smallest of the groups, and how many there are in effect."""
    ordered = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    groups = [Group(name=name, items=count, share=round(count / items, 4)) for name, count in ordered]
    shares = np.array(list(counts.values()), float)
    shares /= shares.sum() or 1.0
    effective = float(np.exp(-(shares * np.log(shares)).sum())) if len(shares) else 0.0
    return Breakdown(
        by=by,
        groups=len(groups),
        effective=round(effective, 2),
        without=without,
        largest=tuple(groups[:LARGEST]),
        smallest=tuple(groups[LARGEST:][-SMALLEST:][::-1]),
    )


def _of_values(by: str, values: Any) -> Breakdown:
    counted = {each["values"]: each["counts"] for each in pc.value_counts(values).to_pylist()}
    missing = counted.pop(None, 0)
    return breakdown(by, Counter(counted), items=max(1, len(values)), without=missing)


def _of_labels(values: Any) -> Breakdown:
    without = sum(not count for count in pc.fill_null(pc.list_value_length(values), 0).to_pylist())
    counted = {each["values"]: each["counts"] for each in pc.value_counts(pc.list_flatten(values)).to_pylist()}
    return breakdown("label", Counter(counted), items=max(1, len(values)), without=without)


def _lengths(table: "Table") -> Iterator[Breakdown]:
    """Yield texts by characters and recordings by seconds: up to where an item's last segment ends."""
    spans = read(table, ["media_id", "kind", "end"], where='"end" IS NOT NULL').combine_chunks()
    is_text = pc.equal(spans["kind"], "chunk")
    for by, unit, rows, bounds in (
        ("length of text", 1, spans.filter(is_text), _CHARACTERS),
        ("length in seconds", 1000, spans.filter(pc.invert(is_text)), _SECONDS),
    ):
        ends = rows.group_by("media_id").aggregate([("end", "max")])["end_max"]
        places = np.searchsorted(bounds, np.asarray(ends, dtype=float) / unit, side="right")
        names = _ranges(bounds)
        yield breakdown(by, Counter(names[place] for place in places), items=max(1, len(ends)), without=0)


def _ranges(bounds: Sequence[int]) -> list[str]:
    between = [f"{low:,} to {high:,}" for low, high in pairwise(bounds)]
    return [f"below {bounds[0]:,}", *between, f"{bounds[-1]:,} and more"]


def _divides(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_boolean(kind)
