"""The build job and the sensor that launches it: a new store is served by one run, and what is fresh is left alone."""

from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from embed_assets.assets.automation.build_job import build_build_job
from embed_assets.assets.automation.sensors import build_first_build_sensor
from embed_assets.search.searcher import Searcher
from tests.assets.running import Running
from tests.assets.test_liveness import under_way
from tests.support import rewrite, settings, write_notes


@pytest.fixture
def running(words: list, tmp_path: Path, instance: dg.DagsterInstance) -> Running:
    write_notes(tmp_path / "notes", 6)
    return Running(settings(tmp_path, shards=2), instance)


def _stale(running: Running) -> CachingStaleStatusResolver:
    """What the UI shows as stale, by the code that it asks."""
    graph = running.definitions.resolve_asset_graph()
    return CachingStaleStatusResolver(running.instance, graph, LoadingContextForTest(running.instance))


def _materialized(result: dg.ExecuteInProcessResult) -> list[str]:
    return [event.asset_key.path[-1] for event in result.get_asset_materialization_events() if event.asset_key]


def test_one_run_of_the_build_job_serves_a_new_store(running: Running) -> None:
    result = running.build()
    assert result.success
    assert _materialized(result) == [
        "notes_manifest",
        "words_encoder",
        "words_vectors",
        "words_vectors",
        "words_index",
        "words_serving",
        "pipeline_dashboard",
    ]
    checks = {each.check_name for each in result.get_asset_check_evaluations()}
    assert {"readable_share", "dimension", "ann_recall"} <= checks
    assert Searcher(running.steps.store).search("note 3", space="words", k=1)[0].key == "note-003.txt"


@pytest.mark.slow
def test_a_second_build_encodes_nothing_and_a_new_file_is_found(running: Running, words: list, tmp_path: Path) -> None:
    running.build()
    words.clear()
    assert running.build().success
    assert words == []
    rewrite(tmp_path / "notes" / "note-003.txt", "a harbour at dawn")
    assert running.build().success
    assert words == ["a harbour at dawn"]


def test_what_the_build_job_made_is_fresh_until_something_upstream_is_newer(running: Running, tmp_path: Path) -> None:
    def state(name: str, partition: str | None = None) -> StaleStatus:
        return _stale(running).get_status(dg.AssetKey(name), partition)

    running.build()
    version = running.steps.resolve("words").record.version
    shards = [f"s00|{version}", f"s01|{version}"]
    assert {state("words_vectors", key) for key in shards} == {StaleStatus.FRESH}
    assert state("words_serving") == StaleStatus.FRESH
    rewrite(tmp_path / "notes" / "note-003.txt", "another text")
    running.materialize("notes_manifest")
    assert {state("words_vectors", key) for key in shards} == {StaleStatus.STALE}


def test_other_settings_show_as_a_stale_encoder(running: Running, tmp_path: Path) -> None:
    running.build()
    other = Running(
        settings(tmp_path, shards=2, encoders={"words": {"model": "words", "segment": {"max_tokens": 16}}}),
        running.instance,
    )
    resolver = _stale(other)
    assert resolver.get_status(dg.AssetKey("words_encoder")) == StaleStatus.STALE
    assert [cause.reason for cause in resolver.get_stale_causes(dg.AssetKey("words_encoder"))] == [
        "has a new code version"
    ]
    assert resolver.get_status(dg.AssetKey("notes_manifest")) == StaleStatus.FRESH


@pytest.mark.slow
def test_the_first_build_is_asked_for_once_a_version_is_resolved(running: Running) -> None:
    specs = {spec.key: spec for each in running.definitions.resolve_asset_graph().assets_defs for spec in each.specs}
    sensor = build_first_build_sensor(running.names, build_build_job(running.names, specs))

    def look() -> object:
        return sensor(dg.build_sensor_context(instance=running.instance))

    assert isinstance(look(), dg.SkipReason)  # nothing was materialized yet: nobody asked for anything
    running.materialize("words_encoder")
    version = running.steps.resolve("words").record.version
    request = look()
    assert isinstance(request, dg.RunRequest)
    assert request.run_key == f"first-build-{version}"
    under_way(running.instance, {})  # a run of another project keeps nothing waiting
    assert isinstance(look(), dg.RunRequest)
    running.build()
    assert isinstance(look(), dg.SkipReason)
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING


def test_materialize_all_on_a_new_store_fails_nothing(running: Running) -> None:
    """The first stage of the UI's backfill: the assets whose partitions are known, or that have none."""
    for name in ("notes_manifest", "words_encoder", "words_serving"):
        assert running.materialize(name).success
    assert "job build" in str(running.metadata("words_serving")["waiting"].value)


@pytest.mark.slow
def test_the_dashboard_has_the_figures_of_each_space(running: Running, tmp_path: Path) -> None:
    (tmp_path / "notes" / "broken.txt").write_bytes(bytes(range(256)) * 8)
    running.build()
    metadata = running.metadata("pipeline_dashboard")
    figures = {name: entry.value for name, entry in metadata.items() if name.startswith("words: ")}
    assert figures["words: items"] == 6
    assert figures["words: vectors"] == 6
    assert figures["words: stale"] == 0
    assert figures["words: quarantined"] == 1
    assert figures["words: waiting"] == 0
    assert float(str(figures["words: tokens"])) > 0
    rows = metadata["spaces"].records  # pyright: ignore[reportAttributeAccessIssue]
    shown = {row.data["figure"]: row.data["words"] for row in rows}
    assert shown["live"] == f"words/{running.steps.resolve('words').record.version}"
    assert shown["last promotion"]
