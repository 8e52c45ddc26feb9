"""Item neighbours: the nearest other items of each, by the cosine of their mean vectors, exactly and in blocks."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from embed_assets.quality.item_vectors import chosen, items_of, mean_vectors
from embed_assets.store.serving.vector_scan import norms

if TYPE_CHECKING:
    from lancedb.table import Table

pc: Any = pyarrow.compute  # its functions are made as it is imported: no checker sees them

MOST_ITEMS = 100_000  # that are compared: the time grows with the square
NEAREST = 10
COLUMNS = ("media_id", "source", "key", "uri", "modality", "labels", "media_hash", "modified")
_ROWS, _COLUMNS = 2048, 4096  # of a block


@dataclass(frozen=True, kw_only=True)
class ItemNeighbours:
    """Items of an index, and the NEAREST others of each."""

    items: pa.Table  # COLUMNS, in order of media id
    total: int  # items of the index
    vectors: np.ndarray  # float32 (items, dim), of unit length
    places: np.ndarray  # int64 (items, NEAREST), nearest first; -1 where there are fewer
    cosines: np.ndarray  # float32 (items, NEAREST); -inf where there are fewer


def item_neighbours(table: "Table", *, most: int = MOST_ITEMS) -> ItemNeighbours:
    """Compare the items of a vector table, or `most` of them, drawn without replacement and seeded."""
    items = items_of(table, COLUMNS[1:])
    ids = items["media_id"].to_pylist()
    names = chosen(ids, most)
    if len(names) < len(ids):
        items = items.filter(pc.is_in(items["media_id"], value_set=pa.array(names, pa.string())))
    vectors = mean_vectors(table, names, distance="cosine")[1]
    cosines, places = nearest_others(vectors)
    return ItemNeighbours(items=items, total=len(ids), vectors=vectors, places=places, cosines=cosines)


def nearest_others(vectors: np.ndarray, k: int = NEAREST) -> tuple[np.ndarray, np.ndarray]:
    """Return the cosines of the k nearest other rows of float (n, dim), and their places, nearest first.

    float32 and int64, (n, k); -inf and -1 where there are fewer. Never more than a block of cosines is in memory.
    """
    unit = np.ascontiguousarray(vectors / np.maximum(norms(vectors), 1e-12)[:, None], np.float32)
    best = np.full((len(unit), k), -np.inf, np.float32)
    places = np.full((len(unit), k), -1, np.int64)
    for first in range(0, len(unit), _ROWS):
        rows = slice(first, first + _ROWS)
        for start in range(0, len(unit), _COLUMNS):
            found = unit[rows] @ unit[start : start + _COLUMNS].T
            own = np.arange(first, first + len(found)) - start  # an item is no neighbour of its own
            inside = np.flatnonzero((own >= 0) & (own < found.shape[1]))
            found[inside, own[inside]] = -np.inf
            _keep_nearest(best[rows], places[rows], found, start)
    return best, places


def _keep_nearest(best: np.ndarray, places: np.ndarray, found: np.ndarray, start: int) -> None:
    """Merge a block's cosines into the nearest so far, in place; equal ones go by place."""
    k = best.shape[1]
    if best[0, -1] == -np.inf and found.shape[1] > k:  # nothing yet: a partition leaves few to sort
        least = np.partition(found, found.shape[1] - k, axis=1)[:, found.shape[1] - k]
        nearer = found >= least[:, None]
    else:
        nearer = found > best[:, -1:]
    row, column = np.divmod(np.flatnonzero(nearer), found.shape[1])  # nonzero takes eight times as long
    if not len(row):
        return
    seen = np.nonzero(places >= 0)
    rows = np.concatenate([seen[0], row])
    values = np.concatenate([best[seen], found[row, column]])
    names = np.concatenate([places[seen], column + start])
    order = np.lexsort((names, -values, rows))
    rows, values, names = rows[order], values[order], names[order]
    rank = np.arange(len(rows)) - np.searchsorted(rows, rows)  # within its row
    kept = rank < k
    best[rows[kept], rank[kept]] = values[kept]
    places[rows[kept], rank[kept]] = names[kept]
