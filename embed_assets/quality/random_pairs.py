"""Random pairs: how similar a query and an item are that have nothing to do with each other, by kind of query."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from embed_assets.store.serving.score_calibration import measured, similarity_of
from embed_assets.store.serving.vector_scan import distances, matrix
from embed_assets.store.upsert import evenly_spread

if TYPE_CHECKING:
    from lancedb.table import Table

_ROWS = 2048  # of the table, evenly spread
_QUERIES = 96  # rows of a modality that stand for queries of that kind
_FEWEST = 100  # rows: of less, percentiles say little


def measure_random_pairs(
    table: "Table", texts: Mapping[str, np.ndarray], *, distance: str
) -> dict[str, Sequence[float]]:
    """Return the similarities of random pairs at score_calibration.LEVELS, by kind of query; none for a small table.

    `texts` are vectors of queries in words, float32 (dim,), by a name that begins with the media id that each is made
    of, if any: an item is no random pair of a query about it. Queries of other kinds are rows of that modality.
    """
    rows = evenly_spread(table, ["media_id", "modality", "vector"], _ROWS)
    if rows.num_rows < _FEWEST:
        return {}
    items, modalities = (np.asarray(rows[name].to_pylist()) for name in ("media_id", "modality"))
    vectors = matrix(rows["vector"].combine_chunks())
    levels: dict[str, Sequence[float]] = {}
    if texts:
        owners = np.asarray([name.partition(":")[0] for name in texts])
        levels["text"] = _levels(np.stack(list(texts.values())), owners, vectors, items, distance)
    for modality in dict.fromkeys(modalities.tolist()):
        if modality in levels:
            continue
        chosen = np.flatnonzero(modalities == modality)
        chosen = chosen[np.linspace(0, len(chosen) - 1, min(len(chosen), _QUERIES)).astype(int)]
        if len(chosen) > 1:
            levels[modality] = _levels(vectors[chosen], items[chosen], vectors, items, distance)
    return levels


def _levels(
    queries: np.ndarray, owners: np.ndarray, vectors: np.ndarray, items: np.ndarray, distance: str
) -> list[float]:
    found = distances(queries, vectors, distance)
    counted = found[np.isfinite(found) & (owners[:, None] != items[None, :])]
    return measured(similarity_of(counted, distance)) if len(counted) else []
