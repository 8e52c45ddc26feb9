"""Rankings of one space: items by the distance of their vectors, and items by the words of their texts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from embed_assets.search.open_spaces import OpenSpace
from embed_assets.store.serving.nearest_rows import SEGMENTS_PER_ITEM, DistanceRange, rows_by_item, without_items

_COLUMNS = ("media_id", "source", "modality", "kind", "key", "uri", "start", "end", "text", "labels")
_COMPARED = ("media_hash", "vector")  # of items that are compared with each other
WORDS = "words"  # behind a space's name: its ranking by full text


@dataclass(slots=True)
class Found:
    """One item as a ranking found it: its rows that were fetched, best first."""

    rows: list[dict[str, Any]]
    space: OpenSpace

    def __post_init__(self) -> None:
        for row in self.rows:
            row.update(self.space.constants)

    @property
    def media_id(self) -> str:
        """The item."""
        return self.rows[0]["media_id"]


@dataclass(slots=True)
class Ranking:
    """Items of one space, best first. `name` is the space, or SPACE:words."""

    name: str
    space: OpenSpace
    items: list[Found] = field(default_factory=list)


def columns_of(space: OpenSpace, *, vectors: bool = False) -> list[str]:
    """Return the columns that hits are read from; with vectors where they are compared with each other."""
    own = [
        *(name for name in _COLUMNS if name not in space.constants),
        *(each.name for each in space.user_columns.values()),
    ]
    return [*own, *_COMPARED] if vectors else own


def by_vector(
    space: OpenSpace,
    vector: np.ndarray,
    *,
    depth: int,
    where: str | None,
    within: DistanceRange | None,
    vectors: bool,
) -> Ranking:
    """Rank the `depth` nearest items to a vector, float32 (dim,)."""
    rows = rows_by_item(
        space.table,
        vector,
        space.release,
        k=depth,
        columns=columns_of(space, vectors=vectors),
        where=where,
        within=within,
    )
    return Ranking(space.release.space, space, [Found(each, space) for each in rows])


def by_words(
    space: OpenSpace, words: str, unwanted: Sequence[str], *, depth: int, where: str | None, vectors: bool
) -> Ranking:
    """Rank items by BM25 of their texts, as LanceDB's full-text index scores them; none without such an index."""
    ranking = Ranking(f"{space.release.space}:{WORDS}", space)
    if not space.has_words:
        return ranking
    found: dict[str, list[dict[str, Any]]] = {}
    rows = depth * SEGMENTS_PER_ITEM
    while len(found) < depth:
        fetched = _matches(space, words, unwanted, rows=rows, where=without_items(found, where), vectors=vectors)
        for row in fetched:
            found.setdefault(row["media_id"], []).append(row)
        if len(fetched) < rows:
            break
    ranking.items = [Found(each, space) for each in list(found.values())[:depth]]
    return ranking


def _matches(
    space: OpenSpace, words: str, unwanted: Sequence[str], *, rows: int, where: str | None, vectors: bool
) -> list[dict[str, Any]]:
    import lancedb.query

    # Its stubs lack the defaults.
    full_text: Any = lancedb.query
    wanted = full_text.MatchQuery(words, "text")
    query: Any = wanted
    if unwanted:
        others = [(full_text.Occur.MUST_NOT, full_text.MatchQuery(each, "text")) for each in unwanted]
        query = full_text.BooleanQuery([(full_text.Occur.MUST, wanted), *others])
    search: Any = space.table.search(query, query_type="fts")
    search = search.select([*columns_of(space, vectors=vectors), "_score"]).limit(rows)
    if where:
        search = search.where(where, prefilter=True)
    return search.to_arrow().sort_by([("_score", "descending")]).to_pylist()
