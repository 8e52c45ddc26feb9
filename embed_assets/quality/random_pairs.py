"""Random pairs: how similar a query and an item are that have nothing to do with each other, by kind of query."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embed_assets.store.serving.score_calibration import measured, similarity_of
from embed_assets.store.serving.vector_scan import distances, matrix
from embed_assets.store.upsert import evenly_spread, one_of, read

if TYPE_CHECKING:
    from lancedb.table import Table

_ROWS = 2048  # of the table, evenly spread
_QUERIES = 96  # rows of a modality that stand for queries of that kind
FEWEST = 100  # rows: of less, percentiles say little


def measure_random_pairs(
    table: "Table", texts: Mapping[str, np.ndarray], *, distance: str
) -> dict[str, Sequence[float]]:
    """Return the similarities of random pairs at score_calibration.LEVELS, by kind of query; none for a small table.

    `texts` are vectors of queries in words, float32 (dim,), by a name that begins with the media id that each is made
    of, if any. Queries of other kinds are rows of that modality. No random pair of a query is the item that it is made
    of, nor one with a label of that item.
    """
    rows = evenly_spread(table, ["media_id", "modality", "labels", "vector"], _ROWS)
    if rows.num_rows < FEWEST:
        return {}
    sample = _Items(rows["media_id"].to_pylist(), rows["labels"].to_pylist())
    vectors = matrix(rows["vector"].combine_chunks())
    levels: dict[str, Sequence[float]] = {}
    if texts:
        owners = _owners(table, [name.partition(":")[0] for name in texts])
        levels["text"] = _levels(np.stack(list(texts.values())), owners, vectors, sample, distance)
    modalities = np.asarray(rows["modality"].to_pylist())
    for modality in dict.fromkeys(modalities.tolist()):
        if modality in levels:
            continue
        chosen = np.flatnonzero(modalities == modality)
        chosen = chosen[np.linspace(0, len(chosen) - 1, min(len(chosen), _QUERIES)).astype(int)]
        levels[modality] = _levels(vectors[chosen], sample.of(chosen), vectors, sample, distance)
    return {kind: found for kind, found in levels.items() if found}


@dataclass(frozen=True)
class _Items:
    """Items of queries or rows, and their labels."""

    ids: Sequence[Any]
    labels: Sequence[Sequence[str] | None]

    def of(self, places: np.ndarray) -> "_Items":
        return _Items([self.ids[place] for place in places], [self.labels[place] for place in places])


def _owners(table: "Table", ids: Sequence[str]) -> _Items:
    """Return the items that queries are made of, with their labels."""
    found = read(table, ["media_id", "labels"], where=one_of("media_id", sorted(set(ids)))).to_pylist()
    labels = {row["media_id"]: row["labels"] for row in found}
    return _Items(ids, [labels.get(each) for each in ids])


def _levels(queries: np.ndarray, owners: _Items, vectors: np.ndarray, sample: _Items, distance: str) -> list[float]:
    found = distances(queries, vectors, distance)
    unrelated = np.asarray(owners.ids)[:, None] != np.asarray(sample.ids)[None, :]
    rows_of: dict[str, list[int]] = {}
    for place, labels in enumerate(sample.labels):
        for label in labels or ():
            rows_of.setdefault(label, []).append(place)
    for query, labels in enumerate(owners.labels):
        for label in labels or ():
            unrelated[query, rows_of.get(label, [])] = False
    counted = found[np.isfinite(found) & unrelated]
    return measured(similarity_of(counted, distance)) if len(counted) >= FEWEST else []
