"""Comparison with live: a candidate that answers worse is held back, and it is said what was compared."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embed_assets.errors import PromotionError
from embed_assets.pipeline.steps import Steps
from embed_assets.store.serving.releases import CheckVerdict
from tests.kept import Kept
from tests.support import (
    DIM,
    NOT_ENCODABLE,
    note,
    pipeline,
    refresh_and_embed,
    rewrite,
    run_all,
    write_notes,
    write_weights,
)

COUNT = 30
PLAIN = {"compute": {"device": "cpu", "offline": True, "keep_models": False}}


@pytest.fixture
def swap(words: list[Any], plugin_folder: Path) -> Iterator[Callable[..., None]]:
    """Writes other weights in the place of the encoder's own: as good, or such that all texts look alike."""
    folder = plugin_folder / "weights"

    def write(*, seed: int, alike: float = 0.0) -> None:
        write_weights(folder, seed=seed)
        if alike:
            from safetensors.numpy import load_file, save_file

            weights = load_file(folder / "model.safetensors")
            save_file({name: rows + alike for name, rows in weights.items()}, folder / "model.safetensors")

    yield write
    write_weights(folder)


def judged(folder: Path, numbers: range = range(10), *, name: str = "queries.jsonl") -> dict[str, Any]:
    """Settings of a space that asks some notes' own words."""
    lines = [json.dumps({"query": note(number), "relevant": [f"note-{number:03d}.txt"]}) for number in numbers]
    (folder / name).write_text("\n".join(lines))
    return {"spaces": {"words": {"queries": str(folder / name)}}}


@pytest.fixture
def tmp_path(kept: Kept) -> Path:
    return kept.folder


@pytest.fixture
def served(tmp_path: Path, words: list[Any], kept: Kept) -> Steps:
    """Notes that are live, with labelled queries."""
    steps = pipeline(tmp_path, **judged(tmp_path))
    kept.once("served", lambda: _write_and_run(steps, tmp_path))
    return steps


@pytest.fixture
def served_unjudged(tmp_path: Path, words: list[Any], kept: Kept) -> Steps:
    """Notes that are live, without any labelled query; the store keeps no copy of the model."""
    steps = pipeline(tmp_path, **PLAIN)
    kept.once("served-unjudged", lambda: _write_and_run(steps, tmp_path))
    return steps


def _write_and_run(steps: Steps, folder: Path) -> None:
    write_notes(folder / "notes", COUNT)
    run_all(steps)


def checked(steps: Steps, encoder: str = "words") -> CheckVerdict:
    """The comparison of the encoder's current version, embedded, indexed and checked."""
    refresh_and_embed(steps, encoder)
    record = steps.resolve(encoder).record
    steps.index(record)
    verdicts = steps.check(record)[1]
    return next(verdict for verdict in verdicts if verdict.name == "compared_with_live")


def test_the_first_candidate_of_a_space_has_nothing_to_be_compared_with(tmp_path, words):
    write_notes(tmp_path / "notes", COUNT)
    verdict = checked(pipeline(tmp_path, **judged(tmp_path)))
    assert verdict.passed
    assert verdict.summary == "nothing serves yet"
    assert verdict.figures == {}


def test_another_release_of_the_live_version_is_not_compared(tmp_path, served):
    rewrite(tmp_path / "notes" / "note-001.txt", "edited")
    verdict = checked(served)
    assert verdict.passed
    assert "its version is live already" in verdict.summary


def test_a_candidate_as_good_as_live_passes_with_both_figures(served, swap):
    swap(seed=5)
    verdict = checked(served)
    assert verdict.passed, verdict.summary
    figures = verdict.figures
    assert figures["live"] == served.store.serving.live_release("words").key
    assert figures["ndcg_at_10"] == 1.0
    assert figures["live_ndcg_at_10"] == 1.0
    assert figures["judged_queries"] == 10
    assert 0.2 < figures["overlap_at_10"] < 1
    assert {"recall_at_10", "live_recall_at_10", "median_ms", "live_median_ms"} <= set(figures)


@pytest.mark.slow
def test_a_candidate_that_answers_worse_is_held_back(tmp_path, swap):
    write_notes(tmp_path / "notes", COUNT, length=3)
    steps = pipeline(tmp_path, **judged(tmp_path), checks={"max_mean_cosine": 1.0})
    swap(seed=5)
    run_all(steps)
    live = steps.store.serving.pointer("words").live
    swap(seed=6, alike=3000.0)
    verdict = checked(steps)
    assert not verdict.passed
    assert verdict.blocking
    assert verdict.figures["ndcg_at_10"] < verdict.figures["live_ndcg_at_10"]
    with pytest.raises(PromotionError, match="compared_with_live: nDCG@10"):
        steps.promote(steps.resolve("words").record, by="test")
    assert steps.store.serving.pointer("words").live == live
    allowed = pipeline(tmp_path, **judged(tmp_path), checks={"max_quality_loss": 1.0})
    assert checked(allowed).passed


@pytest.mark.slow
def test_a_version_that_roll_back_returns_to_may_be_worse_than_live(tmp_path, swap):
    write_notes(tmp_path / "notes", COUNT, length=3)
    steps = pipeline(tmp_path, **judged(tmp_path), checks={"max_mean_cosine": 1.0})
    swap(seed=6, alike=3000.0)
    run_all(steps)
    swap(seed=5)
    run_all(steps)
    (tmp_path / "notes" / "new.txt").write_text("granite")
    swap(seed=6, alike=3000.0)
    verdict = checked(steps)
    assert verdict.passed
    assert "roll-back returns to it" in verdict.summary


