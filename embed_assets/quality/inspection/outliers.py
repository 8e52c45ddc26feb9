"""Outliers: the items with the largest mean distance to their nearest others."""

import numpy as np

from embed_assets.quality.inspection.inspection_report import Outlier, item_names
from embed_assets.quality.inspection.item_neighbours import ItemNeighbours

SHOWN = 50  # at the least, where there are so many items
_FENCE = 3.0  # interquartile ranges above the upper quartile: Tukey's "far out" (Exploratory Data Analysis, 1977)


def outliers(found: ItemNeighbours, *, shown: int = SHOWN) -> tuple[list[Outlier], float]:
    """Return items by mean distance, farthest first, and the distance up to which one is usual.

    All that are beyond the usual are returned, and more of the farthest up to `shown`.
    """
    distances = mean_distances(found)
    known = distances[np.isfinite(distances)]
    if not len(known):
        return [], 0.0
    lower, upper = np.quantile(known, (0.25, 0.75))
    usual = float(upper + _FENCE * (upper - lower))
    order = [place for place in np.argsort(-distances, kind="stable").tolist() if np.isfinite(distances[place])]
    count = max(shown, int((known > usual).sum()))
    places = order[:count]
    names = item_names(found.items.take(places))
    farthest = [
        Outlier(item=name, distance=round(float(distances[place]), 4), far=bool(distances[place] > usual))
        for name, place in zip(names, places, strict=True)
    ]
    return farthest, round(usual, 4)


def mean_distances(found: ItemNeighbours) -> np.ndarray:
    """Return the mean cosine distance of each item to its nearest others: float64 (n,); -inf of a single item."""
    there = found.places >= 0
    counts = there.sum(axis=1)
    sums = np.where(there, 1 - found.cosines.astype(np.float64), 0).sum(axis=1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), -np.inf)
