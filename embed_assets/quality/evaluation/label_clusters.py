"""Label clusters: whether items of a label lie together: purity of k-means clusters, and silhouette.

Purity: Manning, Raghavan and Schütze, "Introduction to Information Retrieval", chapter 16. Silhouette: Rousseeuw, 1987
(doi:10.1016/0377-0427(87)90125-7).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from embed_assets.quality.metrics.bootstrap import Interval, interval

_MOST_ITEMS = 5000
_MOST_COMPARED = 2000  # items that the silhouette compares with each other
_MOST_LABELS = 100  # those with the most items: k-means takes longer with each


@dataclass(frozen=True, kw_only=True)
class LabelClusters:
    """Items of exactly one label, by as many k-means clusters as there are labels.

    `purity` is the share of items whose label is the most frequent of their cluster; `largest` that of the most
    frequent label, which one cluster of everything would have. `silhouette` is 1 where items lie close to those of
    their label and far from others, 0 on the border, below 0 among others.
    """

    items: int
    labels: int
    purity: Interval
    largest: float
    silhouette: Interval

    def in_words(self) -> str:
        """Say it in a sentence."""
        return (
            f"{self.items:,} items of {self.labels:,} labels in as many clusters: purity {self.purity.mean:.3f} "
            f"({self.largest:.3f} in one cluster), silhouette {self.silhouette.mean:+.3f}."
        )


def singly_labelled(labels: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return label by media id of up to 5,000 items of exactly one label, which another item has too; seeded."""
    single = {name: own[0] for name, own in labels.items() if len(own) == 1}
    counts = Counter(single.values())
    common = [label for label, count in counts.most_common(_MOST_LABELS) if count > 1]
    names = sorted(name for name, label in single.items() if label in set(common))
    if len(names) > _MOST_ITEMS:
        names = [names[place] for place in np.sort(np.random.default_rng(0).permutation(len(names))[:_MOST_ITEMS])]
    return _shared({name: single[name] for name in names})


def label_clusters(vectors: np.ndarray, labels: Sequence[str], *, distance: str) -> LabelClusters | None:
    """Cluster vectors, float32 (n, dim), one an item, of unit length for cosine; None of fewer than two labels."""
    names, own = np.unique(np.asarray(labels, dtype=str), return_inverse=True)
    if not 2 <= len(names) < len(own):
        return None
    silhouette = _silhouettes(vectors, own, distance)
    return LabelClusters(
        items=len(own),
        labels=len(names),
        purity=interval(in_majority(_clusters(vectors, len(names)), own)).rounded(),
        largest=round(float(np.bincount(own).max() / len(own)), 4),
        silhouette=interval(silhouette).rounded(),
    )


def in_majority(clusters: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return whether each item has the most frequent label of its cluster, bool (n,); both int (n,)."""
    counts = np.zeros((clusters.max() + 1, labels.max() + 1), int)
    np.add.at(counts, (clusters, labels), 1)
    return labels == counts.argmax(axis=1)[clusters]


def _shared(labels: dict[str, str]) -> dict[str, str]:
    """Leave out items whose label no other item of the sample has."""
    counts = Counter(labels.values())
    return {name: label for name, label in labels.items() if counts[label] > 1}


def _clusters(vectors: np.ndarray, count: int) -> np.ndarray:
    import sklearn.cluster

    cluster: Any = sklearn.cluster  # its annotations are of older versions
    return cluster.KMeans(count, n_init=1, random_state=0).fit_predict(vectors)


def _silhouettes(vectors: np.ndarray, labels: np.ndarray, distance: str) -> np.ndarray:
    """Return the silhouette of each of up to 2,000 items, float (n,)."""
    import sklearn.metrics

    metrics: Any = sklearn.metrics
    places = np.random.default_rng(0).permutation(len(labels))[:_MOST_COMPARED]
    if not 2 <= len(set(labels[places].tolist())) < len(places):
        return np.zeros(0)
    metric = "euclidean" if distance == "l2" else "cosine"
    return metrics.silhouette_samples(vectors[places], labels[places], metric=metric)
