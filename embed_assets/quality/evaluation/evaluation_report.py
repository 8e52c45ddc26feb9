"""Evaluation report: what a release finds by each way of search, by group, and how its vectors lie."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from embed_assets.quality.evaluation.label_clusters import LabelClusters
from embed_assets.quality.evaluation.similarity_judgements import SimilarityAgreement
from embed_assets.quality.evaluation.ways import ANN, Way
from embed_assets.quality.metrics.bootstrap import WORSE


@dataclass(frozen=True, kw_only=True)
class EvaluationReport:
    """A release on its space's judged queries, or on queries made from labels; `ann` is the way it serves."""

    space: str
    encoder: str
    version: str
    release: str
    live: bool
    indexed: bool  # whether there is an ANN index; without one, what serves is exact search
    items: int
    k: int  # items of each answer
    basis: str | None  # judged queries, labels; null where nothing can be judged by
    queries: int
    unanswerable: int  # judged queries of which no relevant item is there
    ways: tuple[Way, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)  # way of search → why it was not measured
    similarity: SimilarityAgreement | None
    clusters: LabelClusters | None
    seconds: float

    @property
    def metric(self) -> str:
        """The main metric."""
        return f"ndcg@{self.k}"

    def way(self, name: str) -> Way | None:
        """Return the figures of a way of search, or None where it was left out."""
        return next((each for each in self.ways if each.way == name), None)

    @property
    def verdict(self) -> str:
        """What serves against exact search: better, worse, not distinguishable; unknown without queries."""
        served = self.way(ANN)
        return "unknown" if served is None or served.against_exact is None else served.against_exact.verdict

    def sample(self) -> str:
        """Say what was measured on."""
        return f"{self.queries:,} queries, answered from all {self.items:,} items"

    def in_words(self) -> list[str]:
        """Say how good the answers are, which way of search is better or worse, and who is served worse."""
        lines = [self._served()] if self.ways else []
        lines += [line for each in self.ways if (line := each.in_words(self.metric))]
        lines += [f"{way} is left out: {reason}." for way, reason in self.left_out.items()]
        served = self.way(ANN)
        worse = [each for each in served.groups if each.verdict == WORSE] if served else []
        lines += [each.in_words(metric=self.metric) for each in worse]
        lines += [each.in_words() for each in (self.similarity, self.clusters) if each is not None]
        return lines

    def _served(self) -> str:
        served = self.way(ANN)
        if served is None:
            return ""
        spread = served.quality[self.metric]
        how = "by the ANN index" if self.indexed else "by exact search, since there is no ANN index yet"
        gone = f"; {self.unanswerable:,} more have no relevant item here" if self.unanswerable else ""
        return (
            f"As served, {how}: {self.metric} {spread.mean:.3f}, 95 % from {spread.low:.3f} to {spread.high:.3f}, "
            f"{served.queries:,} queries ({self.basis}{gone})."
        )
