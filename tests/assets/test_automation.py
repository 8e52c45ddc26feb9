"""Automation: what the schedule and the sensors ask for, and that nothing changed asks for nothing."""

from pathlib import Path

import dagster as dg
import pytest

from embed_assets.assets.automation import (
    build_new_media_sensor,
    build_nightly_schedule,
    build_promotion_sensor,
    requests_after_embed,
)
from tests.assets.running import Running
from tests.support import rewrite, settings, write_notes


@pytest.fixture
def running(words: list, tmp_path: Path, instance: dg.DagsterInstance) -> Running:
    write_notes(tmp_path / "notes", 4)
    return Running(settings(tmp_path), instance)


def _tick(running: Running, cursor: str | None = None) -> dg.SensorResult | dg.SkipReason:
    sensor = build_new_media_sensor(running.names, "notes", running.jobs)
    result = sensor(dg.build_sensor_context(instance=running.instance, cursor=cursor))
    assert isinstance(result, (dg.SensorResult, dg.SkipReason))
    return result


def test_new_media_asks_for_the_jobs_that_read_it(running: Running, tmp_path: Path) -> None:
    running.embed()
    version = running.steps.resolve("words").record.version
    first = _tick(running)
    assert isinstance(first, dg.SensorResult)
    rewrite(tmp_path / "notes" / "note-001.txt", "edited")
    second = _tick(running, first.cursor)
    assert isinstance(second, dg.SensorResult) and second.run_requests
    request = second.run_requests[0]
    assert request.job_name == "words_embed"
    assert request.tags["dagster/asset_partition_range_start"] == f"s00|{version}"


def test_nothing_changed_asks_for_nothing(running: Running) -> None:
    first = _tick(running)
    assert isinstance(first, dg.SensorResult)
    assert isinstance(_tick(running, first.cursor), dg.SkipReason)


def test_the_nightly_schedule_asks_for_all_shards_of_the_newest_version(running: Running) -> None:
    running.embed()
    version = running.steps.resolve("words").record.version
    schedule = build_nightly_schedule(running.names, "words", running.jobs["words"], cron_schedule="0 3 * * *")
    request = schedule(dg.build_schedule_context(instance=running.instance))
    assert isinstance(request, dg.RunRequest)
    assert request.tags["dagster/asset_partition_range_start"] == f"s00|{version}"
    assert request.tags["dagster/asset_partition_range_end"] == f"s03|{version}"


def test_the_first_night_resolves_the_encoder_alone(running: Running) -> None:
    schedule = build_nightly_schedule(running.names, "words", running.jobs["words"], cron_schedule="0 3 * * *")
    request = schedule(dg.build_schedule_context(instance=running.instance))
    assert isinstance(request, dg.RunRequest)
    assert request.asset_selection == [dg.AssetKey("words_encoder")]


def test_embedding_is_followed_by_promotion_of_its_version(running: Running) -> None:
    result = running.embed()
    version = running.steps.resolve("words").record.version
    run = running.instance.get_run_by_id(result.run_id)
    assert run is not None
    found = list(requests_after_embed(running.names, "words", running.jobs["words"], run, running.instance))
    assert [(request.job_name, request.partition_key) for request in found] == [("words_promote", version)]


def test_a_version_that_was_only_registered_is_embedded_next(running: Running) -> None:
    running.instance.add_dynamic_partitions("words_versions", ["abcabcabcabc"])
    run = dg.DagsterRun(job_name="words_embed")
    found = list(requests_after_embed(running.names, "words", running.jobs["words"], run, running.instance))
    assert [request.job_name for request in found] == ["words_embed"]
    assert found[0].tags["dagster/asset_partition_range_start"] == "s00|abcabcabcabc"


def test_everything_is_off_until_it_is_switched_on(running: Running) -> None:
    jobs = running.jobs["words"]
    schedule = build_nightly_schedule(running.names, "words", jobs, cron_schedule="0 3 * * *")
    sensors = [
        build_promotion_sensor(running.names, "words", jobs),
        build_new_media_sensor(running.names, "notes", running.jobs),
    ]
    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
    assert {sensor.default_status for sensor in sensors} == {dg.DefaultSensorStatus.STOPPED}
