"""Definitions: what they hold, what they cost to load, how they merge with a host's."""

import json
import os
import subprocess
import sys
import warnings
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from embed_assets.assets.automation.jobs import build_jobs
from embed_assets.assets.encoder import register_version
from embed_assets.assets.names import AUTOMATIC, grid_range
from embed_assets.assets.pipeline import (
    build_definitions,
    build_embedding_assets,
    build_index_checks,
    build_names,
    build_resources,
)
from embed_assets.assets.resources import EncoderResource, StoreResource, encoders_of_run
from embed_assets.errors import SettingsError, UnknownEncoderError
from embed_assets.pipeline.steps import Steps
from embed_assets.search.searcher import Searcher
from embed_assets.settings import JOB_KINDS, SCHEDULE_KINDS, SENSOR_KINDS, PipelineSettings
from embed_assets.store.store import Store
from tests.assets.running import QUIET, Running
from tests.support import REPOSITORY, all_rows, settings, write_notes

_HEAVY = ("torch", "torchvision", "transformers", "sentence_transformers", "lancedb", "lance", "sklearn")


def _python(code: str, cwd: Path, **environ: str) -> str:
    env = {**os.environ, "DAGSTER_HOME": str(cwd), **environ}
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=REPOSITORY, env=env, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def test_the_code_location_loads_no_heavy_library(tmp_path: Path) -> None:
    code = (
        f"import json, sys, jobs.definitions as d; d.defs; print(json.dumps([m for m in {_HEAVY} if m in sys.modules]))"
    )
    assert json.loads(_python(code, tmp_path)) == []


