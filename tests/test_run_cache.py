"""Run cache: nothing is computed twice in a run, and no result outlives a change of what it depends on."""

from pathlib import Path
from typing import Any

from embed_assets.manifest.refresh import shard_names
from embed_assets.pipeline.context import RunContext
from embed_assets.run_cache import cached, run_cache
from tests.support import note, pipeline, refresh_and_embed, rewrite, settings, write_notes


class Counted:
    """Makes another number each time."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self) -> int:
        self.made += 1
        return self.made


def test_what_a_run_has_made_it_gets_again_while_what_it_was_made_of_stays():
    make = Counted()
    with run_cache():
        assert [cached(key, make, depends_on=1) for key in ("a", "a", "b")] == [1, 1, 2]
        assert [cached("a", make, depends_on=2), cached("a", make, depends_on=1)] == [3, 4]


def test_without_a_run_and_after_it_everything_is_made_again():
    make = Counted()
    with run_cache():
        cached("a", make)
    assert [cached("a", make), cached("a", make)] == [2, 3]
    with run_cache():
        assert cached("a", make) == 4


def test_a_run_lists_a_source_once_and_the_next_run_finds_what_came_meanwhile(tmp_path: Path, words: list[Any]):
    notes = write_notes(tmp_path / "notes", 3)
    steps = pipeline(tmp_path)
    with run_cache():
        assert steps.listing_differs("notes")
        (notes / "late.txt").write_text(note(99))
        assert steps.refresh("notes").new == 3
        assert not steps.listing_differs("notes")
    assert steps.refresh("notes").new == 1


def test_a_plan_that_was_made_before_something_was_written_is_not_gone_by(tmp_path: Path, words: list[Any]):
    notes = write_notes(tmp_path / "notes", 3)
    steps = pipeline(tmp_path)
    refresh_and_embed(steps)
    record = steps.resolve("words").record
    rewrite(notes / "note-001.txt", "other words")
    with run_cache():
        assert steps.plan(record).fresh
        steps.refresh("notes")
        assert [row["key"] for row in steps.plan(record).encode] == ["note-001.txt"]
        steps.embed(record)
        assert steps.plan(record).fresh


def test_what_is_in_shards_of_another_number_is_embedded_with_all_shards(tmp_path: Path, words: list[Any]):
    notes = write_notes(tmp_path / "notes", 20)
    refresh_and_embed(pipeline(tmp_path, shards=8))
    for file in notes.iterdir():
        rewrite(file, f"{file.name} says other words")
    steps = pipeline(tmp_path, shards=2)
    steps.refresh("notes")
    record = steps.resolve("words").record
    assert steps.embed(record, shards=shard_names(2)).total("embedded") == 20
    assert steps.plan(record).fresh


def test_all_steps_of_a_run_share_the_processes_that_decode(tmp_path: Path):
    first, second = RunContext(settings(tmp_path)), RunContext(settings(tmp_path))
    other = RunContext(settings(tmp_path, limits={"decode_seconds": 7}))
    with run_cache():
        assert first.decoders is not None
        assert second.decoders is first.decoders
        assert other.decoders is not first.decoders
    assert RunContext(settings(tmp_path)).decoders is not first.decoders
