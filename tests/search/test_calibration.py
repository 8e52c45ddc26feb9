"""Calibrated scores: percentiles against random pairs, measured when an index is built, by kind of query."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embed_assets.quality.queries.unrelated_texts import unrelated_texts
from embed_assets.quality.random_pairs import measure_random_pairs
from embed_assets.search.searcher import Searcher, query_of
from embed_assets.settings import ComputeSettings
from embed_assets.store.serving.score_calibration import (
    LEVELS,
    distance_of,
    percentile_of,
    similarity_at,
    similarity_of,
)
from embed_assets.store.store import Store
from tests.support import note, pipeline, run_all, vector_table, write_notes


def test_a_release_knows_where_a_similarity_stands_among_random_pairs(tmp_path: Path, words: list[Any]) -> None:
    write_notes(tmp_path / "notes", 120)
    steps = pipeline(tmp_path)
    run_all(steps)
    searcher = Searcher(steps.store, compute=ComputeSettings(device="cpu", offline=True))
    answer = searcher.search(note(7), space="words", k=120)
    percentiles = [hit.percentile for hit in answer]
    assert percentiles[0] == 100
    assert percentiles == sorted(percentiles, reverse=True)  # pyright: ignore[reportArgumentType]
    assert answer.good_match
    assert answer[0].good
    assert answer[-1].good is False
    near = searcher.search(query_of(parts=[{"text": note(7)}], min_percentile=95, k=120))
    assert 0 < len(near) < 30
    assert all((hit.percentile or 0) >= 94.9 for hit in near)


def test_an_incremental_release_keeps_what_was_measured(tmp_path: Path, words: list[Any]) -> None:
    write_notes(tmp_path / "notes", 120)
    steps = pipeline(tmp_path)
    run_all(steps)
    before = steps.store.serving.live_release("words")
    assert before.calibration["text"]
    (tmp_path / "notes" / "late.txt").write_text("a late walrus")
    words.clear()
    run_all(steps)
    live = steps.store.serving.live_release("words")
    assert live.rows == before.rows + 1
    assert live.calibration == before.calibration
    assert words == ["a late walrus"]  # no query was encoded again


@pytest.mark.parametrize("distance", ["cosine", "dot", "l2"])
def test_random_pairs_of_a_modality_leave_out_an_item_with_itself(distance: str, tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    vectors = np.random.default_rng(0).normal(size=(200, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vector_table(store, vectors)
    table = store.open("words__v1")
    levels = measure_random_pairs(table, {}, distance=distance)
    (found,) = levels.values()
    same = similarity_of(0.0, distance)
    assert found[-1] < same - 0.1  # not even the nearest pair is one item
    for similarity in (found[3], found[8], (found[8] + found[9]) / 2):
        assert similarity_at(percentile_of(similarity, found), found) == pytest.approx(similarity, abs=1e-6)
        assert similarity_of(distance_of(similarity, distance), distance) == pytest.approx(similarity, abs=1e-6)
    assert percentile_of(found[5], found) == pytest.approx(LEVELS[5])


def test_a_small_table_has_no_percentiles(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    vector_table(store, np.eye(8, 16, dtype=np.float32))
    assert measure_random_pairs(store.open("words__v1"), {}, distance="cosine") == {}
    assert len(unrelated_texts(store.open("words__v1"), 64)) > 30  # phrases, where items have neither texts nor labels
