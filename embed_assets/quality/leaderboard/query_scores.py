"""Scores of every query by every metric, so that encoders are compared query by query."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from embed_assets.quality.metrics.ranking_metrics import (
    Grades,
    average_precision,
    capped_recall_at,
    ndcg_at,
    precision_at,
    reciprocal_rank,
    unjudged_at,
)

DEPTH = 100  # items that are ranked for each query
MAIN = "ndcg@10"  # that encoders are ordered by
METRICS: Mapping[str, Callable[[Sequence[str], Grades], float]] = {
    MAIN: lambda ranked, grades: ndcg_at(ranked, grades, 10),
    "recall@1": lambda ranked, grades: capped_recall_at(ranked, grades, 1),
    "recall@10": lambda ranked, grades: capped_recall_at(ranked, grades, 10),
    "recall@100": lambda ranked, grades: capped_recall_at(ranked, grades, DEPTH),
    "precision@10": lambda ranked, grades: precision_at(ranked, grades, 10),
    "mrr": lambda ranked, grades: reciprocal_rank(ranked[:DEPTH], grades),
    "map": lambda ranked, grades: average_precision(ranked, grades, DEPTH),
    "unjudged@10": lambda ranked, grades: unjudged_at(ranked, grades, 10),
}


def query_scores(rankings: Sequence[Sequence[str]], grades: Sequence[Grades]) -> dict[str, np.ndarray]:
    """Return scores by metric, float64 (queries,). Recall is of the places where more items are relevant."""
    return {
        name: np.array([metric(ranked, wanted) for ranked, wanted in zip(rankings, grades, strict=True)])
        for name, metric in METRICS.items()
    }
