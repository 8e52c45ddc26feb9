"""An index of nothing is no success, and never takes the place of one that has rows."""

from pathlib import Path

import pytest

from embed_assets.pipeline.steps import Steps
from tests.support import NOT_ENCODABLE, pipeline, refusal, run_all, write_notes

WAV = b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0data\0\0\0\0"


def live_rows(steps: Steps) -> int | None:
    live = steps.store.serving.pointer("words").live
    return live.rows if live else None


def test_an_empty_folder_is_reported_and_does_not_serve(tmp_path: Path, words: list) -> None:
    (tmp_path / "notes").mkdir()
    steps = pipeline(tmp_path)
    assert f"nothing to embed: source 'notes' ({tmp_path}/notes) lists no item" in refusal(steps)
    assert live_rows(steps) is None


@pytest.mark.slow
def test_a_folder_of_nothing_usable_is_reported_with_reasons(tmp_path: Path, words: list) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.bin").write_bytes(b"\0\1\2\3")
    (tmp_path / "notes" / "b.txt").write_text("")
    (tmp_path / "notes" / "c.wav").write_bytes(b"RIFF\0\0\0\0WAVEfmt ")
    said = refusal(pipeline(tmp_path))
    assert "has 3 items, none that can be used: " in said
    assert "unsupported type: application/octet-stream" in said


def test_an_empty_candidate_does_not_replace_what_serves(tmp_path: Path, words: list) -> None:
    write_notes(tmp_path / "notes", 3)
    run_all(pipeline(tmp_path))
    for file in (tmp_path / "notes").iterdir():
        file.unlink()
    assert "no vectors, where words__" in refusal(pipeline(tmp_path))
    assert live_rows(pipeline(tmp_path)) == 3


def test_deletions_that_are_accepted_empty_an_index(tmp_path: Path, words: list) -> None:
    write_notes(tmp_path / "notes", 3)
    run_all(pipeline(tmp_path))
    for file in (tmp_path / "notes").iterdir():
        file.unlink()
    run_all(pipeline(tmp_path, accept_deletions=True))
    assert live_rows(pipeline(tmp_path)) == 0


def test_an_encoder_without_items_of_its_kind_serves_an_empty_space_beside_others(tmp_path: Path, words: list) -> None:
    write_notes(tmp_path / "notes", 3)
    encoders = {"words": {"model": "words"}, "mel": {"model": "mel"}}
    steps = pipeline(tmp_path, encoders=encoders)
    run_all(steps)
    audio = steps.store.serving.pointer("audio").live
    assert audio is not None
    assert audio.rows == 0


def test_an_encoder_whose_vectors_are_none_is_reported_and_does_not_serve(tmp_path: Path, words: list) -> None:
    """Weights of NaN: every item is set aside, and an index of nothing is what is left."""
    for number in range(3):
        (tmp_path / "notes").mkdir(exist_ok=True)
        (tmp_path / "notes" / f"{number}.txt").write_text(f"{NOT_ENCODABLE} {number}")
    said = refusal(pipeline(tmp_path))
    assert "no vector of encoder 'words' can be stored: 3 vector not finite. Check the model's weights" in said
    assert live_rows(pipeline(tmp_path)) is None


@pytest.mark.slow
def test_an_encoder_whose_items_are_all_broken_serves_beside_others(tmp_path: Path, words: list) -> None:
    """It is the media that can't be used, not the encoder: one broken sound stops no texts."""
    write_notes(tmp_path / "notes", 3)
    (tmp_path / "notes" / "cut.wav").write_bytes(WAV)
    steps = pipeline(tmp_path, encoders={"words": {"model": "words"}, "mel": {"model": "mel"}})
    run_all(steps)
    assert live_rows(steps) == 3
