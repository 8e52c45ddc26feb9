"""Versions of a space: the state of each, and what it waits for."""

from pathlib import Path

from embed_assets.pipeline.space_versions import SpaceVersion, space_versions
from embed_assets.pipeline.steps import Steps
from tests.support import pipeline, run_all, write_notes


def _states(steps: Steps) -> list[tuple[str, str]]:
    return [(each.state, each.waits_for) for each in space_versions(steps, "words")]


def _newest(steps: Steps) -> SpaceVersion:
    return space_versions(steps, "words")[0]


def _with_chunks_of(folder: Path, tokens: int) -> Steps:
    """The same pipeline by another encoder version."""
    return pipeline(folder, encoders={"words": {"model": "words", "segment": {"max_tokens": tokens}}})


def test_each_version_has_its_state_and_what_it_waits_for(words: list, tmp_path: Path) -> None:
    write_notes(tmp_path / "notes", 4)
    first = pipeline(tmp_path)
    run_all(first)
    assert _states(first) == [("live", "")]

    second = _with_chunks_of(tmp_path, 16)
    record = second.resolve("words").record
    assert _states(second)[0] == ("not embedded", "the next run")
    second.embed(record)
    assert _newest(second).state == "not indexed"
    second.index(record)
    assert _newest(second).held_back  # its checks never ran
    second.check(record)
    assert _states(second) == [("candidate", "the next run"), ("live", "")]
    second.promote(record, by="test")
    assert _states(second) == [("live", ""), ("previous", "")]
    second.roll_back("words", by="test")
    assert _states(second) == [("rolled back from", "a promotion by hand: it was rolled back from"), ("live", "")]


def test_a_version_that_was_never_promoted_and_is_no_longer_meant_waits_for_nothing(
    words: list, tmp_path: Path
) -> None:
    write_notes(tmp_path / "notes", 4)
    for tokens in (16, 32):
        steps = _with_chunks_of(tmp_path, tokens)
        steps.resolve("words")
    assert _states(steps) == [("not embedded", "the next run"), ("superseded", "")]


def test_failed_checks_are_what_a_candidate_waits_for(words: list, tmp_path: Path) -> None:
    write_notes(tmp_path / "notes", 4)
    run_all(pipeline(tmp_path))
    steps = _with_chunks_of(tmp_path, 16)
    record = steps.resolve("words").record
    steps.embed(record)
    table = steps.vectors(record).open()
    assert table is not None
    table.delete("key = 'note-001.txt'")
    steps.index(record)
    steps.check(record)
    newest = _newest(steps)
    assert newest.failures[0].startswith("accounts: 1 items without vectors")
    assert newest.waits_for == f"better rows or a person: {newest.failures[0]}"
