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
Metrics = Mapping[str, Callable[[Sequence[str], Grades], float]]  # by name
METRICS: Metrics = {
    MAIN: lambda ranked, grades: ndcg_at(ranked, grades, 10),
    "recall@1": lambda ranked, grades: capped_recall_at(ranked, grades, 1),
    "recall@10": lambda ranked, grades: capped_recall_at(ranked, grades, 10),
    "recall@100": lambda ranked, grades: capped_recall_at(ranked, grades, DEPTH),
    "precision@10": lambda ranked, grades: precision_at(ranked, grades, 10),
    "mrr": lambda ranked, grades: reciprocal_rank(ranked[:DEPTH], grades),
    "map": lambda ranked, grades: average_precision(ranked, grades, DEPTH),
    "unjudged@10": lambda ranked, grades: unjudged_at(ranked, grades, 10),
}


def metrics_at(k: int) -> Metrics:
    """Return the metrics of the first k items, `ndcg@k` first: of what a search for k items shows."""
    return {
        f"ndcg@{k}": lambda ranked, grades: ndcg_at(ranked, grades, k),
        f"recall@{k}": lambda ranked, grades: capped_recall_at(ranked, grades, k),
        f"precision@{k}": lambda ranked, grades: precision_at(ranked, grades, k),
        f"mrr@{k}": lambda ranked, grades: reciprocal_rank(ranked[:k], grades),
        f"map@{k}": lambda ranked, grades: average_precision(ranked, grades, k),
        f"unjudged@{k}": lambda ranked, grades: unjudged_at(ranked, grades, k),
    }


def query_scores(
    rankings: Sequence[Sequence[str]], grades: Sequence[Grades], *, metrics: Metrics = METRICS
) -> dict[str, np.ndarray]:
    """Return scores by metric, float64 (queries,). Recall is of the places where more items are relevant."""
    return {
        name: np.array([metric(ranked, wanted) for ranked, wanted in zip(rankings, grades, strict=True)], float)
        for name, metric in metrics.items()
    }
