"""Drift report: how far new items, or queries, are from the reference, with the most typical new ones, in words."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from embed_assets.quality.drift.domain_classifier import domain_classifier
from embed_assets.quality.drift.mmd import mmd_test
from embed_assets.quality.metrics.bootstrap import LEVEL, shown_p

DRIFT, SLIGHT, NONE, TOO_FEW = "drift", "slight drift", "no drift", "too few to compare"
SAMPLE = 1000  # a side
FEWEST = 20  # a side: below, a permutation test finds hardly anything
TYPICAL = 10
MIN_AUC = 0.6  # from which a drift is large enough for a warning


@dataclass(frozen=True, kw_only=True)
class Typical:
    """A new item or query that the reference has least like."""

    name: str  # SOURCE/KEY, or the query
    labels: tuple[str, ...]
    text: str
    score: float  # log odds of being new, by a classifier that did not see it
    media_id: str = ""  # of an item
    modality: str = ""  # of an item


@dataclass(frozen=True, kw_only=True)
class ShareChange:
    """Share of a source, modality or label among the items of the reference and among the new ones."""

    by: str
    group: str
    reference: float
    new: float


@dataclass(frozen=True, kw_only=True)
class DriftReport:
    """New against reference. The figures of the test are null where there are too few to compare."""

    space: str
    encoder: str
    version: str
    about: str  # items, queries
    reference_is: str  # in words
    since: str | None  # ISO time behind which items are new
    reference: int
    new: int
    compared: tuple[int, int]  # how many of each
    mmd2: float | None
    p: float | None
    auc: float | None
    verdict: str
    typical: tuple[Typical, ...] = ()
    changes: tuple[ShareChange, ...] = ()  # the largest first
    seconds: float = 0.0

    @property
    def warns(self) -> bool:
        """Whether the drift is beyond noise and large."""
        return self.verdict == DRIFT

    def sample(self) -> str:
        """Say what was measured on."""
        before, new = self.compared
        return f"{new:,} of {self.new:,} new {self.about} and {before:,} of {self.reference:,} others"

    def in_words(self) -> str:
        """Say it in a sentence."""
        against = f"{self.new:,} new {self.about} against {self.reference:,} ({self.reference_is})"
        if self.auc is None or self.p is None:
            return f"{self.verdict}: {against}; each side needs {FEWEST}."
        figures = f"a classifier distinguishes them with AUC {self.auc:.2f} (0.5: not at all), MMD p {shown_p(self.p)}"
        return f"{self.verdict}: {against}; {figures}."


@dataclass(frozen=True, kw_only=True)
class Distance:
    """How far two samples are apart; `scores` of the new vectors, empty where there are too few."""

    mmd2: float | None = None
    p: float | None = None
    auc: float | None = None
    verdict: str = TOO_FEW
    scores: np.ndarray


def drift_between(reference: np.ndarray, new: np.ndarray, *, min_auc: float = MIN_AUC) -> Distance:
    """Compare vectors, float (m, dim) and (n, dim): MMD decides whether they differ, the AUC whether it matters."""
    if min(len(reference), len(new)) < FEWEST:
        return Distance(scores=np.zeros(0))
    test, classifier = mmd_test(reference, new), domain_classifier(reference, new)
    verdict = NONE if test.p > LEVEL else DRIFT if classifier.auc > min_auc else SLIGHT
    return Distance(
        mmd2=round(test.mmd2, 6),
        p=round(test.p, 4),
        auc=round(classifier.auc, 4),
        verdict=verdict,
        scores=classifier.scores,
    )


def most_typical(scores: np.ndarray, count: int = TYPICAL) -> list[int]:
    """Return places of the highest scores, highest first."""
    return [int(place) for place in np.argsort(-scores, kind="stable")[:count]]


def share_changes(
    reference: Sequence[Sequence[str]], new: Sequence[Sequence[str]], *, by: str, count: int = 5
) -> list[ShareChange]:
    """Return the groups whose share of the items changed most; an item's groups are one entry."""
    sides = [_shares(side) for side in (reference, new)]
    changed = [
        ShareChange(by=by, group=name, reference=round(sides[0].get(name, 0.0), 4), new=round(sides[1].get(name, 0), 4))
        for name in sorted(set(sides[0]) | set(sides[1]))
    ]
    moved = [each for each in changed if each.new != each.reference]
    return sorted(moved, key=lambda each: -abs(each.new - each.reference))[:count]


def _shares(items: Sequence[Sequence[str]]) -> dict[str, float]:
    counts: dict[str, int] = {}
    for groups in items:
        for group in set(groups):
            counts[group] = counts.get(group, 0) + 1
    return {name: count / len(items) for name, count in counts.items()}
