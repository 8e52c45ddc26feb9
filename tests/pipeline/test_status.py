"""Status: what a store says of itself, from the store alone."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from embed_assets.errors import PromotionError
from embed_assets.media.kinds.unsupported_kinds import unsupported
from embed_assets.pipeline.plan_report import plan_pipeline
from embed_assets.pipeline.quarantined_items import quarantined
from embed_assets.pipeline.status import read_status
from embed_assets.pipeline.steps import Steps
from tests.kept import Kept
from tests.support import (
    NOT_ENCODABLE,
    note,
    pipeline,
    refresh_and_embed,
    rewrite,
    run_all,
    table_versions,
    write_notes,
)

SMALLER = {"words": {"model": "words", "segment": {"max_tokens": 8}}}


@pytest.fixture
def tmp_path(kept: Kept) -> Path:
    return kept.folder


@pytest.fixture
def steps(tmp_path: Path, words: list[Any]) -> Steps:
    write_notes(tmp_path / "notes", 10)
    return pipeline(tmp_path)


def test_a_new_store_has_nothing_to_tell(tmp_path):
    status = read_status(pipeline(tmp_path))
    assert status.sources == ()
    assert status.encoders == ()


def test_a_version_goes_from_resolved_to_candidate_to_live(steps):
    record = steps.resolve("words").record
    assert read_status(steps).encoders[0].state == "not embedded"
    refresh_and_embed(steps)
    steps.index(record)
    assert read_status(steps).encoders[0].state == "candidate"
    assert not read_status(steps).fresh
    steps.check(record)
    steps.promote(record, by="test")
    status = read_status(steps)
    assert status.encoders[0].state == "live"
    assert status.fresh
    assert status.encoders[0].vectors == 10
    assert status.encoders[0].dim == 32
    assert status.encoders[0].space == "words"


def test_what_a_refresh_found_and_nobody_encoded_is_stale(steps, tmp_path, kept):
    kept.once("run", lambda: run_all(steps))
    (tmp_path / "notes" / "added.txt").write_text("added")
    (tmp_path / "notes" / "note-000.txt").unlink()
    assert read_status(steps).encoders[0].stale == 0  # the manifest has not seen it yet
    steps.refresh("notes")
    status = read_status(steps)
    assert status.encoders[0].stale == 2
    assert not status.fresh


def test_the_account_of_a_source_adds_up(steps, tmp_path):
    (tmp_path / "notes" / "bad.txt").write_text(NOT_ENCODABLE)
    (tmp_path / "notes" / "copy.txt").write_text(note(3))
    (tmp_path / "notes" / "data.bin").write_bytes(b"\x00\x01\x02\xff" * 8)
    run_all(steps)
    own, unknown = read_status(steps).sources
    assert own.embedded == 10
    assert own.reused == 1
    assert own.quarantined == 1
    assert own.items == 12
    assert own.reasons == {"vector not finite": 1}
    assert unknown.encoder == ""
    assert unknown.reasons == {unsupported("application/octet-stream"): 1}


@pytest.mark.slow
def test_what_nothing_can_read_counts_once_for_its_source_and_against_no_encoder(tmp_path, words):
    write_notes(tmp_path / "notes", 3)
    for number in range(2):
        (tmp_path / "notes" / f"data-{number}.bin").write_bytes(b"\x00\x01\x02\xff" * 8)
    encoders = {"words": {"model": "words"}, "again": {"model": "slow-words", "space": "other"}}
    steps = pipeline(tmp_path, encoders=encoders)
    run_all(steps)
    status = read_status(steps)
    assert [encoder.failures for encoder in status.encoders] == [(), ()]
    why = "2 of 5 items can't be read, or are of no known kind (40.0%, at most 5.0%)"
    assert status.unusable == {"notes": f"{why}: {unsupported('application/octet-stream')} 2"}


def test_checks_and_their_failures_are_reported(tmp_path, words):
    write_notes(tmp_path / "notes", 10)
    (tmp_path / "notes" / "bad.txt").write_text(NOT_ENCODABLE)
    steps = pipeline(tmp_path, checks={"max_quarantined_share": 0.01})
    run_all(steps)
    status = read_status(steps).encoders[0]
    assert status.checks - status.checks_passed == 1
    assert status.state == "live"
    assert status.failures == ("quarantined_share: 1 of 11 items (9.1%, at most 1.0%): vector not finite 1",)


def test_a_version_that_a_blocking_check_held_back_stays_a_candidate(steps, tmp_path, kept):
    kept.once("run", lambda: run_all(steps))
    (tmp_path / "notes" / "added.txt").write_text("added")
    refresh_and_embed(steps)
    record = steps.resolve("words").record
    steps.store.open(record.table).delete("key = 'note-004.txt'")
    steps.index(record)
    steps.check(record)
    with pytest.raises(PromotionError, match="accounts: 1 items without vectors"):
        steps.promote(record, by="test")
    status = read_status(steps).encoders[0]
    assert status.state == "candidate"
    assert status.stale == 1
    assert status.failures[0].startswith("accounts: 1 items without vectors")
    live = steps.store.serving.pointer("words").live
    assert live is not None
    assert live.rows == 10
    assert steps.embed(record).total("embedded") == 1  # and the next run mends it


def test_a_new_version_is_reported_beside_the_one_that_serves(steps, tmp_path, kept):
    kept.once("run", lambda: run_all(steps))
    before = steps.resolve("words").record
    second = pipeline(tmp_path, encoders=SMALLER)
    record = refresh_and_embed(second).version
    status = read_status(second)
    now = status.encoders[0]
    assert now.version == record
    assert now.state == "not indexed"
    assert now.live == f"words/{before.version}"
    assert [(kept.version, kept.state, kept.vectors, kept.stale) for kept in now.kept] == [
        (before.version, "live", 10, 0)
    ]
    assert not status.fresh
    run_all(second)
    now = read_status(second).encoders[0]
    assert now.state == "live"
    assert [kept.state for kept in now.kept] == ["previous"]
    assert now.fresh


def test_a_version_to_go_back_to_that_is_behind_makes_the_pipeline_stale(steps, tmp_path, kept):
    kept.once("run", lambda: run_all(steps))
    second = pipeline(tmp_path, encoders=SMALLER)
    run_all(second)
    (tmp_path / "notes" / "added.txt").write_text("added")
    run_all(second)  # the current version alone
    status = read_status(second).encoders[0]
    assert status.stale == 0
    assert [kept.stale for kept in status.kept] == [1]
    assert not status.fresh


def test_a_version_that_was_rolled_back_from_is_held_and_all_is_fresh(steps, tmp_path, kept):
    kept.once("run", lambda: run_all(steps))
    second = pipeline(tmp_path, encoders=SMALLER)
    run_all(second)
    second.roll_back("words", by="test")
    status = read_status(second)
    now = status.encoders[0]
    assert now.state == "candidate"
    assert now.held == (now.version,)
    assert [kept.state for kept in now.kept] == ["live"]
    assert status.fresh


def test_a_candidate_that_waits_for_a_hand_leaves_a_run_nothing_to_do(tmp_path, words):
    write_notes(tmp_path / "notes", 10)
    steps = pipeline(tmp_path, spaces={"words": {"promotion": "manual"}})
    refresh_and_embed(steps)
    record = steps.resolve("words").record
    steps.index(record)
    steps.check(record)
    steps.serve(record, by="test")
    status = read_status(steps)
    assert status.encoders[0].state == "candidate"
    assert status.encoders[0].live is None
    assert status.fresh


def test_reading_the_status_writes_nothing_and_loads_no_model(steps, words, kept):
    kept.once("run", lambda: run_all(steps))
    before = table_versions(steps.store)
    words.clear()
    read_status(steps)
    assert table_versions(steps.store) == before
    assert words == []


def test_the_document_is_json(steps, kept):
    kept.once("run", lambda: run_all(steps))
    status = read_status(steps)
    again = json.loads(json.dumps(status.document()))
    assert again["fresh"] is True
    assert again["encoders"][0]["version"] == status.encoders[0].version


def test_a_version_that_is_embedded_in_part_says_so_and_counts_its_vectors(steps, tmp_path):
    steps.refresh("notes")
    record = steps.resolve("words").record
    steps.embed(record, shards=["s00", "s01"])
    now = read_status(steps).encoders[0]
    assert now.state == "in part"
    assert not now.fresh
    assert 0 < now.vectors == 10 - now.stale


def test_what_could_not_be_read_leaves_a_run_something_to_do(steps, tmp_path, kept):
    kept.once("run", lambda: run_all(steps))
    unread = tmp_path / "notes" / "note-001.txt"
    rewrite(unread, "other words")
    steps.refresh("notes")
    elsewhere = unread.rename(tmp_path / "elsewhere.txt")
    record = steps.resolve("words").record
    assert steps.embed(record).total("quarantined") == 1  # it was there when it was listed
    elsewhere.rename(unread)
    assert read_status(steps).encoders[0].stale == 1
    assert plan_pipeline(steps).encoders[0].versions[0].plan.items == 1


def test_an_encoder_that_has_no_version_yet_leaves_a_run_something_to_do(steps, tmp_path, kept):
    kept.once("run", lambda: run_all(steps))
    assert read_status(steps).fresh
    more = {"words": {"model": "words"}, "more": {"model": "words", "space": "more"}}
    status = read_status(pipeline(tmp_path, encoders=more))
    assert status.unresolved == ("more",)
    assert not status.fresh


def test_a_query_set_that_is_gone_does_not_keep_the_status_from_being_read(steps, tmp_path):
    queries = tmp_path / "queries.jsonl"
    queries.write_text(json.dumps({"query": "note 1", "relevant": ["note-001.txt"]}) + "\n")
    judged = pipeline(tmp_path, spaces={"words": {"queries": str(queries)}})
    run_all(judged)
    assert read_status(judged).fresh
    queries.unlink()
    assert not read_status(judged).fresh


def test_items_that_an_encoder_without_a_version_may_take_are_not_reported_as_taken_by_none(tmp_path, words):
    write_notes(tmp_path / "notes", 1)
    Image.new("RGB", (8, 8)).save(tmp_path / "notes" / "dot.png")
    both = {"words": {"model": "words"}, "dots": {"model": "builtin/pixels"}}
    steps = pipeline(tmp_path, encoders=both)
    steps.refresh("notes")
    steps.resolve("words")
    status = read_status(steps)
    assert status.unencoded == {}
    assert status.unresolved == ("dots",)
    assert quarantined(steps) == []
    alone = pipeline(tmp_path)
    assert read_status(alone).unencoded == {"notes": {"image": 1}}
    assert [each.key for each in quarantined(alone)] == ["dot.png"]
