"""Batch sizes by measuring: the fastest is chosen and remembered, and what tells nothing does not count."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embed_assets.embedding import batch_trial
from embed_assets.embedding.batch_trial import (
    BATCHES,
    BatchTrial,
    begin_trials,
    remember_size,
    remembered_size,
)
from embed_assets.embedding.batching import BatchLimits, encode
from embed_assets.load_settings import make_settings
from embed_assets.pipeline.steps import Steps
from tests.embedding.test_batching import SPEC, prepared
from tests.support import WordEncoder, note


@pytest.fixture
def encoder(plugin_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WordEncoder:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return WordEncoder(SPEC, folder=plugin_folder / "weights", device="cpu", dtype="float32")


def run(trial: BatchTrial, seconds_per_cost: dict[int, float], *, most: int = 200) -> list[int]:
    """Feed batches that cost what a machine with these figures takes; return their sizes."""
    sizes = []
    while trial.choice is None and len(sizes) < most:
        sizes.append(size := trial.size())
        trial.measured(size, size, size * seconds_per_cost[size])
    return sizes


def test_the_fastest_of_the_sizes_is_chosen_and_handed_on():
    chosen: list[int] = []
    trial = BatchTrial(1024, chosen=chosen.append)
    sizes = run(trial, {512: 3.0, 1024: 1.0, 2048: 2.0})
    assert trial.choice == 1024 and chosen == [1024] and trial.size() == 1024
    assert sizes[:3] == [512, 1024, 2048], "sizes take turns"
    assert len(sizes) == 3 * (BATCHES + 1)


def test_where_the_largest_or_least_wins_the_next_one_is_tried_too():
    faster_when_larger = {512: 4.0, 1024: 3.0, 2048: 2.0, 4096: 1.0, 8192: 1.5}
    trial = BatchTrial(1024)
    run(trial, faster_when_larger)
    assert trial.choice == 4096
    trial = BatchTrial(1024)
    run(trial, {2048: 4.0, 1024: 3.0, 512: 2.0, 256: 2.5})
    assert trial.choice == 512


def test_sizes_do_not_run_away():
    trial = BatchTrial(64)
    run(trial, {64 * 2**step: 2.0**-step for step in range(-1, 12)})
    assert trial.choice == 64 * 16
    trial = BatchTrial(2)
    run(trial, {1: 1.0, 2: 2.0, 4: 3.0, 0: 0.0})
    assert trial.choice == 1


def test_a_gain_within_the_noise_keeps_the_usual_size():
    trial = BatchTrial(1024)
    run(trial, {512: 0.99, 1024: 1.0, 2048: 1.1, 256: 2.0})
    assert trial.choice == 1024


def test_the_first_batch_of_a_size_and_half_empty_ones_do_not_count():
    trial = BatchTrial(100)
    for size in (50, 100, 200):
        trial.measured(size, size, 1000.0)  # warms up
        for _ in range(20):
            trial.measured(size, size // 2 - 1, 0.0)
    assert trial.choice is None
    run(trial, {50: 2.0, 100: 2.0, 200: 1.0, 400: 3.0})
    assert trial.choice == 200


def test_encoding_gives_the_same_vectors_while_sizes_are_tried(encoder: WordEncoder, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(batch_trial, "_MOST_STEPS", 1)
    segments = prepared(encoder, 2000)
    trial = BatchTrial(64)
    limits = BatchLimits(tokens=64, pixels=1)
    tried = encode(encoder, segments, limits=limits, trials={"tokens": trial})
    assert trial.choice is not None
    assert np.array_equal(tried, encode(encoder, segments, limits=limits))


def test_a_choice_is_remembered_by_encoder_and_runtime(encoder: WordEncoder):
    assert remembered_size(encoder, "tokens") is None
    remember_size(encoder, "tokens", 4096)
    remember_size(encoder, "pixels", 77)
    assert (remembered_size(encoder, "tokens"), remembered_size(encoder, "pixels")) == (4096, 77)
    assert BatchLimits.for_encoder(encoder) == BatchLimits(tokens=4096, pixels=77)
    assert BatchLimits.for_encoder(encoder, tokens=8).tokens == 8, "settings win"
    encoder.runtime = "openvino"
    assert remembered_size(encoder, "tokens") is None


def test_a_torn_or_foreign_note_is_no_note(encoder: WordEncoder, tmp_path: Path):
    remember_size(encoder, "tokens", 4096)
    (file,) = (tmp_path / "cache").rglob("batch_sizes/*.json")
    for content in ("{", "[]", '{"tokens": "many"}', '{"tokens": -1}', '{"tokens": true}'):
        file.write_text(content, encoding="utf-8")
        assert remembered_size(encoder, "tokens") is None, content
    remember_size(encoder, "tokens", 16)
    assert remembered_size(encoder, "tokens") == 16


def test_sizes_that_are_set_or_known_are_not_tried(encoder: WordEncoder):
    usual = {"tokens": 1024, "pixels": 2048}
    assert begin_trials(encoder, {"tokens": None, "pixels": 5}, usual).keys() == {"tokens"}
    remember_size(encoder, "tokens", 16)
    assert not begin_trials(encoder, {"tokens": None, "pixels": 5}, usual)
    encoder.runtime = "server"
    assert not begin_trials(encoder, {"pixels": None}, usual)


def test_a_large_run_measures_and_the_next_one_knows(tmp_path: Path, words: list[Any], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(batch_trial, "_MOST_STEPS", 1)  # else it may go on to sizes that the run is too small for
    (tmp_path / "media").mkdir()
    for number in range(2000):
        (tmp_path / "media" / f"{number}.txt").write_text(note(number, length=40))
    settings = make_settings(
        {
            "store": str(tmp_path / "store"),
            "sources": {"media": {"uri": str(tmp_path / "media")}},
            "encoders": {"words": {"model": "words"}},
            "compute": {"offline": True},
        }
    )
    steps = Steps(settings)
    steps.refresh("media")
    record = steps.resolve("words").record
    report = steps.embed(record)
    assert report.total("embedded") == 2000
    assert remembered_size(steps.encoder(record), "tokens")
