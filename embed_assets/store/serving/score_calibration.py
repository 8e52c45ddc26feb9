"""Score calibration: where a similarity stands among those of random pairs, by kind of query."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

# Shares of random pairs, in percent, whose similarity a release records for each kind of query.
LEVELS = (
    0.0, 1.0, 5.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 98.0, 99.0, 99.5, 99.8, 99.9, 99.95, 99.99, 100.0,
)  # fmt: skip

Calibration = Mapping[str, Sequence[float]]  # kind of query → similarity at each level


def similarity_of(distance: Any, kind: str) -> Any:
    """Return the similarity of a distance or of an array of them: 1 - cosine or dot, 1 / (1 + l2); higher is nearer."""
    return 1 / (1 + distance) if kind == "l2" else 1 - distance


def distance_of(similarity: float, kind: str) -> float:
    """Return the distance of a similarity."""
    if kind != "l2":
        return 1 - similarity
    return 1 / similarity - 1 if similarity > 0 else float("inf")


def measured(similarities: np.ndarray) -> list[float]:
    """Return the similarity at each level, of those of random pairs, (n,)."""
    return [round(float(each), 6) for each in np.percentile(similarities, LEVELS)]


def percentile_of(similarity: float, levels: Sequence[float]) -> float:
    """Return the share of random pairs, in percent, that are less similar."""
    if similarity >= levels[-1]:
        return 100.0
    if similarity <= levels[0]:
        return 0.0
    return float(np.interp(similarity, levels, LEVELS))


def similarity_at(percentile: float, levels: Sequence[float]) -> float:
    """Return the similarity that this share of random pairs, in percent, stays below."""
    return float(np.interp(percentile, LEVELS, levels))
