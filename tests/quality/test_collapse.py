"""An encoder that says the same of everything never replaces one that does not; alike media stop nobody."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embed_assets.pipeline.steps import Steps
from embed_assets.quality.collapsed_vectors import mean_cosine
from tests.support import pipeline, refusal, rewrite, run_all, write_notes, write_weights

Swap = Callable[..., None]


@pytest.fixture
def swap(words: list[Any], plugin_folder: Path) -> Iterator[Swap]:
    """Writes other weights; `same`: of all words one row, but for so much."""
    from safetensors.numpy import load_file, save_file

    def write(seed: int, *, same: float | None = None) -> None:
        file = write_weights(plugin_folder / "weights", seed=seed) / "model.safetensors"
        weights = {name: rows.copy() for name, rows in load_file(file).items()}
        if same is not None:
            weights = {name: rows[:1] + same * rows for name, rows in weights.items()}
            save_file(weights, file)

    yield write
    write_weights(plugin_folder / "weights")


def live(steps: Steps) -> str | None:
    release = steps.store.serving.pointer("words").live
    return release.encoder_version if release else None


@pytest.mark.parametrize("count", [3, pytest.param(40, marks=pytest.mark.slow)])
@pytest.mark.parametrize("same", [0.0, 0.02])
def test_a_collapsed_version_does_not_replace_one_that_shows_items_apart(
    count: int, same: float, swap: Swap, tmp_path: Path
) -> None:
    write_notes(tmp_path / "notes", count)
    steps = pipeline(tmp_path)
    swap(5)
    run_all(steps)
    before = live(steps)
    swap(6, same=same)
    said = refusal(steps)
    assert "collapsed_vectors: all items have nearly one vector (mean cosine 1.000), where words__" in said
    assert "set checks.max_mean_cosine to 1" in said
    assert live(steps) == before
    swap(7)
    run_all(steps)
    assert live(steps) not in (before, None)


def test_a_first_release_of_an_encoder_that_has_one_vector_does_not_serve(swap: Swap, tmp_path: Path) -> None:
    write_notes(tmp_path / "notes", 5)
    swap(5, same=0.0)
    steps = pipeline(tmp_path)
    assert "and so have texts with nothing in common" in refusal(steps)
    assert live(steps) is None
    run_all(pipeline(tmp_path, checks={"max_mean_cosine": 1.0}))
    assert live(steps) is not None


_ALIKE = {
    "one item": ["amber"],
    "two items": ["amber", "coral"],
    "equal items": ["amber coral"] * 5,
    "the same words in another order": [
        "amber coral flint",
        "coral flint amber",
        "flint amber coral",
        "coral amber flint",
    ],
    "other letters": ["Amber", "amber", "AMBER", "amber.", "amber,"],
}


@pytest.mark.parametrize("kind", _ALIKE)
def test_media_that_are_alike_stop_nobody(kind: str, swap: Swap, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    for number, text in enumerate(_ALIKE[kind]):
        (tmp_path / "notes" / f"{number}.txt").write_text(text)
    steps = pipeline(tmp_path)
    swap(5)
    run_all(steps)
    before = live(steps)
    assert before is not None
    swap(6)
    run_all(steps)
    assert live(steps) not in (before, None)


def test_a_version_that_serves_goes_on_where_its_media_become_alike(swap: Swap, tmp_path: Path) -> None:
    notes = write_notes(tmp_path / "notes", 5)
    steps = pipeline(tmp_path)
    swap(5)
    run_all(steps)
    for number, file in enumerate(sorted(notes.iterdir())):
        rewrite(file, "amber" + " amber" * number)
    run_all(pipeline(tmp_path))
    release = steps.store.serving.pointer("words").live
    assert release is not None
    assert {check.name for check in release.checks if not check.passed} == {"collapsed_vectors"}


def test_an_encoder_is_not_compared_on_items_that_live_never_had(swap: Swap, tmp_path: Path) -> None:
    notes = write_notes(tmp_path / "notes", 5)
    swap(5)
    run_all(pipeline(tmp_path))
    for number, file in enumerate(sorted(notes.iterdir())):
        file.unlink()
        (notes / f"new-{number}.txt").write_text("amber" + " amber" * number)
    swap(6)
    run_all(pipeline(tmp_path, accept_deletions=True))


def test_mean_cosine_is_of_all_pairs_of_different_rows() -> None:
    rows = np.random.default_rng(0).standard_normal((7, 4)).astype(np.float32)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    pairs = [unit[i] @ unit[j] for i in range(7) for j in range(7) if i != j]
    assert mean_cosine(rows) == pytest.approx(np.mean(pairs), abs=1e-6)
    assert mean_cosine(np.ones((5, 3), np.float32)) == pytest.approx(1)
    assert np.isnan(mean_cosine(np.full((5, 3), np.nan, np.float32)))
