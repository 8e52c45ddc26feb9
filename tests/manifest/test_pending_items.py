"""The plan: every item is of one class, by source and shard, and only what is not as it should be is a row."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from embed_assets.manifest.pending_items import Plan
from embed_assets.media.kinds.unsupported_kinds import unsupported
from embed_assets.pipeline.steps import Steps
from tests.support import NOT_ENCODABLE, note, picture, pipeline, refresh_and_embed, rewrite, write_notes

SMALLER = {"words": {"model": "words", "segment": {"max_tokens": 8}}}


@pytest.fixture
def steps(tmp_path: Path, words: list[Any]) -> Steps:
    write_notes(tmp_path / "notes", 20)
    return pipeline(tmp_path)


def planned(steps: Steps, **wanted: Any) -> Plan:
    """The plan of the current version after a refresh of all sources."""
    for source in steps.settings.sources:
        steps.refresh(source)
    return steps.plan(steps.resolve("words").record, **wanted)


def classes(plan: Plan, source: str = "notes") -> dict[str, int]:
    return {name: count for name, count in plan.by_source().get(source, Counter()).items() if count}


def test_without_vectors_everything_is_new(steps):
    plan = planned(steps)
    assert classes(plan) == {"new": 20}
    assert len(plan.encode) == plan.items == 20
    assert not plan.fresh


def test_after_a_run_everything_is_unchanged_and_no_row_is_made(steps):
    refresh_and_embed(steps)
    plan = planned(steps)
    assert classes(plan) == {"unchanged": 20}
    assert plan.fresh
    assert plan.encode == []
    assert plan.rewrite == []
    assert plan.delete == {}


def test_each_change_is_of_its_own_class(steps, tmp_path):
    notes = tmp_path / "notes"
    (notes / "bad.txt").write_text(NOT_ENCODABLE)
    refresh_and_embed(steps)
    rewrite(notes / "note-001.txt", "edited")
    (notes / "note-002.txt").unlink()
    (notes / "note-003.txt").rename(notes / "moved.txt")
    rewrite(notes / "note-004.txt", bytes(range(256)) * 4)
    (notes / "added.txt").write_text("added")
    plan = planned(steps)
    assert classes(plan) == {"new": 1, "edited": 1, "renamed": 1, "deleted": 1, "errored": 2, "unchanged": 16}
    assert {row["key"] for row in plan.encode} == {"note-001.txt", "added.txt"}
    assert [row["key"] for row in plan.rewrite] == ["moved.txt"]
    assert sorted(gone.deleted for gone in plan.delete.values()) == [False, True]
    assert plan.unchanged == {"notes": 17}  # the renamed one has its vectors
    assert plan.quarantined == {
        "notes": {unsupported("application/octet-stream"): 1, "vector not finite": 1},
    }


def test_a_new_label_is_of_the_class_of_renamed_ones(tmp_path, words):
    notes, sidecar = write_notes(tmp_path / "notes", 3), tmp_path / "labels.csv"
    sidecar.write_text("file,label\nnote-001.txt,old\n")
    steps = pipeline(tmp_path, sources={"notes": {"uri": str(notes), "sidecar": str(sidecar)}})
    refresh_and_embed(steps)
    sidecar.write_text("file,label\nnote-001.txt,new\n")
    assert classes(planned(steps)) == {"renamed": 1, "unchanged": 2}


def test_for_a_new_version_equal_bytes_are_stale_other_bytes_edited_and_the_rest_new(steps, tmp_path):
    refresh_and_embed(steps)
    rewrite(tmp_path / "notes" / "note-001.txt", "edited")
    (tmp_path / "notes" / "added.txt").write_text("added")
    plan = planned(pipeline(tmp_path, encoders=SMALLER))
    assert classes(plan) == {"stale": 19, "edited": 1, "new": 1}
    assert len(plan.encode) == 21
    assert plan.replaced == set()  # nothing of them is in this version's table


def test_an_item_that_any_other_version_has_is_stale(steps, tmp_path):
    refresh_and_embed(steps)
    refresh_and_embed(pipeline(tmp_path, encoders=SMALLER), shards={"s00"})
    third = pipeline(tmp_path, encoders={"words": {"model": "words", "segment": {"max_tokens": 12}}})
    assert classes(planned(third)) == {"stale": 20}


def test_an_item_that_failed_is_tried_again_when_its_bytes_change(steps, tmp_path):
    (tmp_path / "notes" / "bad.txt").write_text(NOT_ENCODABLE)
    refresh_and_embed(steps)
    assert classes(planned(steps)) == {"unchanged": 20, "errored": 1}
    rewrite(tmp_path / "notes" / "bad.txt", "a good text")
    assert classes(planned(steps)) == {"unchanged": 20, "new": 1}


def test_shards_add_up_to_the_whole(steps, tmp_path):
    refresh_and_embed(steps, shards={"s00", "s01"})
    (tmp_path / "notes" / "note-000.txt").unlink()
    whole = planned(steps)
    parts = [planned(steps, shards={shard}) for shard in ("s00", "s01", "s02", "s03")]
    assert [set(part.classes) for part in parts] == [{("notes", f"s0{number}")} for number in range(4)]
    assert {key: counts for part in parts for key, counts in part.classes.items()} == whole.classes
    assert sum(part.items for part in parts) == whole.items
    assert sum(sum(counts.values()) for counts in whole.classes.values()) == 20


def test_no_shards_are_no_work(steps):
    assert planned(steps, shards=()).fresh


def test_a_deleted_item_is_named_once_and_then_forgotten(steps, tmp_path):
    refresh_and_embed(steps)
    (tmp_path / "notes" / "note-000.txt").unlink()
    assert classes(planned(steps)) == {"deleted": 1, "unchanged": 19}
    refresh_and_embed(steps)
    plan = planned(steps)
    assert classes(plan) == {"unchanged": 19}
    assert plan.deleted == {"notes": 1}  # the account still has it


def test_an_item_of_several_segments_is_one_item(tmp_path, words):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "long.txt").write_text("\n\n".join(note(number, length=25) for number in range(6)))
    steps = pipeline(tmp_path)
    refresh_and_embed(steps)
    assert classes(planned(steps)) == {"unchanged": 1}
    (tmp_path / "notes" / "long.txt").rename(tmp_path / "notes" / "moved.txt")
    assert classes(planned(steps)) == {"renamed": 1}
    (tmp_path / "notes" / "moved.txt").unlink()
    assert classes(planned(steps)) == {"deleted": 1}


def test_sources_are_reported_apart(tmp_path, words):
    sources = {name: {"uri": str(write_notes(tmp_path / name, count))} for name, count in (("one", 2), ("two", 3))}
    steps = pipeline(tmp_path, sources=sources)
    assert planned(steps).by_source() == {"one": {"new": 2}, "two": {"new": 3}}


def test_an_item_of_a_kind_that_the_encoder_is_not_fed_any_more_goes(tmp_path, words):
    notes = write_notes(tmp_path / "notes", 2)
    (notes / "photo.png").write_bytes(picture(1))
    both = {"words": {"model": "words", "media": ["text", "image"]}}
    refresh_and_embed(pipeline(tmp_path, encoders=both))
    plan = planned(pipeline(tmp_path))  # fed or not is no part of the version
    assert classes(plan) == {"deleted": 1, "unchanged": 2}


def test_an_item_whose_segments_are_of_two_contents_or_not_whole_is_embedded_again(tmp_path, words):
    """What two runs leave that write one item at once."""
    write_notes(tmp_path / "notes", 3, length=40)
    steps = pipeline(tmp_path, encoders=SMALLER)
    refresh_and_embed(steps)
    table = steps.vectors(steps.resolve("words").record).open()
    assert table is not None
    rows = table.search().limit(100).to_arrow().sort_by("segment_id").to_pylist()
    first, second = rows[0]["media_id"], rows[-1]["media_id"]
    table.update(where=f"segment_id = '{rows[0]['segment_id']}'", values={"media_hash": "another"})
    table.delete(f"segment_id = '{rows[-1]['segment_id']}'")
    plan = planned(steps)
    assert {row["media_id"] for row in plan.encode} == {first, second} == set(plan.replaced)
    report = refresh_and_embed(steps)
    assert report.total("reused") + report.total("embedded") == 2
    assert planned(steps).fresh
