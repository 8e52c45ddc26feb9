"""Ways of search: figures as ir_measures has them, differences to exact search with p of Holm, groups of queries."""

from typing import Any

import numpy as np
import pytest

from embed_assets.quality.evaluation.ways import Answered, measured_ways
from embed_assets.quality.metrics.bootstrap import holm, paired_difference
from embed_assets.quality.metrics.ranking_metrics import ndcg_at

QUERIES, ITEMS = 40, [f"d{number}" for number in range(60)]


def grades() -> list[dict[str, float]]:
    """Up to eight judged items a query, some of them bad, the first always relevant."""
    random = np.random.default_rng(3)
    return [
        {
            str(item): float(grade)
            for item, grade in zip(random.permutation(ITEMS)[:8], [2, *random.integers(0, 4, 7)], strict=True)
        }
        for _ in range(QUERIES)
    ]


def rankings(judged: list[dict[str, float]], *, noise: float, seed: int = 0) -> list[list[str]]:
    """Ten items a query, by their grades and noise."""
    random = np.random.default_rng(seed)
    found = []
    for wanted in judged:
        scores = {item: wanted.get(item, 0.0) + noise * random.standard_normal() for item in ITEMS}
        found.append(sorted(ITEMS, key=lambda item: -scores[item])[:10])
    return found


def answered(way: str, judged: Any, found: Any, exact: Any = None, places: Any = None) -> Answered:
    places = range(len(judged)) if places is None else places
    return Answered(way=way, places=list(places), grades=judged, found=found, exact=exact, seconds=0.1)


def test_the_figures_are_those_of_ir_measures():
    measures = pytest.importorskip("ir_measures")
    judged = grades()
    found = rankings(judged, noise=1.0)
    (way,) = measured_ways([answered("exact", judged, found)], {}, k=5)
    run = {str(n): {item: -float(rank) for rank, item in enumerate(each[:5])} for n, each in enumerate(found)}
    qrels = {str(n): {item: int(grade) for item, grade in each.items()} for n, each in enumerate(judged)}
    named = {"ndcg@5": "nDCG@5", "precision@5": "P@5", "mrr@5": "RR@5", "map@5": "AP@5"}
    aggregate = measures.calc_aggregate([measures.parse_measure(name) for name in named.values()], qrels, run)
    values = {str(measure): value for measure, value in aggregate.items()}
    for ours, theirs in named.items():
        assert way.quality[ours].mean == pytest.approx(values[theirs], abs=1e-4), ours
    judged_at = measures.calc_aggregate([measures.parse_measure("Judged@5")], qrels, run)
    assert way.quality["unjudged@5"].mean == pytest.approx(1 - next(iter(judged_at.values())), abs=1e-4)


def test_recall_is_that_of_ir_measures_where_no_more_than_k_are_relevant():
    measures = pytest.importorskip("ir_measures")
    judged = grades()
    found = rankings(judged, noise=1.0)
    (way,) = measured_ways([answered("exact", judged, found)], {}, k=10)
    run = {str(n): {item: -float(rank) for rank, item in enumerate(each)} for n, each in enumerate(found)}
    qrels = {str(n): {item: int(grade) for item, grade in each.items()} for n, each in enumerate(judged)}
    (recall,) = measures.calc_aggregate([measures.parse_measure("R@10")], qrels, run).values()
    assert way.quality["recall@10"].mean == pytest.approx(recall, abs=1e-4)


def test_each_way_is_compared_with_exact_search_on_its_own_queries_and_p_is_adjusted():
    judged = grades()
    exact, alike, worse = (rankings(judged, noise=noise, seed=seed) for noise, seed in ((0.5, 0), (0.5, 1), (2.5, 2)))
    half = range(0, QUERIES, 2)
    parts = [[side[place] for place in half] for side in (judged, alike, exact)]
    ways = measured_ways(
        [
            answered("exact", judged, exact),
            answered("ann", judged, worse, exact),
            answered("hybrid", *parts, places=half),
            answered("filtered", judged, exact, exact),
        ],
        {},
        k=10,
    )
    base, ann, hybrid, same = ways
    assert base.against_exact is None and base.in_words("ndcg@10") == ""
    assert ann.against_exact is not None and hybrid.against_exact is not None and same.against_exact is not None
    assert (ann.against_exact.verdict, hybrid.against_exact.verdict) == ("worse", "not distinguishable")
    pairs = [paired_difference(_ndcg(found, own), _ndcg(reference, own)) for own, found, reference in (
        (judged, worse, exact), parts, (judged, exact, exact)
    )]  # fmt: skip
    expected = [round(p, 4) for p in holm([each.p for each in pairs])]
    assert [each.against_exact.p for each in ways[1:] if each.against_exact] == expected
    assert ann.against_exact.difference.mean == pytest.approx(pairs[0].difference.mean, abs=1e-4)
    assert hybrid.against_exact.exact == pytest.approx(float(np.mean(_ndcg(parts[2], parts[0]))), abs=1e-4)
    assert (ann.queries, hybrid.queries) == (40, 20)
    assert ann.in_words("ndcg@10").startswith("ann is worse than exact search (ndcg@10 -0.")
    assert hybrid.in_words("ndcg@10").startswith("hybrid and exact search can't be distinguished (ndcg@10 ")
    assert same.in_words("ndcg@10") == "filtered scores the same as exact search on all 40 queries."


def test_groups_are_those_of_the_queries_of_each_way():
    judged = grades()
    good, bad = rankings(judged, noise=0.3), rankings(judged, noise=3.0)
    found = [good[place] if place % 2 else bad[place] for place in range(QUERIES)]
    labels = [["odd"] if place % 2 else ["even"] for place in range(QUERIES)]
    half = range(20)
    whole, part = measured_ways(
        [
            answered("exact", judged, found),
            answered("ann", judged[:20], found[:20], found[:20], places=half),
        ],
        {"label": labels},
        k=10,
    )
    assert [(each.group, each.queries, each.verdict) for each in whole.groups] == [
        ("even", 20, "worse"),
        ("odd", 20, "better"),
    ]
    assert whole.groups[0].ndcg.mean == pytest.approx(float(np.mean(_ndcg(found, judged)[::2])), abs=1e-4)
    assert [each.queries for each in part.groups] == [10, 10]


def _ndcg(found: Any, judged: Any) -> list[float]:
    return [ndcg_at(ranked, wanted, 10) for ranked, wanted in zip(found, judged, strict=True)]
