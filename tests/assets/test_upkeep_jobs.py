"""Jobs without encoding: roll-back, retirement and maintenance, as the UI launches them."""

from pathlib import Path

import dagster as dg
import pytest

from embed_assets.store.versions import VersionId
from tests.assets.kept_run import KeptRun
from tests.assets.running import QUIET, Running
from tests.kept import Kept
from tests.support import rewrite, settings, write_notes

_OTHER = {"words": {"model": "words", "segment": {"max_tokens": 16}}}  # cut otherwise: another version


@pytest.fixture
def tmp_path(kept: Kept) -> Path:
    return kept.folder


@pytest.fixture
def first(words: list, tmp_path: Path, instance: dg.DagsterInstance, kept_run: KeptRun) -> Running:
    """One version, live."""
    running = Running(settings(tmp_path), instance)
    kept_run.once("first", lambda: write_notes(tmp_path / "notes", 6) and _serve(running))
    return running


@pytest.fixture
def second(first: Running, tmp_path: Path, kept_run: KeptRun) -> Running:
    """Another version, promoted over the first."""
    running = Running(settings(tmp_path, encoders=_OTHER), first.instance)
    kept_run.once("second", lambda: _serve(running))
    return running


def _serve(running: Running) -> None:
    assert running.embed().success
    assert running.promote().success


def _launch(running: Running, job: str, **config: object) -> dg.ExecuteInProcessResult:
    op = {"ops": {f"{job}_op": {"config": config}}} if config else {}
    return running.definitions.resolve_job_def(job).execute_in_process(
        instance=running.instance, run_config={**QUIET, **op}, raise_on_error=False
    )


def _why(result: dg.ExecuteInProcessResult) -> str:
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    assert failed.step_failure_data.error is not None
    return failed.step_failure_data.error.to_string() + str(failed.step_failure_data.user_failure_data)


def _versions(running: Running) -> tuple[str | None, str | None]:
    pointer = running.steps.store.serving.pointer("words")
    live, previous = (release and release.encoder_version for release in (pointer.live, pointer.previous))
    return live, previous


def test_roll_back_moves_the_pointer_and_shows_on_the_serving_asset(second: Running, words: list) -> None:
    new, old = _versions(second)
    words.clear()
    result = _launch(second, "words_rollback")
    assert result.success
    assert _versions(second) == (old, new)
    assert words == []
    live = second.steps.store.serving.pointer("words").live
    shown = second.metadata("words_serving")
    assert live is not None and shown["live"].value == live.key
    assert shown["moved by"].value == f"dagster run {result.run_id}"
    event = second.instance.get_latest_materialization_event(dg.AssetKey("words_serving"))
    assert event is not None and event.asset_materialization is not None
    assert (event.asset_materialization.tags or {})["dagster/data_version"] == live.key


def test_roll_back_goes_to_a_named_version(second: Running) -> None:
    new, old = _versions(second)
    assert old is not None
    assert _launch(second, "words_rollback", to=old).success
    assert _versions(second) == (old, new)


def test_roll_back_without_a_version_before_says_so(first: Running) -> None:
    result = _launch(first, "words_rollback")
    assert not result.success
    assert "words" in _why(result)
    assert first.steps.store.serving.pointer("words").generation == 1


@pytest.mark.slow
def test_retire_drops_the_table_and_the_partition_key(second: Running, tmp_path: Path) -> None:
    new, old = _versions(second)
    another = {"words": {"model": "words", "segment": {"max_tokens": 24}}}
    third = Running(settings(tmp_path, encoders=another), second.instance)
    assert third.embed().success
    assert third.promote().success
    newest, previous = _versions(third)
    assert previous == new
    assert old not in (newest, previous)
    assert old is not None
    assert _launch(third, "retire", encoder="words", version=old).success
    assert third.instance.get_dynamic_partitions("words_versions") == [new, newest]
    assert f"words__{old}" not in third.steps.store.table_names()


def test_retire_refuses_what_is_served_and_keeps_its_partition(second: Running) -> None:
    new, old = _versions(second)
    assert old is not None
    result = _launch(second, "retire", encoder="words", version=old)
    assert not result.success
    assert old in _why(result)
    assert second.instance.get_dynamic_partitions("words_versions") == [old, new]


