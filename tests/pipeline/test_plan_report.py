"""The plan of a pipeline: what, why, what it costs, and what gates it; planning registers and encodes nothing."""

import json
from pathlib import Path
from typing import Any

import pytest

from embed_assets.pipeline.plan_report import EncoderPlan, plan_encoder, plan_pipeline, plan_tables
from embed_assets.pipeline.steps import Steps
from tests.support import pipeline, rewrite, run_all, table_versions, write_notes, write_weights

SMALLER = {"words": {"model": "words", "segment": {"max_tokens": 8}}}


@pytest.fixture
def steps(tmp_path: Path, words: list[Any]) -> Steps:
    write_notes(tmp_path / "notes", 10)
    return pipeline(tmp_path)


def only(steps: Steps, **wanted: Any) -> EncoderPlan:
    (found,) = plan_pipeline(steps, **wanted).encoders
    return found


def test_planning_registers_encodes_and_promotes_nothing(steps, tmp_path, words):
    run_all(steps)
    before = table_versions(steps.store)
    words.clear()
    assert not plan_pipeline(pipeline(tmp_path, encoders=SMALLER)).fresh
    assert table_versions(steps.store) == before
    assert words == []
    assert len(steps.store.versions.of("words")) == 1


def test_planning_reads_what_changed_since(steps, tmp_path):
    run_all(steps)
    rewrite(tmp_path / "notes" / "note-001.txt", "edited")
    plan = plan_pipeline(steps)
    assert plan.refreshed[0].edited == 1
    assert not plan.fresh
    assert plan.encoders[0].versions[0].plan.by_source()["notes"] == {"edited": 1, "unchanged": 9}


def test_after_a_run_there_is_nothing_to_plan(steps):
    run_all(steps)
    plan = plan_pipeline(steps)
    assert plan.fresh
    assert plan.encoders[0].versions[0].role == "live"
    assert plan.total.items == 0


def test_a_new_version_is_planned_beside_the_live_one_and_says_why(steps, tmp_path):
    run_all(steps)
    (tmp_path / "notes" / "added.txt").write_text("added")
    found = only(pipeline(tmp_path, encoders=SMALLER))
    new, live = found.versions
    assert new.role == "new"
    assert live.role == "live"
    assert new.plan.by_source()["notes"] == {"stale": 10, "new": 1}
    assert live.plan.by_source()["notes"] == {"new": 1, "unchanged": 10}
    assert found.against == live.record.version
    assert [(change.part, change.before, change.after) for change in found.changes] == [
        ("segment.max_tokens", "unset", "8")
    ]
    assert {"weights", "stored.dtype", "segment.overlap"} <= set(found.same)


def test_swapped_weights_are_named_with_their_hashes(steps, plugin_folder):
    run_all(steps)
    write_weights(plugin_folder / "weights", seed=1)
    try:
        found = only(steps)
    finally:
        write_weights(plugin_folder / "weights")
    changed = {change.part: change for change in found.changes}
    assert set(changed) == {"weights", "file model.safetensors"}
    assert all(each.before != each.after and len(str(each.after)) == 64 for each in changed.values())
    assert found.versions[0].role == "new"


def test_a_candidate_that_did_not_get_through_is_not_settled(steps):
    steps.refresh("notes")
    record = steps.resolve("words").record
    steps.embed(record)
    found = only(steps)
    assert found.versions[0].role == "candidate"
    assert found.versions[0].plan.fresh
    assert not found.fresh


@pytest.mark.slow
def test_a_version_that_was_rolled_back_from_is_held_and_leaves_nothing_to_do(steps, tmp_path):
    run_all(steps)
    second = pipeline(tmp_path, encoders=SMALLER)
    run_all(second)
    second.roll_back("words", by="test")
    found = only(second)
    assert found.gate.held
    assert found.gate.by_hand == "it was rolled back from"
    assert [version.role for version in found.versions] == ["previous", "live"]
    assert found.fresh


def test_the_gate_shows_the_blocking_checks_the_mode_and_the_judgements(tmp_path, words):
    write_notes(tmp_path / "notes", 3)
    queries = tmp_path / "queries.jsonl"
    queries.write_text(json.dumps({"query": "note 1", "relevant": ["note-001.txt"]}) + "\n")
    spaces = {"words": {"promotion": "manual", "queries": str(queries)}}
    gate = only(pipeline(tmp_path, spaces=spaces)).gate
    assert gate.promotion == "manual"
    assert not gate.held
    assert gate.judged == 1
    assert gate.by_hand == "spaces.words.promotion is manual"
    assert {"accounts", "ann_recall", "dimension", "unit_vectors"} <= set(gate.blocking)


def test_what_an_earlier_run_measured_shows_the_cost(steps, tmp_path):
    run_all(steps)
    found = only(pipeline(tmp_path, encoders=SMALLER))
    told = found.versions[0].total
    assert told.items == 10
    assert told.unit == "tokens"
    assert told.seconds and told.bytes
    assert told.basis[0].startswith(f"measured with version {found.against}: 10 items on cpu")


def test_without_a_measurement_the_cost_is_unknown_until_a_sample_is_taken(steps, words):
    assert only(steps).versions[0].total.segments is None
    told = only(steps, sample=4).versions[0].total
    assert told.items == 10
    assert told.basis == ("sampled: 4 items on cpu",)
    assert told.segments and told.seconds
    assert len(words) == 4
    assert "words" not in {name.partition("__")[0] for name in steps.store.table_names()}


def test_the_same_as_plain_rows(steps, tmp_path):
    run_all(steps)
    (tmp_path / "notes" / "added.txt").write_text("added")
    steps.refresh("notes")
    tables = plan_tables(plan_encoder(steps, "words", resolved=steps.resolve("words")))
    assert [(row["role"], row["source"], row["new"], row["unchanged"]) for row in tables["items"]] == [
        ("live", "notes", 1, 10)
    ]
    assert sum(row["new"] for row in tables["shards"]) == 1
    assert tables["forecast"][0]["items"] == 1
    assert {"what": "promotion", "value": "automatic"} in tables["gate"]
    assert tables["why"] == []


def test_the_document_is_json(steps, tmp_path):
    run_all(steps)
    plan = plan_pipeline(pipeline(tmp_path, encoders=SMALLER))
    again = json.loads(json.dumps(plan.document()))
    assert not again["fresh"]
    assert again["encoders"][0]["versions"][0]["role"] == "new"
    assert again["total"]["items"] == 10


def test_a_space_that_serves_another_encoder_is_named(tmp_path, words):
    write_notes(tmp_path / "notes", 3)
    both = {"words": {"model": "words"}, "others": {"model": "words", "segment": {"max_tokens": 8}}}
    steps = pipeline(tmp_path, encoders=both)
    run_all(steps)
    live = steps.store.serving.pointer("words").live
    assert live is not None
    planned = {found.encoder: found for found in plan_pipeline(steps).encoders}
    assert {found.live for found in planned.values()} == {f"{live.encoder}/{live.encoder_version}"}
    (waiting,) = (gate for name, found in planned.items() if name != live.encoder and (gate := found.gate))
    assert waiting.promotion == "manual"
    assert waiting.by_hand == f"encoder {live.encoder!r} of the settings serves the space"
