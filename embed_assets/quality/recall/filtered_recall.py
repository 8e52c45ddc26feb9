"""Filtered recall: recall@k of a release's search under filters that keep a tenth, a hundredth, a thousandth of it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from embed_assets.quality.recall.ann_recall import near_enough
from embed_assets.store.serving.nearest_rows import SEGMENTS_PER_ITEM, approximate, exact, nearest, searched_exactly
from embed_assets.store.serving.releases import Release
from embed_assets.store.upsert import evenly_spread, quoted, read

if TYPE_CHECKING:
    from lancedb.table import Table

pc: Any = pyarrow.compute  # its functions are made as it is imported: no checker sees them

SHARES = {"10pct": 0.1, "1pct": 0.01, "0_1pct": 0.001}  # of the rows that a filter keeps

_QUERIES = 20  # of one filter: a search of each, and one scan of the rows that it keeps
_APART = 3.0  # times that the share of a value may be more or less
_SAMPLED = 10_000  # media ids


@dataclass(frozen=True, kw_only=True)
class FilteredRecall:
    """Mean recall@k over queries under one filter."""

    where: str
    mean: float
    queries: int
    exact: bool  # by the search that serves, for so few rows: not measured


def filtered_recall(table: "Table", release: Release, queries: np.ndarray, *, k: int) -> dict[str, FilteredRecall]:
    """Measure the search that serves a release against exact search, under a filter for each of SHARES.

    `queries`, float32 (n, dim), are held out of the table; some of them are used.
    """
    chosen = queries[np.unique(np.linspace(0, len(queries) - 1, min(_QUERIES, len(queries))).astype(int))]
    return {
        name: FilteredRecall(where=where, mean=1.0, queries=0, exact=True)
        if searched_exactly(table, release, where)
        else measured(table, release, chosen, where, k=k)
        for name, where in (filters(table).items() if len(chosen) else ())
    }


def measured(table: "Table", release: Release, queries: np.ndarray, where: str, *, k: int) -> FilteredRecall:
    """Measure recall@k of the ANN index under a filter, with as many rows fetched as a search fetches."""
    shared: dict[str, Any] = {"columns": ["media_id"], "where": where}
    hits = []
    truth = exact(table, queries, k=k, distance=release.distance, **shared)
    rows, effort = k * SEGMENTS_PER_ITEM, {"nprobes": release.nprobes, "refine_factor": release.refine_factor}
    answers = approximate(table, queries, k=rows, distance=release.distance, **effort, **shared)
    for query, right, answer in zip(queries, truth, answers, strict=True):
        short = len(answer) < rows  # then the search that serves looks further
        found = nearest(table, query, release, k=rows, exactly=False, **shared) if short else answer
        distances, expected = _distances(found)[:k], _distances(right)
        near = np.count_nonzero(near_enough(distances, expected.max(initial=-np.inf)))
        hits.append(near / max(1, len(expected)))
    return FilteredRecall(where=where, mean=float(np.mean(hits)), queries=len(hits), exact=False)


def filters(table: "Table") -> dict[str, str]:
    """Return a filter for each of SHARES: a label, source or shard that about so many rows have, else some items.

    Labels and sources go with what is in an item, hence with where its vector lies: harder than items at random.
    """
    counts, rows = _values(table), table.count_rows()
    found = {}
    for name, share in SHARES.items():
        apart = {where: max(count / (share * rows), share * rows / count) for where, count in counts.items()}
        best = min(apart, key=lambda where: (apart[where], where), default=None)
        found[name] = best if best is not None and apart[best] <= _APART else _some_items(table, share)
    return found


def _values(table: "Table") -> Mapping[str, int]:
    """Count the rows that filters by one value keep."""
    columns = read(table, ["source", "shard", "labels"])
    counts = Counter[str]()
    for name in ("source", "shard"):
        counts.update({f"{name} = {quoted(value)}": count for value, count in _counted(columns[name])})
    labels = _counted(pc.list_flatten(columns["labels"]))
    return counts + Counter({f"array_has(labels, {quoted(label)})": count for label, count in labels})


def _counted(values: Any) -> list[tuple[str, int]]:
    return [(each["values"], each["counts"]) for each in values.drop_null().value_counts().to_pylist()]


def _some_items(table: "Table", share: float) -> str:
    """Return a filter that keeps a share of the items; ids are hashes, hence any items."""
    ids: pa.Table = evenly_spread(table, ["media_id"], _SAMPLED).sort_by("media_id")
    return f"media_id <= {quoted(ids['media_id'][int(share * (len(ids) - 1))].as_py())}"


def _distances(rows: pa.Table) -> np.ndarray:
    return np.asarray(rows["_distance"], dtype=np.float32)
