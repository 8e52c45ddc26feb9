"""Definitions: what they hold, what they cost to load, how they merge with a host's."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from embed_assets.assets.names import AUTOMATIC
from embed_assets.assets.pipeline import build_definitions
from embed_assets.errors import SettingsError, UnknownEncoderError
from tests.support import REPOSITORY, settings, write_notes

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
    assert sorted(specs) == ["notes_manifest", "words_encoder", "words_index", "words_serving", "words_vectors"]
    for name, spec in specs.items():
        assert spec.description, name
        assert spec.kinds, name
        assert spec.owners == ["team:search"], name
    assert {spec.group_name for spec in specs.values()} == {"sources", "words"}


def test_the_checks_block_where_they_say_so(words: list, tmp_path: Path) -> None:
    graph = build_definitions(settings(tmp_path)).resolve_asset_graph()
    blocking = {key.name for key in graph.asset_check_keys if graph.get(key).blocking}
    others = {key.name for key in graph.asset_check_keys} - blocking
    assert blocking == {"dimension", "unit_vectors", "accounts", "ann_recall", "compared_with_live"}
    assert others == {"labelled_retrieval", "quarantined_share", "collapsed_vectors"}


def test_definitions_merge_with_a_host_that_has_its_own_executor(words: list, tmp_path: Path) -> None:
    @dg.asset
    def of_the_host() -> None: ...

    host = dg.Definitions(assets=[of_the_host], executor=dg.multiprocess_executor)
    merged = dg.Definitions.merge(host, build_definitions(settings(tmp_path)))
    assert len(merged.resolve_asset_graph().get_all_asset_keys()) == 6


def test_a_key_prefix_goes_before_every_asset_and_job(words: list, tmp_path: Path) -> None:
    definitions = build_definitions(settings(tmp_path, key_prefix=["media"]))
    keys = definitions.resolve_asset_graph().get_all_asset_keys()
    assert {key.path[0] for key in keys} == {"media"}
    assert {job.name for job in definitions.resolve_all_job_defs() if not job.name.startswith("__")} == {
        "media_words_embed",
        "media_words_reembed",
        "media_words_promote",
        "media_words_recall",
        "media_words_rollback",
        "media_retire",
        "media_maintain",
    }


def test_two_pipelines_with_their_own_prefix_merge(words: list, tmp_path: Path) -> None:
    both = [
        build_definitions(settings(tmp_path, key_prefix=[prefix], automation={"enabled": True}))
        for prefix in ("media", "archive")
    ]
    # Of two pipelines in one location the resources have the same keys: one of them brings them.
    second = dg.Definitions(
        assets=both[1].assets, asset_checks=both[1].asset_checks, jobs=both[1].jobs, sensors=both[1].sensors
    )
    repository = dg.Definitions.merge(both[0], second).get_repository_def()
    assert len([job for job in repository.job_names if job.endswith("_maintain")]) == 2
    assert {sensor.name for sensor in repository.sensor_defs} == {"media_automation", "archive_automation"}


def test_automation_is_off_by_default(words: list, tmp_path: Path) -> None:
    definitions = build_definitions(settings(tmp_path))
    assert not definitions.sensors
    specs = list(definitions.resolve_all_asset_specs())
    assert {spec.automation_condition for spec in specs} == {None}
    assert {spec.freshness_policy for spec in specs} == {None}


@pytest.mark.parametrize("running", [False, True])
def test_one_setting_gives_conditions_and_a_sensor_that_is_stopped(words: list, tmp_path: Path, running: bool) -> None:
    automation = {"enabled": True, "running": running}
    definitions = build_definitions(settings(tmp_path, automation=automation))
    (sensor,) = list(definitions.sensors or ())
    assert isinstance(sensor, dg.AutomationConditionSensorDefinition)
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
