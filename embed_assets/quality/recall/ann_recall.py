"""ANN recall@k: the share of the exact nearest rows that the index returns, on queries held out of the table."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embed_assets.quality.metrics.bootstrap import lower_bound
from embed_assets.quality.recall.ann_answer_cache import ann_answers
from embed_assets.store.serving.vector_scan import kth_distances

if TYPE_CHECKING:
    from lancedb.table import Table

# Effort, cheapest first: cells searched at least, and candidates re-ranked exactly as a multiple of k.
LADDER = ((10, 2), (20, 2), (20, 5), (40, 5), (80, 10), (200, 20))
_TIE = 1e-3  # relative: float16 vectors give equal distances to different rows


@dataclass(frozen=True, kw_only=True)
class Recall:
    """Mean recall@k over queries, with the effort that gave it."""

    mean: float
    lower: float  # 2.5 % bootstrap bound
    queries: int
    k: int
    nprobes: int
    refine_factor: int


def measure(
    table: "Table",
    queries: np.ndarray,
    truth: np.ndarray,
    *,
    k: int,
    distance: str,
    nprobes: int,
    refine_factor: int,
    rows: int | None = None,
) -> Recall:
    """Measure recall@k of the index at one effort. `truth` is from `kth_distances`.

    `rows` are fetched, as many as a search fetches, of which the first k count. A returned row counts if it
    is as near as the exact k-th: rows at equal distance are equally right.
    """
    hits = []
    answers = ann_answers(table, queries, k=rows or k, distance=distance, nprobes=nprobes, refine_factor=refine_factor)
    for answer, bound in zip(answers, truth, strict=True):
        distances = answer.distances[:k]
        expected = min(k, table.count_rows()) if np.isinf(bound) else k
        hits.append(np.count_nonzero(near_enough(distances, bound)) / max(1, expected))
    return Recall(
        mean=float(np.mean(hits)) if hits else 0.0,
        lower=lower_bound(hits),
        queries=len(hits),
        k=k,
        nprobes=nprobes,
        refine_factor=refine_factor,
    )


def near_enough(distances: np.ndarray, bound: float) -> np.ndarray:
    """Return which distances are as near as the exact k-th, `bound`: bool, of the shape of `distances`."""
    return distances <= bound + abs(bound) * _TIE + 1e-6


def tune(
    table: "Table",
    queries: np.ndarray,
    *,
    k: int,
    distance: str,
    target: float,
    start: tuple[int, int] = LADDER[0],
    rows: int | None = None,
    truth: np.ndarray | None = None,
    first: int = 0,
) -> Recall:
    """Find the cheapest effort of the ladder whose lower bound reaches the target, else the best one.

    `truth` is from `kth_distances`, computed where it is None. `start` is the first effort that is tried: that of the
    same index before its rows changed a little. `first` queries, spread evenly, are searched with it before all are;
    where their lower bound reaches the target they suffice. 0: all at once.
    """
    if truth is None:
        truth = kth_distances(table, queries, k=k, distance=distance)
    if 0 < first < len(queries) and start in LADDER:
        chosen = np.unique(np.linspace(0, len(queries) - 1, first).astype(int))
        effort = {"nprobes": start[0], "refine_factor": start[1]}
        recall = measure(table, queries[chosen], truth[chosen], k=k, distance=distance, rows=rows, **effort)
        if recall.lower >= target:
            return recall
    best: Recall | None = None
    for nprobes, refine_factor in LADDER[LADDER.index(start) if start in LADDER else 0 :]:
        effort = {"nprobes": nprobes, "refine_factor": refine_factor}
        recall = measure(table, queries, truth, k=k, distance=distance, rows=rows, **effort)
        if best is None or recall.mean > best.mean:
            best = recall
        if recall.lower >= target:
            return recall
    assert best is not None
    return best
