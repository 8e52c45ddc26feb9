"""Schedules and sensors: what they ask for, of which versions, and that nothing changed asks for nothing."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import dagster as dg
import pytest

from embed_assets.assets.automation.run_requests import reconcile_requests, requests_after_embed
from embed_assets.assets.automation.schedules import (
    build_maintenance_schedule,
    build_nightly_schedule,
    build_recall_schedule,
)
from embed_assets.assets.automation.sensors import (
    build_new_media_sensor,
    build_promotion_sensor,
    build_reconcile_sensor,
    build_revision_sensor,
)
from embed_assets.assets.automation.upkeep_jobs import build_upkeep_jobs
from embed_assets.assets.names import AUTOMATIC, all_shards_of_run, grid_range, is_automatic, versions_of_run
from embed_assets.assets.pipeline import build_names
from embed_assets.encoders.loading.revision import model_state
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.errors import WeightsError
from tests.assets.kept_run import KeptRun
from tests.assets.running import Running
from tests.kept import Kept
from tests.support import rewrite, settings, touch, write_notes, write_weights

_OTHER = {"words": {"model": "words", "segment": {"max_tokens": 16}}}  # cut otherwise: another version


@pytest.fixture
def tmp_path(kept: Kept) -> Path:
    return kept.folder


@pytest.fixture
def running(words: list, tmp_path: Path, instance: dg.DagsterInstance) -> Running:
    write_notes(tmp_path / "notes", 4)
    return Running(settings(tmp_path), instance)


@pytest.fixture
def served(running: Running, kept_run: KeptRun) -> Running:
    def run() -> None:
        assert running.embed().success
        assert running.promote().success

    kept_run.once("served", run)
    return running


@pytest.fixture
def changed(served: Running, tmp_path: Path) -> Running:
    """A version is live, and the settings mean another one that has no vectors yet."""
    other = Running(settings(tmp_path, encoders=_OTHER), served.instance)
    other.steps.resolve("words")
    return other


def _version(running: Running) -> str:
    record = running.steps.current_version("words")
    assert record is not None
    return record.version


def _shards_of_live(running: Running) -> dict[str, str]:
    live = running.steps.store.serving.pointer("words").live
    assert live is not None
    return grid_range(live.encoder_version, running.settings.shards)


def _tick(running: Running, cursor: str | None = None) -> dg.SensorResult | dg.SkipReason:
    sensor = build_new_media_sensor(running.names, "notes", running.jobs)
    result = sensor(dg.build_sensor_context(instance=running.instance, cursor=cursor))
    assert isinstance(result, dg.SensorResult)
    return result.skip_reason or result


def _night(running: Running) -> list[dg.RunRequest]:
    schedule = build_nightly_schedule(running.names, "words", running.jobs["words"], cron_schedule="0 3 * * *")
    at = datetime(2030, 1, 1, 3, tzinfo=UTC)
    result = schedule(dg.build_schedule_context(instance=running.instance, scheduled_execution_time=at))
    assert isinstance(result, list)
    return result


def _after(running: Running, result: dg.ExecuteInProcessResult) -> list[dg.RunRequest]:
    run = running.instance.get_run_by_id(result.run_id)
    assert run is not None
    return list(requests_after_embed(running.names, "words", running.jobs["words"], run, running.instance))


def _reconcile(running: Running, hour: int = 1) -> list[dg.RunRequest]:
    now = datetime(2030, 1, 1, hour, tzinfo=UTC)
    return list(reconcile_requests(running.names, "words", running.jobs["words"], running.instance, now=now))


def _versions(requests: list[dg.RunRequest]) -> list[str]:
    return [request.tags["dagster/asset_partition_range_start"].removeprefix("s00|") for request in requests]


def test_new_media_requests_the_jobs_that_read_it(served: Running, tmp_path: Path) -> None:
    first = _tick(served)
    assert isinstance(first, dg.SensorResult)
    rewrite(tmp_path / "notes" / "note-001.txt", "edited")
    second = _tick(served, first.cursor)
    assert isinstance(second, dg.SensorResult) and second.run_requests
    assert [request.job_name for request in second.run_requests] == ["words_embed"]
    assert _versions(list(second.run_requests)) == [_version(served)]


def test_new_media_reaches_the_candidate_and_the_live_version(changed: Running, served: Running) -> None:
    live = served.steps.store.serving.pointer("words").live
    assert live is not None and live.encoder_version != _version(changed)
    result = _tick(changed)
    assert isinstance(result, dg.SensorResult)
    assert _versions(list(result.run_requests or ())) == [_version(changed), live.encoder_version]
    assert all(is_automatic(request.tags) for request in result.run_requests or ())


def test_media_that_comes_back_is_requested_again(served: Running, tmp_path: Path) -> None:
    first = _tick(served)
    assert isinstance(first, dg.SensorResult)
    file = tmp_path / "notes" / "note-001.txt"
    file.rename(tmp_path / "aside.txt")
    gone = _tick(served, first.cursor)
    assert isinstance(gone, dg.SensorResult)
    (tmp_path / "aside.txt").rename(file)
    back = _tick(served, gone.cursor)
    assert isinstance(back, dg.SensorResult) and back.cursor == first.cursor
    assert [request.run_key for request in back.run_requests or ()] == [None]  # a key would be known already


def test_nothing_changed_requests_nothing(running: Running) -> None:
    first = _tick(running)
    assert isinstance(first, dg.SensorResult)
    assert isinstance(_tick(running, first.cursor), dg.SkipReason)


@pytest.mark.on_disk
def test_the_nightly_schedule_requests_all_shards_of_each_kept_version(changed: Running, served: Running) -> None:
    requests = _night(changed)
    assert len(requests) == len({request.run_key for request in requests}) == 2
    assert all(all_shards_of_run(request.tags, 4) for request in requests)
    assert set(changed.instance.get_dynamic_partitions("words_versions")) == set(_versions(requests))


@pytest.mark.on_disk
def test_a_version_that_dagster_lost_is_registered_again(served: Running, tmp_path: Path) -> None:
    served.instance.delete_dynamic_partition("words_versions", _version(served))
    assert _versions(_night(served)) == [_version(served)]
    assert served.instance.get_dynamic_partitions("words_versions") == [_version(served)]


@pytest.mark.on_disk
def test_the_first_night_resolves_the_encoder_alone(running: Running) -> None:
    (request,) = _night(running)
    assert request.asset_selection == [dg.AssetKey("words_encoder")]


def test_embedding_is_followed_by_promotion_of_its_version(running: Running) -> None:
    found = _after(running, running.embed())
    assert [(request.job_name, request.partition_key) for request in found] == [("words_promote", _version(running))]
    assert is_automatic(found[0].tags)


def test_embedding_of_some_shards_is_followed_by_promotion_when_it_was_the_last_that_lacked(running: Running) -> None:
    version = running.steps.resolve("words").record.version
    ranges = [("s00", "s01"), ("s02", "s03")]
    found = []
    for first, last in ranges:
        tags = {
            "dagster/asset_partition_range_start": f"{first}|{version}",
            "dagster/asset_partition_range_end": f"{last}|{version}",
        }
        found.append([request.job_name for request in _after(running, running.embed(tags=tags))])
    assert found == [[], ["words_promote"]]


def test_a_version_that_was_only_registered_is_embedded_next(changed: Running, served: Running) -> None:
    found = _after(changed, changed.embed(tags=_shards_of_live(served)))
    assert [request.job_name for request in found] == ["words_promote", "words_embed"]
    assert _versions(found[1:]) == [_version(changed)]


def test_a_version_that_is_being_embedded_is_not_requested_twice(changed: Running, served: Running) -> None:
    result = changed.embed(tags=_shards_of_live(served))
    run = dg.DagsterRun(
        job_name="words_embed", status=dg.DagsterRunStatus.STARTED, tags=grid_range(_version(changed), 4)
    )
    changed.instance.add_run(run)
    assert [request.job_name for request in _after(changed, result)] == ["words_promote"]
    assert _reconcile(changed) == []


def test_reconcile_requests_nothing_where_all_is_served(served: Running) -> None:
    assert _reconcile(served) == []
    sensor = build_reconcile_sensor(served.names, served.jobs)
    assert isinstance(sensor(dg.build_sensor_context(instance=served.instance)), dg.SkipReason)


def test_reconcile_finds_stale_vectors_in_the_store_alone(served: Running, tmp_path: Path) -> None:
    rewrite(tmp_path / "notes" / "note-001.txt", "edited")
    served.steps.refresh("notes")
    (request,) = _reconcile(served)
    assert request.job_name == "words_embed"
    assert _versions([request]) == [_version(served)]
    assert _reconcile(served)[0].run_key == request.run_key  # the same state: once an hour
    assert _reconcile(served, hour=2)[0].run_key != request.run_key


def test_reconcile_finds_a_candidate_without_vectors_and_one_without_checks(changed: Running, served: Running) -> None:
    (request,) = _reconcile(changed)
    assert request.job_name == "words_embed"
    assert _versions([request]) == [_version(changed)]
    assert changed.embed().success
    (request,) = _reconcile(changed)
    assert request.job_name == "words_promote"
    assert request.partition_key == _version(changed)


def test_reconcile_leaves_a_release_that_a_check_holds_back(served: Running) -> None:
    record = served.steps.current_version("words")
    assert record is not None
    table = served.steps.vectors(record).open()
    assert table is not None
    table.update(where="key = 'note-001.txt'", values={"vector": [0.0] * record.dim})  # a zero vector
    assert [request.job_name for request in _reconcile(served)] == ["words_promote"]
    served.promote()
    assert _reconcile(served) == []


def test_a_pinned_model_and_one_offline_have_no_revision_to_look_for() -> None:
    with pytest.raises(WeightsError, match="pinned to"):
        model_state(_spec(model="some/model", revision="abc"))
    with pytest.raises(WeightsError, match="offline"):
        model_state(_spec(model="some/model"), offline=True)
    with pytest.raises(WeightsError, match="no revisions"):
        model_state(_spec(model="builtin/mel"))


def test_other_files_in_a_models_folder_ask_for_the_encoder(running: Running, tmp_path: Path) -> None:
    weights = write_weights(tmp_path / "model")
    sensor = build_revision_sensor(running.names, "words", _spec(model=str(weights)), running.jobs["words"])
    first = sensor(dg.build_sensor_context(instance=running.instance))
    assert isinstance(first, dg.SensorResult) and first.run_requests
    assert first.run_requests[0].asset_selection == [dg.AssetKey("words_encoder")]
    assert isinstance(sensor(dg.build_sensor_context(instance=running.instance, cursor=first.cursor)), dg.SkipReason)
    write_weights(weights, seed=1)
    touch(weights / "model.safetensors")
    again = sensor(dg.build_sensor_context(instance=running.instance, cursor=first.cursor))
    assert isinstance(again, dg.SensorResult) and again.run_requests


def test_other_settings_ask_for_the_encoder_once(changed: Running) -> None:
    _, specs = build_names(changed.settings)
    sensor = build_revision_sensor(changed.names, "words", specs["words"], changed.jobs["words"])
    first = sensor(dg.build_sensor_context(instance=changed.instance))
    assert isinstance(first, dg.SensorResult) and first.run_requests
    assert first.run_requests[0].asset_selection == [dg.AssetKey("words_encoder")]
    again = sensor(dg.build_sensor_context(instance=changed.instance, cursor=first.cursor))
    assert isinstance(again, dg.SkipReason)
    changed.materialize("words_encoder")
    again = sensor(dg.build_sensor_context(instance=changed.instance, cursor=first.cursor))
    assert isinstance(again, dg.SkipReason)


def test_another_commit_on_the_hub_requests_the_encoder(running: Running, hub: list[str]) -> None:
    names, _ = build_names(running.settings.model_copy(update={"compute": running.settings.compute.model_copy(
        update={"offline": False}
    )}))  # fmt: skip
    sensor = build_revision_sensor(names, "words", _spec(model="some/model"), running.jobs["words"])
    hub[0] = "a" * 40
    first = sensor(dg.build_sensor_context(instance=running.instance))
    assert isinstance(first, dg.SensorResult) and (first.cursor or "").startswith("a" * 40) and first.run_requests
    for cursor in (first.cursor, "a" * 40):  # the second as earlier releases wrote it
        assert isinstance(sensor(dg.build_sensor_context(instance=running.instance, cursor=cursor)), dg.SkipReason)
    hub[0] = "b" * 40
    again = sensor(dg.build_sensor_context(instance=running.instance, cursor=first.cursor))
    assert isinstance(again, dg.SensorResult) and (again.cursor or "").startswith("b" * 40) and again.run_requests


def test_a_hub_that_does_not_answer_is_the_reason_to_skip(served: Running, hub: list[str]) -> None:
    hub[0] = ""
    with pytest.raises(WeightsError, match="Can't reach the hub for some/model"):
        model_state(_spec(model="some/model"))
    sensor = build_revision_sensor(served.names, "words", _spec(model="some/model"), served.jobs["words"])
    skipped = sensor(dg.build_sensor_context(instance=served.instance))
    assert isinstance(skipped, dg.SkipReason) and "offline" in str(skipped.skip_message)


def test_the_weekly_recall_check_requests_the_live_version(changed: Running, served: Running) -> None:
    schedule = build_recall_schedule(changed.names, "words", changed.jobs["words"], cron_schedule="0 4 * * 0")
    request = schedule(dg.build_schedule_context(instance=changed.instance))
    assert isinstance(request, dg.RunRequest)
    live = served.steps.store.serving.pointer("words").live
    assert live is not None and request.tags["dagster/partition"] == live.encoder_version
    result = changed._run("words_recall", tags=dict(request.tags))
    assert result.success
    checked = result.get_asset_check_evaluations()
    assert {evaluation.check_name for evaluation in checked} == {"ann_recall", "labelled_retrieval"}
    assert {str(evaluation.metadata["release"].value) for evaluation in checked} == {live.key}


def test_a_space_that_serves_nothing_has_no_recall_to_check(running: Running) -> None:
    schedule = build_recall_schedule(running.names, "words", running.jobs["words"], cron_schedule="0 4 * * 0")
    assert isinstance(schedule(dg.build_schedule_context(instance=running.instance)), dg.SkipReason)


def test_everything_is_off_until_it_is_switched_on(running: Running) -> None:
    names, specs = build_names(running.settings)
    jobs = running.jobs["words"]
    schedules = [
        build_nightly_schedule(names, "words", jobs, cron_schedule="0 3 * * *"),
        build_recall_schedule(names, "words", jobs, cron_schedule="0 4 * * 0"),
        build_maintenance_schedule(names, build_upkeep_jobs(names).maintain, cron_schedule="0 2 * * 0"),
    ]
    sensors = [
        build_promotion_sensor(names, "words", jobs),
        build_new_media_sensor(names, "notes", running.jobs),
        build_revision_sensor(names, "words", specs["words"], jobs),
        build_reconcile_sensor(names, running.jobs),
    ]
    assert {schedule.default_status for schedule in schedules} == {dg.DefaultScheduleStatus.STOPPED}
    assert {sensor.default_status for sensor in sensors} == {dg.DefaultSensorStatus.STOPPED}


def test_versions_of_a_run_are_those_in_its_range() -> None:
    tags = {"dagster/asset_partition_range_start": "s00|b", "dagster/asset_partition_range_end": "s03|c"}
    assert versions_of_run(tags, ["a", "b", "c", "d"]) == ["b", "c"]
    assert versions_of_run({"dagster/partition": "s01|a"}, ["a", "b"]) == ["a"]
    assert versions_of_run({"dagster/partition": "s01|gone"}, ["a", "b"]) == []
    assert versions_of_run({}, ["a"]) == []
    assert all_shards_of_run(tags, 4) and not all_shards_of_run(tags, 5)
    assert is_automatic({**tags, **AUTOMATIC}) and not is_automatic(tags)


def _spec(**facts: object) -> EncoderSpec:
    values = {"name": "words", "family": "tests.support:WordEncoder", "modalities": ("text",), "space": "words"}
    return EncoderSpec(**{**values, "media": ("text",), "dim": 32, **facts})  # pyright: ignore[reportArgumentType]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A model hub on this machine that knows one model; the commit it answers with, "" for an error."""
    from huggingface_hub import constants

    commit = ["a" * 40]

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path.startswith("/api/models/some/model") and commit[0]
            body = json.dumps({"id": "some/model", "sha": commit[0], "siblings": []}).encode()
            self.send_response(200 if known else 404)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body if known else b"{}")

        def log_message(self, format: str, *args: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    yield commit
    server.shutdown()
    server.server_close()
