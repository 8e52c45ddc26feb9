"""Ways of search: the figures of each on its queries, and whether it is better or worse than exact search."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from embed_assets.quality.balance.group_quality import GroupQuality, quality_by_group
from embed_assets.quality.leaderboard.query_scores import metrics_at, query_scores
from embed_assets.quality.metrics.bootstrap import NOT_APART, Interval, holm, interval, paired_difference
from embed_assets.quality.metrics.ranking_metrics import Grades

EXACT, ANN, FILTERED, HYBRID, RERANKED = "exact", "ann", "filtered", "hybrid", "reranked"
Rankings = Sequence[Sequence[str]]  # media ids, best first, of each query


@dataclass(frozen=True, kw_only=True)
class Answered:
    """Queries as one way of search answered them: `places` among all queries, grades of what can be found.

    `exact` is what exact search finds of the same items for the same queries; None of exact search itself.
    """

    way: str
    places: Sequence[int]
    grades: Sequence[Grades]
    found: Rankings
    exact: Rankings | None
    seconds: float


@dataclass(frozen=True, kw_only=True)
class AgainstExact:
    """A way minus exact search in the main metric, query by query; `p` is adjusted for the number of ways (Holm)."""

    exact: float  # of exact search on the same queries
    difference: Interval
    p: float
    verdict: str  # worse, better, not distinguishable
    queries_needed: int | None


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way of search: means with 95 % intervals by metric, and by group of queries in the main metric."""

    way: str
    queries: int
    quality: dict[str, Interval]
    against_exact: AgainstExact | None
    groups: tuple[GroupQuality, ...]  # the worst first
    seconds: float

    def in_words(self, metric: str) -> str:
        """Say how it compares with exact search."""
        against = self.against_exact
        if against is None:
            return ""
        spread = against.difference
        if spread.low == spread.high == 0:
            return f"{self.way} scores the same as exact search on all {self.queries:,} queries."
        figures = f"{metric} {spread.in_words(against.p, adjusted=True)}, {self.queries:,} queries"
        if against.verdict != NOT_APART:
            return f"{self.way} is {against.verdict} than exact search ({figures})."
        needed = f"; about {against.queries_needed:,} would be needed" if against.queries_needed else ""
        return f"{self.way} and exact search can't be distinguished ({figures}{needed})."


def measured_ways(
    answered: Sequence[Answered], groups: Mapping[str, Sequence[Sequence[str]]], *, k: int
) -> tuple[Way, ...]:
    """Score the ways at k, the main metric being nDCG; `groups` are those of all queries by what divides them."""
    metrics, main = metrics_at(k), f"ndcg@{k}"
    scores = [query_scores(each.found, each.grades, metrics=metrics) for each in answered]
    exact = [
        None if each.exact is None else query_scores(each.exact, each.grades, metrics={main: metrics[main]})[main]
        for each in answered
    ]
    against = _against([own[main] for own in scores], exact)
    return tuple(
        Way(
            way=each.way,
            queries=len(each.places),
            quality={metric: interval(values).rounded() for metric, values in own.items()},
            against_exact=difference,
            groups=tuple(quality_by_group(own[main], _of_places(groups, each.places))),
            seconds=round(each.seconds, 2),
        )
        for each, own, difference in zip(answered, scores, against, strict=True)
    )


def _against(scores: Sequence[np.ndarray], exact: Sequence[np.ndarray | None]) -> list[AgainstExact | None]:
    found = [None if base is None else paired_difference(own, base) for own, base in zip(scores, exact, strict=True)]
    adjusted = iter(holm([each.p for each in found if each is not None]))
    compared: list[AgainstExact | None] = []
    for difference, base in zip(found, exact, strict=True):
        if difference is None or base is None:
            compared.append(None)
            continue
        p = next(adjusted)
        compared.append(
            AgainstExact(
                exact=round(float(base.mean()), 4),
                difference=difference.difference.rounded(),
                p=round(p, 4),
                verdict=difference.verdict(p=p),
                queries_needed=difference.queries_needed,
            )
        )
    return compared


def _of_places(groups: Mapping[str, Sequence[Sequence[str]]], places: Sequence[int]) -> dict[str, list[Sequence[str]]]:
    return {by: [values[place] for place in places] for by, values in groups.items()}
