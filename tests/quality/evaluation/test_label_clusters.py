"""Label clusters: purity by hand and of separate clusters, silhouette as scikit-learn has it, which items count."""

import numpy as np
import pytest

from embed_assets.quality.evaluation.label_clusters import in_majority, label_clusters, singly_labelled


def clusters(count: int, *, apart: float, seed: int = 0) -> tuple[np.ndarray, list[str]]:
    random = np.random.default_rng(seed)
    labels = [f"label {number % count}" for number in range(count * 20)]
    centres = random.standard_normal((count, 16)) * apart
    vectors = centres[[number % count for number in range(count * 20)]] + random.standard_normal((count * 20, 16))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), labels


def test_purity_is_the_share_of_the_most_frequent_label_of_each_cluster():
    found = np.array([0, 0, 0, 0, 1, 1, 1, 2])
    labels = np.array([0, 0, 1, 0, 1, 2, 1, 2])
    assert in_majority(found, labels).tolist() == [True, True, False, True, True, False, True, True]


def test_labels_that_lie_apart_are_pure_and_those_that_do_not_are_not():
    apart = label_clusters(*clusters(4, apart=5), distance="cosine")
    mixed = label_clusters(*clusters(4, apart=0), distance="cosine")
    assert apart is not None and mixed is not None
    assert (apart.items, apart.labels, apart.largest) == (80, 4, 0.25)
    assert apart.purity.mean == 1.0 and apart.silhouette.mean > 0.6
    assert mixed.purity.mean < 0.5 and abs(mixed.silhouette.mean) < 0.05
    assert apart.in_words().startswith("80 items of 4 labels in as many clusters: purity 1.000 (0.250 in one cluster)")


@pytest.mark.parametrize(("distance", "metric"), [("cosine", "cosine"), ("l2", "euclidean")])
def test_the_silhouette_is_that_of_scikit_learn(distance: str, metric: str):
    metrics = pytest.importorskip("sklearn.metrics")
    vectors, labels = clusters(5, apart=1)
    found = label_clusters(vectors, labels, distance=distance)
    assert found is not None
    assert found.silhouette.mean == pytest.approx(metrics.silhouette_score(vectors, labels, metric=metric), abs=1e-4)
    assert found.silhouette.low < found.silhouette.mean < found.silhouette.high


def test_only_items_of_one_label_that_others_share_count():
    labels = {"a": ["x"], "b": ["x"], "c": ["y"], "d": ["y"], "e": ["alone"], "f": ["x", "y"], "g": []}
    assert singly_labelled(labels) == {"a": "x", "b": "x", "c": "y", "d": "y"}
    many = singly_labelled({f"m{number:05d}": [f"l{number % 150:03d}"] for number in range(30_000)})
    assert len(many) == 5000 and len(set(many.values())) == 100


def test_one_label_is_nothing_to_tell_apart():
    assert label_clusters(np.eye(3, dtype=np.float32), ["x", "x", "x"], distance="cosine") is None
    assert label_clusters(np.eye(3, dtype=np.float32), ["x", "y", "z"], distance="cosine") is None
