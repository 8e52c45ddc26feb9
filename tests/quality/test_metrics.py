"""Metrics against values worked out by hand."""

import math

import numpy as np
import pytest

from embed_assets.quality.labelled_retrieval import evaluate, relevant_items
from embed_assets.quality.metrics.bootstrap import lower_bound
from embed_assets.quality.metrics.ranking_metrics import capped_recall_at, ndcg_at, reciprocal_rank
from embed_assets.quality.pca_projection import pca_plane
from embed_assets.quality.queries.labelled_queries import LabelledQuery
from embed_assets.quality.recall.ann_recall import measure
from embed_assets.store.serving.nearest_rows import exact
from embed_assets.store.serving.releases import Release
from embed_assets.store.serving.vector_scan import kth_distances
from embed_assets.store.store import Store
from tests.support import vector_table

RANKED = ["a", "x", "b", "y", "z"]


def graded(relevant: set[str]) -> dict[str, float]:
    return dict.fromkeys(relevant, 1.0)


def test_ndcg_discounts_by_the_logarithm_of_the_rank():
    ideal = 1 + 1 / math.log2(3) + 1 / math.log2(4)
    assert ndcg_at(RANKED, graded({"a", "b", "c"}), 5) == pytest.approx((1 + 1 / math.log2(4)) / ideal)
    assert ndcg_at(RANKED, graded({"b"}), 5) == pytest.approx(0.5)
    assert ndcg_at(RANKED, graded({"b"}), 2) == 0.0
    assert ndcg_at(["b", "c", "a"], graded({"a", "b", "c"}), 10) == pytest.approx(1.0)
    assert ndcg_at(RANKED, graded(set()), 5) == 0.0


def test_ndcg_of_more_relevant_items_than_places_can_reach_one():
    assert ndcg_at(["a", "b"], graded({"a", "b", "c", "d"}), 2) == pytest.approx(1.0)


def test_recall_is_of_the_relevant_or_of_the_places_if_those_are_fewer():
    assert capped_recall_at(RANKED, graded({"a", "b", "c", "d"}), 5) == 0.5
    assert capped_recall_at(RANKED, graded({"a", "b", "c", "d"}), 1) == 1.0
    assert capped_recall_at(RANKED, graded({"q"}), 5) == 0.0
    assert capped_recall_at([], graded({"a"}), 5) == capped_recall_at(RANKED, graded(set()), 5) == 0.0


def test_reciprocal_rank_is_of_the_first_relevant():
    assert reciprocal_rank(RANKED, graded({"b", "z"})) == pytest.approx(1 / 3)
    assert reciprocal_rank(RANKED, graded({"q"})) == 0.0


def test_the_lower_bound_repeats_and_lies_below_the_mean():
    values = np.random.default_rng(0).random(100)
    bound = lower_bound(values)
    assert bound == lower_bound(values)
    expected = values.mean() - 1.96 * values.std() / 10  # of a normal distribution
    assert bound == pytest.approx(expected, abs=0.01)
    assert lower_bound([1.0] * 9) == 1.0
    assert lower_bound([]) == 0.0


def test_recall_counts_rows_at_equal_distance_as_equally_right(tmp_path):
    """Twenty copies of one vector: any ten of them are the ten nearest."""
    copies = np.tile(np.eye(1, 8, dtype=np.float32), (20, 1))
    table = vector_table(Store(str(tmp_path)), copies).open()
    assert table is not None
    queries = np.eye(1, 8, dtype=np.float32)
    truth = kth_distances(table, queries, k=10, distance="cosine")
    seen = measure(table, queries, truth, k=10, distance="cosine", nprobes=1, refine_factor=1)
    assert seen.mean == 1.0


def test_recall_does_not_count_rows_that_are_farther(tmp_path):
    vectors = np.eye(20, 32, dtype=np.float32)
    table = vector_table(Store(str(tmp_path)), vectors).open()
    assert table is not None
    query = (vectors * np.linspace(1, 0.1, 20)[:, None]).sum(axis=0, keepdims=True).astype(np.float32)
    truth = kth_distances(table, query, k=10, distance="cosine")
    fifth = kth_distances(table, query, k=5, distance="cosine")
    assert measure(table, query, truth, k=10, distance="cosine", nprobes=1, refine_factor=1).mean == 1.0
    assert measure(table, query, fifth, k=10, distance="cosine", nprobes=1, refine_factor=1).mean == 0.5


def test_recall_of_a_table_smaller_than_k_is_of_the_rows_there_are(tmp_path):
    table = vector_table(Store(str(tmp_path)), np.eye(4, 8, dtype=np.float32)).open()
    assert table is not None
    queries = np.eye(2, 8, dtype=np.float32)
    truth = kth_distances(table, queries, k=10, distance="cosine")
    assert np.isinf(truth).all()
    assert measure(table, queries, truth, k=10, distance="cosine", nprobes=1, refine_factor=1).mean == 1.0