def test_the_workspace_validates(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "dagster", "definitions", "validate", "-w", "workspace.yaml"]
    env = {**os.environ, "DAGSTER_HOME": str(tmp_path)}
    done = subprocess.run(command, cwd=REPOSITORY, env=env, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


def test_every_asset_says_what_it_is(words: list, tmp_path: Path) -> None:
    definitions = build_definitions(settings(tmp_path, owners=["team:search"]))
    specs = {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}
    of_words = ("words_encoder", "words_vectors", "words_index", "words_serving")
    assert set(specs) == {"notes_manifest", *of_words, "pipeline_dashboard"}
    for name, spec in specs.items():
        assert spec.description, name
        assert spec.kinds, name
        assert spec.owners == ["team:search"], name
    assert {spec.group_name for spec in specs.values()} == {"sources", "words", "pipeline"}


@pytest.mark.parametrize(
    ("model", "library"),
    [("embedded:clip", "huggingface"), ("vgg16", "pytorch"), ("pixels", "python"), ("openai-3-small", "openai")],
)
def test_the_badge_is_of_what_an_encoder_runs_on(words: list, tmp_path: Path, model: str, library: str) -> None:
    changed = settings(tmp_path, encoders={"one": {"model": model}, "plugin": {"model": "words"}})
    specs = {spec.key.to_user_string(): spec for spec in build_definitions(changed).resolve_all_asset_specs()}
    assert specs["one_encoder"].kinds == {library}
    assert specs["plugin_vectors"].kinds == {"lancedb", "python"}


def test_the_checks_block_where_they_say_so(words: list, tmp_path: Path) -> None:
    graph = build_definitions(settings(tmp_path)).resolve_asset_graph()
    blocking = {key.name for key in graph.asset_check_keys if graph.get(key).blocking}
    others = {key.name for key in graph.asset_check_keys} - blocking
    assert blocking == {"dimension", "unit_vectors", "accounts", "ann_recall", "compared_with_live"}
    assert others == {"labelled_retrieval", "quarantined_share", "collapsed_vectors", "readable_share"}


def test_definitions_merge_with_a_host_that_has_its_own_executor(words: list, tmp_path: Path) -> None:
    @dg.asset
    def of_the_host() -> None: ...

    host = dg.Definitions(assets=[of_the_host], executor=dg.multiprocess_executor)
    merged = dg.Definitions.merge(host, build_definitions(settings(tmp_path)))
    assert len(merged.resolve_asset_graph().get_all_asset_keys()) == 7


def test_a_key_prefix_goes_before_every_asset_and_job(words: list, tmp_path: Path) -> None:
    definitions = build_definitions(settings(tmp_path, key_prefix=["media"]))
    keys = definitions.resolve_asset_graph().get_all_asset_keys()
    assert {key.path[0] for key in keys} == {"media"}
    assert {job.name for job in definitions.resolve_all_job_defs() if not job.name.startswith("__")} == {
        "media_build",
        "media_words_embed",
        "media_words_reembed",
        "media_words_promote",
        "media_words_recall",
        "media_words_rollback",
        "media_retire",
        "media_maintain",
    }


def _automation(pipeline: PipelineSettings) -> dict[str, set[str]]:
    """Names of the jobs, schedules and sensors that a code location of the pipeline has."""
    repository = build_definitions(pipeline).get_repository_def()
    repository.load_all_definitions()
    return {
        "jobs": {name for name in repository.job_names if not name.startswith("__")},
        "schedules": {each.name for each in repository.schedule_defs},
        "sensors": {each.name for each in repository.sensor_defs},
    }


def test_every_job_schedule_and_sensor_is_of_a_kind_that_can_be_left_out(words: list, tmp_path: Path) -> None:
    found = _automation(settings(tmp_path))
    prefixes = ("", "notes_", "words_")
    for names, kinds in [("jobs", JOB_KINDS), ("schedules", SCHEDULE_KINDS), ("sensors", SENSOR_KINDS)]:
        assert len(found[names]) == len(kinds)
        assert found[names] <= {f"{prefix}{kind}" for prefix in prefixes for kind in kinds}


@pytest.mark.parametrize(
    ("automation", "jobs", "schedules", "sensors"),
    [
        ({"jobs": False}, set(), set(), set()),
        ({"jobs": False, "enabled": True}, set(), set(), {"automation"}),
        (
            {"schedules": False, "sensors": ["new_media", "first_build"], "jobs": ["embed", "promote", "maintain"]},
            {"words_embed", "words_promote", "maintain"},
            set(),
            {"notes_new_media"},
        ),
        (
            {"jobs": ["build", "embed", "rollback", "recall"]},
            {"build", "words_embed", "words_rollback", "words_recall"},
            {"words_nightly", "words_weekly_recall"},
            {"first_build", "notes_new_media", "words_new_revision"},
        ),
    ],
)
def test_jobs_schedules_and_sensors_can_be_left_out(
    words: list, tmp_path: Path, automation: dict[str, Any], jobs: set, schedules: set, sensors: set
) -> None:
    found = _automation(settings(tmp_path, automation=automation))
    assert found == {"jobs": jobs, "schedules": schedules, "sensors": sensors}


def test_jobs_that_are_given_stay(words: list, tmp_path: Path) -> None:
    chosen = settings(tmp_path, automation={"jobs": False, "schedules": False, "sensors": False})
    definitions = build_definitions(chosen, jobs=build_jobs(build_names(chosen)[0]))
    assert definitions.resolve_job_def("words_embed")


def test_two_pipelines_with_their_own_prefix_merge(words: list, tmp_path: Path) -> None:
    both = [
        build_definitions(settings(tmp_path, key_prefix=[prefix], automation={"enabled": True}))
        for prefix in ("media", "archive")
    ]
    repository = dg.Definitions.merge(*both).get_repository_def()
    assert len([job for job in repository.job_names if job.endswith("_maintain")]) == 2
    assert {"media_automation", "archive_automation"} <= {sensor.name for sensor in repository.sensor_defs}


def _names(pipeline: PipelineSettings) -> set[str]:
    """Every name that a code location, or an instance, has only once."""
    names, specs = build_names(pipeline)
    merged = build_definitions(pipeline)
    repository, assets = merged.get_repository_def(), merged.resolve_asset_graph()
    nodes = [assets.get(key) for key in assets.get_all_asset_keys()]
    return {
        *(job for job in repository.job_names if not job.startswith("__")),
        *(schedule.name for schedule in repository.schedule_defs),
        *(sensor.name for sensor in repository.sensor_defs),
        *repository.get_top_level_resources(),
        *(str(node.group_name) for node in nodes),
        *(node.key.to_user_string() for node in nodes),
        *(key.to_user_string() for key in assets.asset_check_keys),
        *(str(names.versions(encoder).name) for encoder in specs),
        *(
            one.node_def.name
            for one in [*(merged.assets or ()), *(merged.asset_checks or ())]
            if hasattr(one, "node_def")
        ),
    }


def test_two_pipelines_with_their_own_prefix_share_no_name(words: list, tmp_path: Path) -> None:
    media, archive = (
        _names(settings(tmp_path, key_prefix=[prefix], automation={"enabled": True})) for prefix in ("media", "archive")
    )
    assert len(media) == len(archive) > 30
    assert media & archive == set()
    assert {"media_encoders", "media_store", "media_words", "media_sources"} <= media


def test_a_pool_is_shared_unless_the_settings_name_another(words: list, tmp_path: Path) -> None:
    for pool, changes in (("gpu", {}), ("cuda_1", {"pool": "cuda_1"})):
        pipeline = settings(tmp_path, **changes)
        computed = [*build_embedding_assets(pipeline), *build_index_checks(pipeline)]
        assert {pool for one in computed for pool in one.node_def.pools} == {pool}


@pytest.mark.slow
def test_two_pipelines_with_stores_and_devices_of_their_own_run_in_one_location(
    words: list, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    both = [
        settings(tmp_path / "a", key_prefix=["a"]),
        settings(tmp_path / "b", key_prefix=["b"], compute={"device": "auto", "offline": True}),
    ]
    for pipeline, count in zip(both, (5, 3), strict=True):
        write_notes(Path(pipeline.sources["notes"].uri or ""), count)
    merged = dg.Definitions.merge(*(build_definitions(pipeline) for pipeline in both))
    for pipeline, count in zip(both, (5, 3), strict=True):
        running = Running(pipeline, instance, definitions=merged)
        assert running.embed().success
        assert running.promote().success
        live = running.steps.store.serving.live_release("words")
        assert live.rows == count
        assert encoders_of_run(running.names, _resources(merged)).device == pipeline.compute.device
    found = Searcher(Store(both[1].store)).search("note 1", space="words", k=9)
    assert len(found) == 3


def _resources(definitions: dg.Definitions) -> SimpleNamespace:
    return SimpleNamespace(**dict(definitions.resources or {}))


@pytest.mark.slow
def test_resources_are_found_beside_a_hosts_own(words: list, tmp_path: Path, instance: dg.DagsterInstance) -> None:
    write_notes(tmp_path / "notes", 4)
    pipeline = settings(tmp_path, key_prefix=["media"])
    host = dg.Definitions(resources={"encoders": dg.ResourceDefinition.mock_resource(), "store": "the host's"})
    running = Running(pipeline, instance, definitions=dg.Definitions.merge(host, build_definitions(pipeline)))
    assert running.embed().success and running.promote().success


def test_a_host_may_take_the_vectors_alone(words: list, tmp_path: Path, instance: dg.DagsterInstance) -> None:
    write_notes(tmp_path / "notes", 4)
    pipeline = settings(tmp_path)
    assets = build_embedding_assets(pipeline, until="vectors")
    assert {asset.key.to_user_string() for asset in assets} == {"notes_manifest", "words_encoder", "words_vectors"}
    mine = dg.define_asset_job("mine", selection=dg.AssetSelection.all())
    host = dg.Definitions(assets=assets, resources=build_resources(pipeline), jobs=[mine])
    steps = Steps(pipeline)
    version = steps.resolve("words").record.version
    register_version(instance, build_names(pipeline)[0], "words", version)
    done = host.resolve_job_def("mine").execute_in_process(
        instance=instance, tags=grid_range(version, pipeline.shards), run_config=QUIET
    )
    assert done.success
    assert len(all_rows(steps)) == 4


def test_resources_may_be_replaced(words: list, tmp_path: Path) -> None:
    pipeline = settings(tmp_path, key_prefix=["media"])
    mine = EncoderResource(device="cuda:3")
    resources = build_resources(pipeline, encoders=mine)
    assert resources["media_encoders"] is mine
    assert resources["media_store"] == StoreResource(uri=pipeline.store)


def test_index_checks_can_be_had_of_some_encoders(words: list, tmp_path: Path) -> None:
    pipeline = settings(tmp_path, encoders={"one": {"model": "words"}, "two": {"model": "slow-words"}})
    (only,) = build_index_checks(pipeline, encoders=["two"])
    assert {key.asset_key for key in only.check_keys} == {dg.AssetKey("two_index")}
    assert len(build_index_checks(pipeline)) == 2


def test_automation_is_off_by_default_but_for_a_first_build(words: list, tmp_path: Path) -> None:
    definitions = build_definitions(settings(tmp_path))
    repository = definitions.get_repository_def()
    stopped = [one for one in repository.sensor_defs if one.default_status == dg.DefaultSensorStatus.STOPPED]
    assert {sensor.name for sensor in repository.sensor_defs if sensor not in stopped} == {"first_build"}
    assert {sensor.name for sensor in stopped} == {
        "notes_new_media",
        "words_new_revision",
        "words_promotion",
        "reconcile",
    }
    assert {schedule.name for schedule in repository.schedule_defs} == {
        "words_nightly",
        "weekly_maintenance",
        "words_weekly_recall",
    }
    assert {schedule.default_status for schedule in repository.schedule_defs} == {dg.DefaultScheduleStatus.STOPPED}
    specs = list(definitions.resolve_all_asset_specs())
    assert {spec.automation_condition for spec in specs} == {None}
    assert {spec.freshness_policy for spec in specs} == {None}


@pytest.mark.parametrize("running", [False, True])
def test_one_setting_gives_conditions_and_a_sensor_that_is_stopped(words: list, tmp_path: Path, running: bool) -> None:
    automation = {"enabled": True, "running": running}
    definitions = build_definitions(settings(tmp_path, automation=automation))
    (sensor,) = [one for one in definitions.sensors or () if isinstance(one, dg.AutomationConditionSensorDefinition)]
    assert (sensor.default_status is dg.DefaultSensorStatus.RUNNING) is running
    assert sensor.run_tags == AUTOMATIC
    for spec in definitions.resolve_all_asset_specs():
        assert spec.automation_condition is not None and spec.automation_condition.is_serializable


def test_freshness_is_promised_of_serving_assets_alone(words: list, tmp_path: Path) -> None:
    definitions = build_definitions(settings(tmp_path, automation={"fresh_within_hours": 36}))
    policies = {spec.key.to_user_string(): spec.freshness_policy for spec in definitions.resolve_all_asset_specs()}
    assert policies.pop("words_serving") == dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=36))
    assert set(policies.values()) == {None}


