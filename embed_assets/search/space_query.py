"""SpaceQuery: a query as one space is searched by it: its vector, its filter, the distances that count."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from embed_assets.search.compile_filter import UnknownColumnError, compile_filter
from embed_assets.search.filters import FilterTree
from embed_assets.search.open_spaces import OpenSpace
from embed_assets.search.query import Query
from embed_assets.search.rankings import Found, Ranking, by_vector, by_words
from embed_assets.store.serving.nearest_rows import DistanceRange
from embed_assets.store.serving.score_calibration import distance_of, similarity_at
from embed_assets.store.upsert import one_of

_NO_ROW = "false"  # in Lance's language


@dataclass(frozen=True, kw_only=True)
class SpaceQuery:
    """One space, and what of it the query wants."""

    space: OpenSpace
    vector: np.ndarray | None  # float32, (dim,); None where words alone are searched
    where: str | None  # in Lance's language
    within: DistanceRange | None

    def rankings(self, query: Query, *, depth: int, vectors: bool) -> list[Ranking]:
        """Return the first `depth` items by vector, by words or by both; with their vectors where they are compared."""
        found: list[Ranking] = []
        if self.vector is not None:
            options = {"where": self.where, "within": self.within, "vectors": vectors}
            found.append(by_vector(self.space, self.vector, depth=depth, **options))
        if query.mode != "vector":
            options = {"where": self.where, "vectors": vectors}
            ranking = by_words(self.space, query.words, query.unwanted_words, depth=depth, **options)
            if self.within is not None:
                ranking.items = self._within(ranking.items)
            found.append(ranking)
        return found

    def _within(self, items: list[Found]) -> list[Found]:
        """Return the items that words found and whose distance counts; all where there is no vector."""
        if self.vector is None or not items:
            return items
        options = {"where": one_of("media_id", [item.media_id for item in items]), "within": self.within}
        near = by_vector(self.space, self.vector, depth=len(items), vectors=False, **options)
        ids = {item.media_id for item in near.items}
        return [item for item in items if item.media_id in ids]


def distances_within(query: Query, space: OpenSpace, kind: str) -> DistanceRange | None:
    """Return the range of distances that a query of a kind asks for in a space; None for all."""
    most = query.max_distance
    levels = space.levels(kind)
    if query.min_percentile is not None and levels:
        nearest = distance_of(similarity_at(query.min_percentile, levels), space.release.distance)
        most = nearest if most is None else min(most, nearest)
    return None if most is None and query.min_distance is None else (query.min_distance, most)


def compiled_filters(spaces: Sequence[OpenSpace], tree: FilterTree | None) -> list[str | None]:
    """Return the filter in Lance's language for each space; one without a column that another has gives no row.

    Raises UnknownColumnError where no space has it.
    """
    if tree is None:
        return [None] * len(spaces)
    compiled: list[str | None] = []
    unknown: UnknownColumnError | None = None
    for space in spaces:
        try:
            compiled.append(compile_filter(tree, space.schema))
        except UnknownColumnError as error:
            unknown = error
            compiled.append(_NO_ROW)
    if unknown is not None and all(each == _NO_ROW for each in compiled):
        raise unknown
    return compiled
