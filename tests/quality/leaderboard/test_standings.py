"""Standings: the order, the verdicts in words, and what a document of them holds."""

import json
from dataclasses import replace

import numpy as np

from embed_assets.quality.leaderboard.leaderboard_document import leaderboard_document
from embed_assets.quality.leaderboard.query_scores import MAIN, METRICS
from embed_assets.quality.leaderboard.standings import (
    Cost,
    Leaderboard,
    Standing,
    compared_pairs,
    compared_variants,
    ordered,
)
from embed_assets.quality.metrics.bootstrap import holm

COST = Cost(
    dim=8,
    bytes_per_item=16,
    items_per_second=5,
    query_ms=1,
    price=None,
    license="MIT",
    download_mb=3,
    items=10,
    seconds=2,
)


def standing(name: str, scores: np.ndarray, **facts: object) -> Standing:
    return Standing(encoder=name, version="v", cost=COST, failed=0, scores=dict.fromkeys(METRICS, scores), **facts)  # pyright: ignore[reportArgumentType]


def board(*standings: Standing) -> Leaderboard:
    return Leaderboard(
        space="text",
        basis="judged queries",
        queries=len(standings[0].scores[MAIN]),
        sampled=100,
        standings=ordered(standings),
        pairs=compared_pairs(standings),
    )


def test_the_best_is_first_and_each_verdict_is_a_sentence():
    random = np.random.default_rng(0)
    base = random.uniform(0.2, 0.8, 150)
    noise = random.normal(0, 0.1, 150)
    found = board(
        standing("bad", base - 0.2), standing("good", base), standing("alike", base - 0.005 + noise - noise.mean())
    )
    assert [each.encoder for each in found.standings] == ["good", "alike", "bad"]
    alike, bad = found.in_words()
    assert alike.startswith("good and alike can't be distinguished (ndcg@10 +0.005")
    assert "judged queries would be needed" in alike
    assert bad.startswith("good is better than bad (ndcg@10 +0.200")


def test_p_values_are_adjusted_for_the_number_of_pairs():
    random = np.random.default_rng(1)
    base = random.uniform(0.2, 0.8, 100)
    names = "abcdef"
    found = board(*(standing(name, base + random.normal(0, 0.2, 100)) for name in names))
    assert len(found.pairs) == 15
    assert all(pair.p >= pair.found.p for pair in found.pairs)


def test_forms_of_one_encoder_are_adjusted_together():
    random = np.random.default_rng(4)
    whole = random.uniform(0.2, 0.8, 40)
    forms = [(f"{cut} dims", 4 * cut, whole + random.normal(-0.05, 0.15, 40)) for cut in (192, 96, 48, 32)]
    found = compared_variants("words", forms, whole, whole_bytes=1536)
    assert [each.p for each in found] == holm([each.found.p for each in found])
    unsure = [each for each in found if each.found.verdict() == "worse" and each.verdict == "not distinguishable"]
    assert unsure, "one of four would be worse by itself"
    assert [each.smaller for each in found] == [2, 4, 8, 12]
    shown = leaderboard_document(replace(board(standing("words", whole)), variants=found))["variants"]
    assert [each["verdict"] for each in shown] == [each.verdict for each in found]


def test_the_document_is_json_with_intervals():
    document = leaderboard_document(board(standing("one", np.linspace(0, 1, 30), live=True)))
    assert json.loads(json.dumps(document)) == document
    (encoder,) = document["encoders"]
    assert encoder["live"] and encoder["dim"] == 8
    assert encoder["quality"][MAIN]["low"] < 0.5 < encoder["quality"][MAIN]["high"]
    assert document["pairs"] == document["in_words"] == []
