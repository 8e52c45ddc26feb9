"""Differences between a group's queries and all others: bootstrap interval, permutation p; the two are not paired.

Efron and Tibshirani, "An Introduction to the Bootstrap", chapters 15 and 16. Seeded, so that figures repeat.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from embed_assets.quality.metrics.bootstrap import Interval, holm, resampled_means

_DRAWS = 2000


@dataclass(frozen=True, kw_only=True)
class GroupDifference:
    """Mean of a group minus the mean of all others; `p` is two-sided, adjusted for the number of groups (Holm)."""

    difference: Interval
    p: float


def group_differences(values: np.ndarray, members: Sequence[np.ndarray]) -> list[GroupDifference]:
    """Compare each group with all others; `values` float (n,), `members` bool (n,) with some on either side."""
    permuted = _permuted_sums(values)
    found = [_compared(values, inside, permuted) for inside in members]
    adjusted = holm([p for _, p in found])
    return [
        GroupDifference(difference=difference, p=round(p, 4))
        for (difference, _), p in zip(found, adjusted, strict=True)
    ]


def _compared(values: np.ndarray, inside: np.ndarray, permuted: np.ndarray) -> tuple[Interval, float]:
    own, others = values[inside], values[~inside]
    mean = float(own.mean() - others.mean())
    low, high = np.quantile(resampled_means(own, seed=0) - resampled_means(others, seed=1), (0.025, 0.975))
    first = permuted[:, len(own) - 1]
    means = first / len(own) - (permuted[:, -1] - first) / len(others)
    reached = 1 + int((np.abs(means) >= abs(mean) * (1 - 1e-12)).sum())
    return Interval(mean=mean, low=float(low), high=float(high)), reached / (len(permuted) + 1)


def _permuted_sums(values: np.ndarray) -> np.ndarray:
    """Return running sums of shuffled values, float64 (draws, n): any first few of a row are a random group."""
    random = np.random.default_rng(0)
    rows = np.stack([random.permutation(values) for _ in range(_DRAWS)]) if len(values) else np.zeros((0, 0))
    return np.cumsum(rows, axis=1)
