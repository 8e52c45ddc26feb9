"""Similarity judgements: Spearman as scipy has it, its interval, and files of pairs with what is wrong in them."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from embed_assets.errors import SettingsError
from embed_assets.quality.evaluation.similarity_judgements import Pair, agreement, read_pairs, spearman

PAIRS = [Pair("a cat", "a kitten", 4.5), Pair("a cat", "a stone", 0.0), Pair("rain", "snow, or hail", 2.0)]


@pytest.mark.parametrize("levels", [2, 6, 1000])
def test_spearman_is_that_of_scipy_with_ties(levels: int):
    stats = pytest.importorskip("scipy.stats")
    random = np.random.default_rng(levels)
    one = random.integers(0, levels, 80).astype(float)
    other = one + random.integers(0, levels, 80)
    assert spearman(one, other) == pytest.approx(stats.spearmanr(one, other).statistic, abs=1e-12)


def test_a_constant_has_no_correlation():
    assert math.isnan(spearman(np.ones(5), np.arange(5.0)))
    collapsed = agreement(np.ones((5, 2)), np.ones((5, 2)), [0, 1, 2, 3, 4])
    assert (collapsed.spearman.mean, collapsed.spearman.low, collapsed.spearman.high) == (0.0, 0.0, 0.0)


def test_agreement_is_of_cosines_whatever_the_lengths():
    angles = np.linspace(0, 1.5, 40)
    one = np.tile([1.0, 0.0], (40, 1))
    other = np.stack([np.cos(angles), np.sin(angles)], axis=1) * np.arange(1, 41)[:, None]
    found = agreement(one, other, list(-angles))
    assert (found.pairs, found.spearman.mean, found.spearman.low, found.spearman.high) == (40, 1.0, 1.0, 1.0)
    noisy = agreement(one, other, list(-angles + np.random.default_rng(0).normal(0, 0.6, 40)))
    assert 0.3 < noisy.spearman.low < noisy.spearman.mean < noisy.spearman.high < 1
    assert noisy.in_words().startswith("Cosines order 40 judged pairs as people do by 0.")


def test_pairs_are_read_from_jsonl_csv_and_tsv(tmp_path: Path):
    lines = [json.dumps({"a": each.a, "b": each.b, "score": each.score}) for each in PAIRS]
    (tmp_path / "pairs.jsonl").write_text("\n".join(lines) + "\n\n")
    (tmp_path / "pairs.csv").write_text('a,b,score\na cat,a kitten,4.5\na cat,a stone,0\nrain,"snow, or hail",2\n')
    (tmp_path / "pairs.tsv").write_text(
        "a\tb\tscore\na cat\ta kitten\t4.5\na cat\ta stone\t0\nrain\tsnow, or hail\t2\n"
    )
    for name in ("pairs.jsonl", "pairs.csv", "pairs.tsv"):
        assert read_pairs(tmp_path / name) == PAIRS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": "x", "b": "y", "score": 1}\n{"a": "x"', ":2: not JSON"),
        ("[1, 2]", ":1: expected an object with a, b and score"),
        ('{"a": "x", "b": 7, "score": 1}', ":1: b: expected a text"),
        ('{"a": "x", "b": "y", "score": "high"}', ":1: score: 'high' is no number"),
        ('{"a": "x", "b": "y", "score": true}', ":1: score: True is no number"),
        ('{"a": "x", "b": "y"}', ":1: score: None is no number"),
        ('{"a": "x", "b": "y", "score": 1}\n' * 5, "5 pairs with 1 different scores"),
        ("", "0 pairs with 0 different scores"),
    ],
)
def test_what_is_wrong_in_a_file_of_pairs_is_named(tmp_path: Path, text: str, message: str):
    (tmp_path / "pairs.jsonl").write_text(text)
    with pytest.raises(SettingsError, match=message):
        read_pairs(tmp_path / "pairs.jsonl")


def test_a_file_of_pairs_that_is_not_there_is_named():
    with pytest.raises(SettingsError, match=r"'nowhere.jsonl' do not exist"):
        read_pairs("nowhere.jsonl")