def test_kth_distances_of_many_queries_are_those_of_each_alone(tmp_path):
    draw = np.random.default_rng(0)
    vectors = draw.standard_normal((300, 8)).astype(np.float32)
    table = vector_table(Store(str(tmp_path)), vectors).open()
    assert table is not None
    queries = draw.standard_normal((120, 8)).astype(np.float32)  # more than one scan's worth
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = (queries / np.linalg.norm(queries, axis=1, keepdims=True)) @ unit.T
    expected = np.sort(1 - cosines, axis=1)[:, 9]
    assert np.abs(kth_distances(table, queries, k=10, distance="cosine") - expected).max() < 1e-5


@pytest.mark.parametrize("distance", ["cosine", "dot", "l2"])
def test_kth_distances_are_those_of_exact_search_where_the_nearest_come_last(tmp_path, distance):
    """More rows than are looked at together, the nearest among the last ones, and rows of zeros."""
    draw = np.random.default_rng(0)
    vectors = draw.standard_normal((20_000, 8)).astype(np.float32)
    vectors[::1000] = 0
    queries = draw.standard_normal((5, 8)).astype(np.float32)
    vectors[-40:] = np.repeat(queries, 8, axis=0) + 0.1 * draw.standard_normal((40, 8)).astype(np.float32)
    table = vector_table(Store(str(tmp_path)), vectors).open()
    assert table is not None
    found = exact(table, queries, k=10, distance=distance, columns=["media_id"])
    expected = [rows.column("_distance")[9].as_py() for rows in found]
    assert np.allclose(kth_distances(table, queries, k=10, distance=distance), expected, rtol=1e-5, atol=1e-5)


def test_an_evaluation_ranks_items_by_their_best_segment(tmp_path):
    """Item a has two chunks, of which the second is nearest; b is next; c is orthogonal."""
    vectors = np.array([[0, 1, 0], [1, 0, 0], [0.8, 0.6, 0], [0, 0, 1]], dtype=np.float32)
    columns = {
        "media_id": ["a", "a", "b", "c"],
        "segment_id": ["a:0", "a:1", "b:0", "c:0"],
        "key": ["a.txt", "a.txt", "b.txt", "c.txt"],
        "labels": [["cat"], ["cat"], [], ["dog", "cat"]],
    }
    table = vector_table(Store(str(tmp_path)), vectors, **columns).open()
    assert table is not None
    judged = [
        LabelledQuery(query="one", relevant=("b.txt",)),
        LabelledQuery(query="two", relevant_labels=("cat",)),
        LabelledQuery(query="three", relevant=("gone.txt",)),
    ]
    assert relevant_items(table, judged) == ([{"b": 1.0}, {"a": 1.0, "c": 1.0}, {}], ("gone.txt",))
    facts = {"space": "s", "encoder": "e", "encoder_version": "v", "table": "words__v1", "table_version": 2}
    release = Release(**facts, dim=3, distance="cosine", rows=4, ann=False)
    queries = np.array([[1, 0, 0]] * 3, dtype=np.float32)
    for by_exact_search in (False, True):
        found = evaluate(table, release, judged, queries, by_exact_search=by_exact_search)
        assert found.queries == 2
        assert found.unanswerable == 1
        assert found.mrr == pytest.approx((1 / 2 + 1) / 2)
        first, second = 1 / math.log2(3), (1 + 1 / math.log2(4)) / (1 + 1 / math.log2(3))
        assert found.ndcg_at_10 == pytest.approx((first + second) / 2)
        assert found.recall_at_10 == 1.0


def test_the_projection_keeps_the_widest_plane_and_repeats():
    draw = np.random.default_rng(0)
    plane = draw.standard_normal((200, 2)) * [5, 2]
    turned = plane @ np.linalg.qr(draw.standard_normal((8, 8)))[0][:2]
    first, second = pca_plane(turned), pca_plane(turned.copy())
    assert np.array_equal(first, second)
    assert first.shape == (200, 2)
    assert first.dtype == np.float32
    centred = turned - turned.mean(axis=0)
    assert np.linalg.norm(first) == pytest.approx(np.linalg.norm(centred), rel=1e-5)
    assert first[:, 0].var() > first[:, 1].var()


def test_the_projection_of_few_or_narrow_vectors_is_a_plane_all_the_same():
    assert pca_plane(np.ones((2, 8))).tolist() == [[0, 0], [0, 0]]
    assert pca_plane(np.arange(5.0)[:, None]).shape == (5, 2)
    assert np.isfinite(pca_plane(np.ones((9, 4)))).all()
