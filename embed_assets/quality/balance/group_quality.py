"""Retrieval quality by group: whose queries are served worse than all others', beyond noise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from embed_assets.quality.metrics.bootstrap import BETTER, LEVEL, NOT_APART, WORSE, Interval, interval
from embed_assets.quality.metrics.group_differences import group_differences

FEWEST = 10  # queries in a group, and outside it
_MOST_GROUPS = 30  # of a kind, those with the most queries: with every further one a difference is harder to find


@dataclass(frozen=True, kw_only=True)
class GroupQuality:
    """Queries of one group: mean nDCG, and its difference to all others with p adjusted for all groups (Holm)."""

    by: str
    group: str
    queries: int
    ndcg: Interval
    difference: Interval
    p: float
    verdict: str  # worse, better, not distinguishable

    def in_words(self, *, metric: str = "nDCG@10") -> str:
        """Say it in a sentence; `metric` is the name of what `ndcg` is."""
        return (
            f"{self.by} {self.group} is served {self.verdict} than the others: {metric} {self.ndcg.mean:.3f}, "
            f"{self.difference.in_words(self.p)}, {self.queries:,} queries."
        )


def quality_by_group(scores: np.ndarray, groups: Mapping[str, Sequence[Sequence[str]]]) -> list[GroupQuality]:
    """Compare the scores of queries, float (n,), by their groups; a query may be in several. The worst come first.

    Groups with fewer than FEWEST queries, in them or outside, are left out: hardly any difference could be found.
    """
    chosen = [(by, *each) for by, values in groups.items() for each in _members(values, len(scores))]
    found = group_differences(scores, [inside for _, _, inside in chosen]) if chosen else []
    compared = [
        GroupQuality(
            by=by,
            group=name,
            queries=int(inside.sum()),
            ndcg=interval(scores[inside]).rounded(),
            difference=each.difference.rounded(),
            p=each.p,
            verdict=NOT_APART if each.p > LEVEL else BETTER if each.difference.mean > 0 else WORSE,
        )
        for (by, name, inside), each in zip(chosen, found, strict=True)
    ]
    return sorted(compared, key=lambda each: (each.difference.mean, each.by, each.group))


def _members(values: Sequence[Sequence[str]], count: int) -> list[tuple[str, np.ndarray]]:
    """Return the names of the groups that have enough queries, and who is in them: bool (count,)."""
    members: dict[str, np.ndarray] = {}
    for place, names in enumerate(values):
        for name in names:
            members.setdefault(name, np.zeros(count, bool))[place] = True
    enough = [(name, inside) for name, inside in members.items() if FEWEST <= inside.sum() <= count - FEWEST]
    return sorted(enough, key=lambda each: (-each[1].sum(), each[0]))[:_MOST_GROUPS]
