"""Bootstrap: intervals of means, and whether a paired difference is beyond noise.

Efron, 1979 (doi:10.1214/aos/1176344552); for paired comparison of rankings: Smucker, Allan and Carterette, 2007
(doi:10.1145/1321440.1321528). Seeded, so that figures repeat.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_DRAWS = 2000
_CHUNK = 4_000_000  # numbers drawn at once: 32 MB
_POWER = 2.8  # 1.96 + 0.84: standard errors of a difference that is found four times in five at 5 %
LEVEL = 0.05  # of p, up to which a difference is beyond noise
_LEAST_P = 0.001  # of those that are shown
WORSE, BETTER, NOT_APART = "worse", "better", "not distinguishable"


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A mean, and the bounds between which 95 % of resampled means are."""

    mean: float
    low: float
    high: float

    def rounded(self) -> "Interval":
        """Return it with four digits, as reports have it."""
        return Interval(mean=round(self.mean, 4), low=round(self.low, 4), high=round(self.high, 4))

    def shown(self, *, sign: str = "") -> str:
        """Return it as tables show it: `0.831 (0.775 to 0.884)`; with `sign` "+" as a difference."""
        return f"{self.mean:{sign}.3f} ({self.low:{sign}.3f} to {self.high:{sign}.3f})"

    def in_words(self, p: float, *, adjusted: bool = False) -> str:
        """Return a difference as sentences have it: `+0.096, 95 % from +0.026 to +0.176, p 0.032`.

        A `p` that is `adjusted` for several comparisons may seem to contradict the interval: it then says so.
        """
        contradicts = adjusted and (self.low > 0 or self.high < 0) and p > LEVEL
        why = " adjusted for several comparisons, the interval not" if contradicts else ""
        return f"{self.mean:+.3f}, 95 % from {self.low:+.3f} to {self.high:+.3f}, p {shown_p(p)}{why}"


@dataclass(frozen=True, kw_only=True)
class PairedDifference:
    """One thing minus another, query by query. `p` is of the two-sided test that there is no difference."""

    queries: int
    difference: Interval
    p: float
    queries_needed: int | None  # judged ones, to find a difference of this size four times in five; None: no difference

    def verdict(self, *, p: float | None = None) -> str:
        """Return better, worse, or not distinguishable. `p` is one adjusted for several comparisons."""
        if (self.p if p is None else p) > LEVEL:
            return NOT_APART
        return BETTER if self.difference.mean > 0 else WORSE


def shown_p(p: float) -> str:
    """Return p with three digits, as sentences and tables show it; `< 0.001` below."""
    return f"{p:.3f}" if p >= _LEAST_P else f"< {_LEAST_P}"


def interval(values: Sequence[float] | np.ndarray, *, draws: int = _DRAWS) -> Interval:
    """Return the mean of the values with its 95 % percentile interval; zeros without values."""
    sample = np.asarray(values, dtype=float)
    if not len(sample):
        return Interval(mean=0.0, low=0.0, high=0.0)
    low, high = np.quantile(resampled_means(sample, draws), (0.025, 0.975))
    return Interval(mean=float(sample.mean()), low=float(low), high=float(high))


def lower_bound(values: Sequence[float] | np.ndarray, *, share: float = 0.025, draws: int = 1000) -> float:
    """Return the mean that `share` of bootstrap resamples stay below."""
    sample = np.asarray(values, dtype=float)
    return float(np.quantile(resampled_means(sample, draws), share)) if len(sample) else 0.0


def paired_difference(
    ours: Sequence[float] | np.ndarray, theirs: Sequence[float] | np.ndarray, *, draws: int = 10_000
) -> PairedDifference:
    """Compare the scores of the same queries, in the same order: ours minus theirs.

    `p` by sign flips: without a difference each query's sign is a coin's (Fisher's randomization test). Raises
    ValueError where the lengths differ.
    """
    differences = np.subtract(*(np.asarray(side, dtype=float) for side in (ours, theirs)))
    if not len(differences):
        return PairedDifference(queries=0, difference=interval(()), p=1.0, queries_needed=None)
    mean, deviation = float(differences.mean()), float(differences.std(ddof=1)) if len(differences) > 1 else 0.0
    needed = math.ceil((_POWER * deviation / mean) ** 2) if mean and deviation else None
    return PairedDifference(
        queries=len(differences),
        difference=interval(differences),
        p=_flipped_p(differences, draws),
        queries_needed=needed,
    )


def holm(values: Sequence[float]) -> list[float]:
    """Return p values adjusted for their number, in their order (Holm, 1979, https://www.jstor.org/stable/4615733)."""
    adjusted, highest = [0.0] * len(values), 0.0
    for place, index in enumerate(sorted(range(len(values)), key=lambda index: values[index])):
        highest = max(highest, min(1.0, values[index] * (len(values) - place)))
        adjusted[index] = highest
    return adjusted


def resampled_means(sample: np.ndarray, draws: int = _DRAWS, *, seed: int = 0) -> np.ndarray:
    """Return means of bootstrap resamples, float64 (draws,)."""
    random, means = np.random.default_rng(seed), np.empty(draws)
    step = max(1, _CHUNK // len(sample))
    for start in range(0, draws, step):
        count = min(step, draws - start)
        means[start : start + count] = sample[random.integers(0, len(sample), size=(count, len(sample)))].mean(axis=1)
    return means


def _flipped_p(differences: np.ndarray, draws: int) -> float:
    """Return the share of sign flips whose mean is at least as far from 0; the data's own signs count as one."""
    moving = differences[differences != 0]
    if not len(moving):
        return 1.0
    random, reached = np.random.default_rng(0), 1
    bound, step = abs(moving.sum()) * (1 - 1e-12), max(1, _CHUNK // len(moving))
    for start in range(0, draws, step):
        signs = random.integers(0, 2, size=(min(step, draws - start), len(moving))) * 2 - 1
        reached += int((np.abs(signs @ moving) >= bound).sum())
    return reached / (draws + 1)