def test_retire_of_what_there_is_not_says_so(first: Running) -> None:
    result = _launch(first, "retire", encoder="wrds", version="abc")
    assert not result.success
    assert "Encoder 'wrds' has no version 'abc'. Its versions: none" in _why(result)


@pytest.mark.slow
def test_a_version_of_an_encoder_that_left_the_settings_can_be_retired(first: Running, tmp_path: Path) -> None:
    version, _ = _versions(first)
    assert version is not None
    for tokens in (16, 24):  # the pointer names the latest two
        others = {"others": {"model": "words", "segment": {"max_tokens": tokens}}}
        running = Running(settings(tmp_path, encoders=others), first.instance)
        assert running.embed("others").success
        assert running.promote("others").success
    result = _launch(running, "retire", encoder="words", version=version)
    assert result.success
    assert f"words__{version}" not in running.steps.store.table_names()
    assert first.instance.get_dynamic_partitions("words_versions") == []


@pytest.mark.slow
def test_serving_without_a_version_never_undoes_a_roll_back(second: Running) -> None:
    new, old = _versions(second)
    assert _launch(second, "words_rollback").success
    job = second.definitions.resolve_implicit_global_asset_job_def()
    serving = [dg.AssetKey("words_serving")]
    result = job.execute_in_process(instance=second.instance, asset_selection=serving, run_config=QUIET)
    assert result.success
    assert _versions(second) == (old, new)
    assert second.promote().success  # of a version, by hand
    assert _versions(second) == (new, old)


@pytest.mark.slow
def test_maintain_shows_what_it_did_and_search_goes_on(
    words: list, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    notes = write_notes(tmp_path / "notes", 12)
    maintenance = {"max_small_fragments": 2, "max_deleted_share": 0.01}
    running = Running(settings(tmp_path, maintenance=maintenance), instance)
    assert running.embed().success
    for number in range(4):  # one more fragment each
        rewrite(notes / f"note-{number:03d}.txt", f"edited {number}")
        assert running.embed().success
    assert running.promote().success
    before = running.steps.store.serving.pointer("words")
    result = _launch(running, "maintain", seconds=60)
    assert result.success
    (output,) = [event for event in result.all_events if event.event_type_value == "STEP_OUTPUT"]
    metadata = output.step_output_data.metadata
    assert {"compacted", "cleaned", "bytes removed", "seconds"} <= set(metadata)
    after = running.steps.store.serving.pointer("words")
    assert after.live is not None and before.live is not None
    assert after.live.rows == 12
    record = running.steps.current_version("words")
    assert record is not None and running.steps.is_up_to_date(record)
    if after.generation != before.generation:
        assert running.metadata("words_serving")["live"].value == after.live.key


def test_maintenance_on_a_new_store_does_nothing(words: list, tmp_path: Path, instance: dg.DagsterInstance) -> None:
    assert _launch(Running(settings(tmp_path), instance), "maintain").success


def test_a_version_is_reembedded_in_one_run_from_the_manifest_as_it_is(first: Running, tmp_path: Path) -> None:
    running = Running(settings(tmp_path, encoders=_OTHER), first.instance)
    version = running.steps.resolve("words").record.version
    running.instance.add_dynamic_partitions("words_versions", [version])
    job = running.definitions.resolve_job_def("words_reembed")
    assert job.backfill_policy.max_partitions_per_run is None  # a backfill of it is one run
    (tmp_path / "notes" / "another.txt").write_text("not listed yet")
    tags = {
        "dagster/asset_partition_range_start": f"s00|{version}",
        "dagster/asset_partition_range_end": f"s03|{version}",
    }
    result = running._run("words_reembed", tags=tags)
    assert result.success
    assert {event.asset_key for event in result.get_asset_materialization_events()} == {dg.AssetKey("words_vectors")}
    table = running.steps.vectors(running.steps.version(VersionId("words", version))).open()
    assert table is not None and table.count_rows() == 6
