"""Ranking metrics over binary relevance: nDCG@k, recall@k, reciprocal rank.

nDCG as in Järvelin and Kekäläinen, 2002 (doi:10.1145/582415.582418), gain 1 for a relevant item.
"""

from collections.abc import Collection, Sequence

import numpy as np


def ndcg_at(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    """Return the discounted gain of the first k over that of an ideal order; 0 if nothing is relevant."""
    if not relevant:
        return 0.0
    discounts = 1.0 / np.log2(np.arange(2, k + 2))
    gains = np.array([item in relevant for item in ranked[:k]], dtype=float)
    return float(gains @ discounts[: len(gains)] / discounts[: min(k, len(relevant))].sum())


def recall_at(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    """Return the share of the relevant items among the first k; of k, if more than k are relevant."""
    if not relevant:
        return 0.0
    return len(set(ranked[:k]) & set(relevant)) / min(k, len(relevant))


def reciprocal_rank(ranked: Sequence[str], relevant: Collection[str]) -> float:
    """Return 1 / rank of the first relevant item; 0 if there is none."""
    return next((1.0 / rank for rank, item in enumerate(ranked, 1) if item in relevant), 0.0)


def lower_bound(values: Sequence[float] | np.ndarray, *, share: float = 0.025, draws: int = 1000) -> float:
    """Return the mean that `share` of bootstrap resamples stay below (Efron, 1979); seeded, so it repeats."""
    sample = np.asarray(values, dtype=float)
    if not len(sample):
        return 0.0
    picks = np.random.default_rng(0).integers(0, len(sample), size=(draws, len(sample)))
    return float(np.quantile(sample[picks].mean(axis=1), share))
