"""Fusing rankings: reciprocal rank fusion, diversity, and nearly identical items as one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from embed_assets.search.rankings import Found, Ranking
from embed_assets.store.serving.score_calibration import percentile_of, similarity_of

_DAMPING = 60  # of Cormack, Clarke and Buettcher, 2009 (doi:10.1145/1571941.1572114)
_IDENTICAL = 0.99  # cosine of vectors of nearly identical items
COMPARED = 200  # items at most whose vectors are compared with each other


@dataclass(slots=True)
class Fused:
    """An item over all rankings: where each ranked it, and as which ranking found it best."""

    media_id: str
    found: dict[str, Found] = field(default_factory=dict)  # by ranking
    ranks: dict[str, int] = field(default_factory=dict)
    fused: float = 0.0  # sum of reciprocal ranks
    duplicates: list[str] = field(default_factory=list)
    rerank_score: float | None = None
    unit_vectors: dict[str, np.ndarray] | None = None  # by vector table; made when they are first compared

    @property
    def best(self) -> Found:
        """The item as the ranking found it that ranks it highest; by its vector before by its words."""
        return self.found[min(self.ranks, key=lambda name: (self.ranks[name], ":" in name))]

    @property
    def nearest(self) -> Found | None:
        """The item as a ranking by vector found it, the one that ranks it highest; None where words alone did."""
        named = [name for name in self.ranks if ":" not in name]
        return self.found[min(named, key=self.ranks.__getitem__)] if named else None


def fuse(rankings: Sequence[Ranking], *, kind: str = "") -> list[Fused]:
    """Return the items of all rankings by the sum of 1 / (60 + rank), best first; one ranking keeps its order.

    Of items of equal sums, as the first of each space are, the one with the higher percentile for this `kind` of query
    comes first.
    """
    items: dict[str, Fused] = {}
    for ranking in rankings:
        for rank, found in enumerate(ranking.items, 1):
            item = items.setdefault(found.media_id, Fused(found.media_id))
            item.found[ranking.name] = found
            item.ranks[ranking.name] = rank
            item.fused += 1 / (_DAMPING + rank)
    if len(rankings) < 2:
        return list(items.values())
    return sorted(items.values(), key=lambda item: (-item.fused, -_percentile(item, kind)))


def _percentile(item: Fused, kind: str) -> float:
    """Return an item's percentile; 0 where it has none: words alone found it, or the space is not calibrated."""
    found = item.nearest
    if found is None:
        return 0.0
    levels, similarity = (
        found.space.levels(kind),
        similarity_of(found.rows[0]["_distance"], found.space.release.distance),
    )
    return percentile_of(similarity, levels) if levels else 0.0


def diversify(items: Sequence[Fused], *, diversity: float, wanted: int) -> list[Fused]:
    """Order items by maximal marginal relevance (Carbonell and Goldstein, 1998, doi:10.1145/290941.291025).

    Relevance falls with the rank. Vectors of one space say what an item is like; items of different spaces
    are not alike. Items beyond the first 200 keep their places.
    """
    if not diversity or len(items) < 2:
        return list(items)
    chosen, left = [], list(items[:COMPARED])
    relevance = {id(item): 1 - place / len(left) for place, item in enumerate(left)}
    alike = {id(item): 0.0 for item in left}
    while left and len(chosen) < max(wanted, 1):
        best = max(left, key=lambda item: (1 - diversity) * relevance[id(item)] - diversity * alike[id(item)])
        left.remove(best)
        chosen.append(best)
        for item in left:
            alike[id(item)] = max(alike[id(item)], similarity(best, item))
    return [*chosen, *left, *items[COMPARED:]]


def fold(items: Sequence[Fused], *, wanted: int) -> list[Fused]:
    """Return the items without those that are nearly identical to one before them, which names them.

    Nearly identical: equal bytes, or a cosine of 0.99 and more. Stops once `wanted` items are there.
    """
    kept: list[Fused] = []
    for item in items:
        twin = next((each for each in kept[:COMPARED] if _is_same(each, item)), None)
        if twin is None:
            kept.append(item)
        else:
            row = item.best.rows[0]
            twin.duplicates.append(f"{row['source']}/{row['key']}")
        if len(kept) > wanted:
            break
    return kept[:wanted]


def similarity(one: Fused, other: Fused) -> float:
    """Return the cosine of two items' best vectors of one space; 0 where they share none."""
    vectors, others = _vectors(one), _vectors(other)
    for table, vector in vectors.items():
        if table in others:
            return float(vector @ others[table])
    return 0.0


def _is_same(one: Fused, other: Fused) -> bool:
    same_bytes = one.best.rows[0]["media_hash"] == other.best.rows[0]["media_hash"]
    return same_bytes or similarity(one, other) >= _IDENTICAL


def _vectors(item: Fused) -> Mapping[str, np.ndarray]:
    """Return an item's unit vectors by vector table."""
    if item.unit_vectors is None:
        item.unit_vectors = {}
        for found in item.found.values():
            vector = np.asarray(found.rows[0].get("vector") or (), dtype=np.float32)
            if length := float(np.linalg.norm(vector)):
                item.unit_vectors[found.space.release.table] = vector / length
    return item.unit_vectors
