"""Hits made of ranked items: score, percentile, best spans and the user's columns."""

from collections.abc import Iterator, Mapping
from typing import Any

from embed_assets.search.answers import GOOD_MATCH, Hit, Span
from embed_assets.search.fuse_rankings import Fused
from embed_assets.search.open_spaces import OpenSpace
from embed_assets.search.rankings import Found
from embed_assets.store.serving.score_calibration import percentile_of, similarity_of


def make_hit(rank: int, item: Fused, *, kind: str, spans: int) -> Hit:
    """Return the hit of an item; `kind` is that of the query, which decides its percentile."""
    found = item.nearest or item.best
    row, space = found.rows[0], found.space
    score = _score(row, space)
    percentile = _percentile(score, space, kind)
    return Hit(
        rank=rank,
        score=score,
        source=row["source"],
        key=row["key"],
        uri=row["uri"],
        modality=row["modality"],
        text=row["text"],
        labels=tuple(row["labels"] or ()),
        start=row["start"],
        end=row["end"],
        media_id=item.media_id,
        space=space.release.space,
        percentile=percentile,
        good=None if percentile is None else percentile >= GOOD_MATCH,
        ranks=dict(item.ranks),
        spans=tuple(_spans(item, spans)),
        columns={name: row.get(field.name) for name, field in space.user_columns.items()},
        duplicates=tuple(item.duplicates),
        rerank_score=item.rerank_score,
    )


def _spans(item: Fused, most: int) -> Iterator[Span]:
    """Yield the best rows of an item as spans, those of the ranking that ranks it highest first."""
    seen: dict[tuple[Any, Any], None] = {}
    for found in _best_first(item):
        for row in found.rows:
            place = (row["start"], row["end"])
            if place in seen or len(seen) >= most:
                continue
            seen[place] = None
            yield Span(
                start=row["start"], end=row["end"], text=row["text"], score=_score(row, found.space), kind=row["kind"]
            )


def _best_first(item: Fused) -> list[Found]:
    nearest = item.nearest
    others = [found for _, found in sorted(item.found.items(), key=lambda each: item.ranks[each[0]])]
    return others if nearest is None else [nearest, *(each for each in others if each is not nearest)]


def _score(row: Mapping[str, Any], space: OpenSpace) -> float | None:
    distance = row.get("_distance")
    return None if distance is None else round(similarity_of(float(distance), space.release.distance), 4)


def _percentile(score: float | None, space: OpenSpace, kind: str) -> float | None:
    levels = space.levels(kind)
    return None if score is None or not levels else round(percentile_of(score, levels), 3)