def test_a_cron_that_is_none_is_named(words: list, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"automation\.cron: 'each hour'"):
        build_definitions(settings(tmp_path, automation={"enabled": True, "cron": "each hour"}))


def test_an_unknown_encoder_is_named_when_definitions_are_built(words: list, tmp_path: Path) -> None:
    wrong = settings(tmp_path, encoders={"words": {"model": "wrds"}})
    with pytest.raises(UnknownEncoderError, match="words"):
        build_definitions(wrong)


def test_definitions_need_neither_media_nor_a_store(words: list, tmp_path: Path) -> None:
    build_definitions(settings(tmp_path / "nowhere"))
    assert not (tmp_path / "nowhere").exists()
    write_notes(tmp_path / "notes", 1)


@pytest.mark.parametrize("automation", [{}, {"enabled": True}])
def test_definitions_are_built_without_a_warning(words: list, tmp_path: Path, automation: dict[str, bool]) -> None:
    """Dagster's are for the authors of assets: a person at a terminal can do nothing about them."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        build_definitions(settings(tmp_path, automation=automation)).get_repository_def()
    assert [str(each.message) for each in found] == []


def test_a_backfill_of_vectors_is_one_run(words: list, tmp_path: Path) -> None:
    graph = build_definitions(settings(tmp_path)).resolve_asset_graph()
    assert graph.get(dg.AssetKey("words_vectors")).backfill_policy == dg.BackfillPolicy.single_run()


@pytest.mark.parametrize("key", ["notes_manifest", "words_vectors", "words_index"])
def test_tables_of_the_store_show_it_as_their_storage(words: list, tmp_path: Path, key: str) -> None:
    node = build_definitions(settings(tmp_path)).resolve_asset_graph().get(dg.AssetKey(key))
    assert node.metadata["dagster/uri"] == str(tmp_path / "store")
    assert node.tags["dagster/storage_kind"] == "lancedb"
