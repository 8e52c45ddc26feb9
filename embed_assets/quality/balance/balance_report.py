"""Balance report: what an index holds by group, and which group's queries are served worse."""

from dataclasses import dataclass

from embed_assets.quality.balance.breakdowns import Breakdown
from embed_assets.quality.balance.group_quality import GroupQuality
from embed_assets.quality.metrics.bootstrap import WORSE, Interval


@dataclass(frozen=True, kw_only=True)
class BalanceReport:
    """Contents of a release, and its retrieval quality by group on a sample."""

    space: str
    encoder: str
    version: str
    items: int
    segments: int
    breakdowns: tuple[Breakdown, ...]
    basis: str | None  # judged queries, labels; null where nothing can be judged by
    queries: int
    sampled: int  # items that the queries were answered from
    ndcg: Interval | None  # of all queries
    quality: tuple[GroupQuality, ...]  # the worst first
    seconds: float = 0.0

    @property
    def served_worse(self) -> list[GroupQuality]:
        """Groups whose queries do worse than all others, beyond noise."""
        return [each for each in self.quality if each.verdict == WORSE]

    def sample(self) -> str:
        """Say what was measured on."""
        return f"{self.items:,} items, and {self.queries:,} queries answered from {self.sampled:,} of them"

    def in_words(self) -> list[str]:
        """Say what is uneven, and who is served worse."""
        lines = [
            f"{each.groups:,} groups by {each.by} are as diverse as {each.effective:,.1f} equal ones; the largest, "
            f"{each.largest[0].name}, has {each.largest[0].share:.0%}."
            for each in self.breakdowns
            if each.groups > 1
        ]
        if self.basis is None:
            return [*lines, "Quality by group is unknown: no judged query and no label is there to measure it by."]
        if not self.quality:
            return [*lines, "Quality by group is unknown: no two groups have ten queries each."]
        worse = [each.in_words() for each in self.served_worse]
        return [*lines, *(worse or ["No group is served worse than the others beyond noise."])]
