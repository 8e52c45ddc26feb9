"""Ranking of items by exact search in memory: each by its best segment, as a search of the index ranks them."""

from collections.abc import Sequence

import numpy as np

_CHUNK = 16_000_000  # similarities at once: 64 MB of float32


def rank_items(
    queries: np.ndarray,
    vectors: np.ndarray,
    owners: Sequence[str],
    *,
    distance: str,
    depth: int = 100,
    excluded: Sequence[str | None] | None = None,
) -> list[list[str]]:
    """Return media ids for each query, nearest first, `depth` at most.

    Queries are float32 (q, dim), vectors (segments, dim) of the items `owners`, one a segment. An item in `excluded`,
    one a query, is left out: the query is made of it.
    """
    if not len(vectors) or not len(queries):
        return [[] for _ in queries]
    order = np.argsort(np.asarray(owners), kind="stable")
    names, starts = np.unique(np.asarray(owners)[order], return_index=True)
    own = {name: place for place, name in enumerate(names)}
    left, right = _comparable(queries, vectors[order], distance)
    found: list[list[str]] = []
    step = max(1, _CHUNK // len(vectors))
    for start in range(0, len(queries), step):
        by_item = np.maximum.reduceat(_similarity(left[start : start + step], right, distance), starts, axis=1)
        for row, similarity in enumerate(by_item):
            name = excluded[start + row] if excluded is not None else None
            if name in own:
                similarity[own[name]] = -np.inf
            found.append([str(names[place]) for place in _top(similarity, depth)])
    return found


def _top(similarity: np.ndarray, depth: int) -> np.ndarray:
    """Return places of the highest values, highest first; of equal ones the first."""
    count = min(depth, int(np.isfinite(similarity).sum()))
    if count < len(similarity):
        bound = np.partition(similarity, -count)[-count] if count else np.inf
        places = np.flatnonzero(similarity >= bound)
    else:
        places = np.arange(len(similarity))
    return places[np.argsort(-similarity[places], kind="stable")][:count]


def _comparable(queries: np.ndarray, vectors: np.ndarray, distance: str) -> tuple[np.ndarray, np.ndarray]:
    left, right = queries.astype(np.float32), vectors.astype(np.float32)
    return (_unit(left), _unit(right)) if distance == "cosine" else (left, right)


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def _similarity(queries: np.ndarray, vectors: np.ndarray, distance: str) -> np.ndarray:
    products = queries @ vectors.T
    return 2 * products - (vectors**2).sum(axis=1) if distance == "l2" else products
