"""Ranking metrics of one query: nDCG, precision, recall, average precision, reciprocal rank, unjudged share.

`relevant` are item → grade; a grade over 0 is relevant, and 0 is judged and not relevant. They are those of trec_eval
(https://github.com/usnistgov/trec_eval), as `ir_measures` names them, but for `capped_recall_at`.
"""

from collections.abc import Mapping, Sequence

import numpy as np

Grades = Mapping[str, float]


def ndcg_at(ranked: Sequence[str], relevant: Grades, k: int) -> float:
    """Return the discounted gain of the first k over that of an ideal order; 0 if nothing is relevant.

    The gain is the grade (Järvelin and Kekäläinen, 2002, doi:10.1145/582415.582418).
    """
    ideal = sorted((grade for grade in relevant.values() if grade > 0), reverse=True)[:k]
    if not ideal:
        return 0.0
    gains = [max(0.0, relevant.get(item, 0.0)) for item in ranked[:k]]
    return _discounted(gains) / _discounted(ideal)


def precision_at(ranked: Sequence[str], relevant: Grades, k: int) -> float:
    """Return the share of the first k places that hold a relevant item."""
    return _hits(ranked[:k], relevant) / k


def recall_at(ranked: Sequence[str], relevant: Grades, k: int) -> float:
    """Return the share of all relevant items that are among the first k; 0 if nothing is relevant."""
    total = _total(relevant)
    return _hits(ranked[:k], relevant) / total if total else 0.0


def capped_recall_at(ranked: Sequence[str], relevant: Grades, k: int) -> float:
    """Return recall of k where more than k are relevant, so that 1 can be reached (BEIR's R_cap, arXiv:2104.08663)."""
    total = min(k, _total(relevant))
    return _hits(ranked[:k], relevant) / total if total else 0.0


def average_precision(ranked: Sequence[str], relevant: Grades, k: int) -> float:
    """Return the mean of the precisions at the places of the relevant items among the first k; absent ones count 0."""
    total = _total(relevant)
    if not total:
        return 0.0
    found = np.array([relevant.get(item, 0) > 0 for item in ranked[:k]], dtype=float)
    return float((found * np.cumsum(found) / np.arange(1, len(found) + 1)).sum() / total)


def reciprocal_rank(ranked: Sequence[str], relevant: Grades) -> float:
    """Return 1 / rank of the first relevant item; 0 if there is none."""
    return next((1.0 / rank for rank, item in enumerate(ranked, 1) if relevant.get(item, 0) > 0), 0.0)


def unjudged_at(ranked: Sequence[str], relevant: Grades, k: int) -> float:
    """Return the share of the first k found of which nobody judged whether they are relevant."""
    found = ranked[:k]
    return sum(item not in relevant for item in found) / len(found) if found else 0.0


def _hits(found: Sequence[str], relevant: Grades) -> int:
    return sum(relevant.get(item, 0) > 0 for item in dict.fromkeys(found))


def _total(relevant: Grades) -> int:
    return sum(grade > 0 for grade in relevant.values())


def _discounted(gains: Sequence[float]) -> float:
    return float(np.asarray(gains, dtype=float) @ (1.0 / np.log2(np.arange(2, len(gains) + 2))))