def test_only_items_that_both_hold_are_counted(tmp_path, served, swap):
    """An item that came after live was made is no fault of live's, and one that live still holds none of ours."""
    (tmp_path / "notes" / "note-003.txt").unlink()
    swap(seed=5)
    verdict = checked(served)
    assert verdict.passed
    assert verdict.figures["judged_queries"] == 9
    assert verdict.figures["queries"] == 10


def test_a_candidate_without_any_relevant_item_fails(tmp_path, swap):
    notes = write_notes(tmp_path / "notes", COUNT)
    steps = pipeline(tmp_path, **judged(tmp_path, range(2)))
    run_all(steps)
    for number in range(2):
        (notes / f"note-{number:03d}.txt").unlink()
    swap(seed=5)
    verdict = checked(steps)
    assert not verdict.passed
    assert "holds no relevant item of those that live holds" in verdict.summary


def test_without_judgements_held_out_queries_give_overlap_and_latency(tmp_path, swap):
    write_notes(tmp_path / "notes", COUNT)
    steps = pipeline(tmp_path)
    run_all(steps)
    swap(seed=5)
    verdict = checked(steps)
    assert verdict.passed
    assert "no labelled queries" in verdict.summary
    assert verdict.figures["queries"] == COUNT
    assert 0.2 < verdict.figures["overlap_at_10"] < 1
    assert "ndcg_at_10" not in verdict.figures


def test_the_same_vectors_overlap_wholly(tmp_path, served):
    again = pipeline(tmp_path, **judged(tmp_path), index={"vector_dtype": "float32"})
    assert checked(again).figures["overlap_at_10"] > 0.95


def test_where_lives_model_is_gone_its_recorded_figures_are_compared(tmp_path, served, swap):
    swap(seed=5)
    shutil.rmtree(tmp_path / "store" / "models", ignore_errors=True)
    steps = pipeline(tmp_path, **judged(tmp_path, range(5, 15), name="other.jsonl"), **PLAIN)
    verdict = checked(steps)
    assert verdict.passed, verdict.summary
    assert "nDCG@10 1.000 (live 1.000, as recorded)" in verdict.summary
    assert "live can't be searched" in verdict.summary
    assert "overlap_at_10" not in verdict.figures


def test_where_lives_model_is_gone_and_nothing_was_recorded_the_candidate_waits(tmp_path, served_unjudged, swap):
    swap(seed=5)
    shutil.rmtree(tmp_path / "store" / "models", ignore_errors=True)
    verdict = checked(pipeline(tmp_path, **judged(tmp_path), **PLAIN))
    assert not verdict.passed
    assert "set checks.max_quality_loss to 1" in verdict.summary


def test_another_encoders_release_is_compared_as_well(tmp_path, served):
    steps = pipeline(tmp_path, **judged(tmp_path), encoders={"slow_words": {"model": "slow-words"}})
    verdict = checked(steps, "slow_words")
    assert verdict.passed
    assert verdict.figures["live"].startswith("words__")
    assert verdict.figures["overlap_at_10"] == 1.0
    assert np.isclose(verdict.figures["ndcg_at_10"], verdict.figures["live_ndcg_at_10"])
    assert steps.resolve("slow_words").record.dim == DIM


def test_a_candidate_that_sets_most_items_aside_is_held_back_though_its_answers_are_as_good(tmp_path, served_unjudged):
    notes, steps = tmp_path / "notes", served_unjudged
    before = steps.store.serving.live_release("words").key
    for number in range(20):  # what the encoder of the next version chokes on, live has
        rewrite(notes / f"note-{number:03d}.txt", f"{NOT_ENCODABLE} {note(number)}")
    second = pipeline(tmp_path, encoders={"words": {"model": "words", "segment": {"max_tokens": 8}}})
    verdict = checked(second)
    assert not verdict.passed
    assert "20 of live's 30 items are quarantined (66.7%" in verdict.summary
    with pytest.raises(PromotionError, match="20 of live's 30 items"):
        second.promote(second.resolve("words").record, by="test")
    assert steps.store.serving.live_release("words").key == before


@pytest.mark.slow
def test_a_promotion_compares_again_where_another_version_serves_by_now(tmp_path, swap):
    """Two encoders of a space: what passed beside the worse one is not good enough beside the better one."""
    write_notes(tmp_path / "notes", COUNT, length=3)
    space = {"spaces": {"words": {"promotion": "manual", **judged(tmp_path)["spaces"]["words"]}}}
    first = pipeline(tmp_path, **space, checks={"max_mean_cosine": 1.0})
    swap(seed=6, alike=3000.0)  # all texts look alike
    poor = checked(first)
    assert poor.passed
    poor_record = first.resolve("words").record
    swap(seed=5)
    assert checked(first).passed
    first.promote(first.resolve("words").record, by="test")
    with pytest.raises(PromotionError, match="compared_with_live"):
        first.promote(poor_record, by="test")
    assert first.store.serving.live_release("words").encoder_version != poor_record.version
