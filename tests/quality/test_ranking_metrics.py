"""Ranking metrics against ir_measures, which is trec_eval, on random rankings with grades, ties of none, and gaps."""

from collections.abc import Callable

import numpy as np
import pytest

from embed_assets.quality.metrics.ranking_metrics import (
    Grades,
    average_precision,
    capped_recall_at,
    ndcg_at,
    precision_at,
    recall_at,
    reciprocal_rank,
    unjudged_at,
)

Metric = Callable[[list[str], Grades], float]


def rankings(count: int = 60) -> tuple[dict[str, list[str]], dict[str, dict[str, float]]]:
    """Rankings and judgements: up to thirty items each, some judged 0, some never found."""
    random = np.random.default_rng(7)
    items = [f"d{number}" for number in range(60)]
    ranked, judged = {}, {}
    for number in range(count):
        order = random.permutation(items)[: random.integers(1, 31)]
        chosen = random.permutation(items)[: random.integers(1, 25)]
        ranked[f"q{number}"] = [str(item) for item in order]
        judged[f"q{number}"] = {
            str(item): float(grade) for item, grade in zip(chosen, random.integers(0, 4, 25), strict=False)
        }
    return ranked, judged


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("nDCG@10", lambda ranked, grades: ndcg_at(ranked, grades, 10)),
        ("nDCG@3", lambda ranked, grades: ndcg_at(ranked, grades, 3)),
        ("P@10", lambda ranked, grades: precision_at(ranked, grades, 10)),
        ("R@10", lambda ranked, grades: recall_at(ranked, grades, 10)),
        ("AP@10", lambda ranked, grades: average_precision(ranked, grades, 10)),
        ("AP", lambda ranked, grades: average_precision(ranked, grades, 1000)),
        ("RR", reciprocal_rank),
        ("Judged@5", lambda ranked, grades: 1 - unjudged_at(ranked, grades, 5)),
    ],
)
def test_they_are_those_of_trec_eval(name: str, metric: Metric):
    measures = pytest.importorskip("ir_measures")
    ranked, judged = rankings()
    run = {query: {item: -float(rank) for rank, item in enumerate(found)} for query, found in ranked.items()}
    qrels = {query: {item: int(grade) for item, grade in grades.items()} for query, grades in judged.items()}
    expected = {each.query_id: each.value for each in measures.iter_calc([measures.parse_measure(name)], qrels, run)}
    assert len(expected) == len(ranked)
    for query, value in expected.items():
        assert metric(ranked[query], judged[query]) == pytest.approx(value, abs=1e-6), query


def test_capped_recall_can_reach_one_where_more_are_relevant_than_places():
    grades = dict.fromkeys("abcdef", 1.0)
    assert capped_recall_at(["a", "b"], grades, 2) == 1.0
    assert recall_at(["a", "b"], grades, 2) == pytest.approx(1 / 3)


def test_an_item_of_grade_0_is_judged_and_counts_as_a_miss():
    grades = {"a": 0.0, "b": 2.0}
    assert unjudged_at(["a", "b", "c"], grades, 3) == pytest.approx(1 / 3)
    assert precision_at(["a", "b"], grades, 2) == 0.5
    assert reciprocal_rank(["a", "b"], grades) == 0.5
    assert unjudged_at([], grades, 3) == 0.0
    assert ndcg_at(["a"], {"a": 0.0}, 3) == average_precision(["a"], {"a": 0.0}, 3) == 0.0
