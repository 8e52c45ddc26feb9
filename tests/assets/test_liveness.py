"""Dead runs are known from live ones and ended, and their pool slots freed; by hand and by run monitoring."""

import logging
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.launcher.base import WorkerStatus
from dagster._core.storage.dagster_run import DagsterRun

from embed_assets.assets.launcher import LocalRunLauncher
from embed_assets.assets.runs.liveness import end_dead_runs, is_dead, limit_of_pool, process_tags, runs_in_pool
from embed_assets.cli.shared.dagster_home import dagster_home
from tests.support import REPOSITORY, settings

# A run in process that claims the pool's slot, says so, and goes on until it is killed.
_HOLDER = """
import sys, time
import dagster as dg
from embed_assets.assets.runs.liveness import process_tags

@dg.op(pool="gpu")
def hold():
    print("holding", flush=True)
    time.sleep(300)

@dg.job(executor_def=dg.in_process_executor)
def holding():
    hold()

with dg.DagsterInstance.get() as instance:
    tags = process_tags() if sys.argv[1] == "tagged" else {}
    holding.execute_in_process(instance=instance, tags=tags)
"""


@dg.op(pool="gpu")
def nothing() -> None: ...


@dg.job(executor_def=dg.in_process_executor)
def short_job() -> None:
    nothing()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    yield dagster_home(settings(tmp_path))
    os.environ.pop("DAGSTER_HOME", None)


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.get() as made:
        yield made


def holder(home: Path, how: str = "tagged") -> "subprocess.Popen[str]":
    environ = {**os.environ, "DAGSTER_HOME": str(home), "PYTHONPATH": str(REPOSITORY)}
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, how], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environ, text=True
    )
    assert process.stdout is not None
    while process.stdout.readline().strip() != "holding":
        assert process.poll() is None
    return process


def killed(process: "subprocess.Popen[str]") -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)


def under_way(instance: dg.DagsterInstance, tags: dict[str, str]) -> DagsterRun:
    """A run in progress with these tags."""
    run = instance.create_run_for_job(short_job, tags=tags)
    event = dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, short_job.name)
    instance.report_dagster_event(event, run.run_id, logging.DEBUG)
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    assert found.status is dg.DagsterRunStatus.STARTED
    return found


def status(instance: dg.DagsterInstance, run: DagsterRun) -> dg.DagsterRunStatus:
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return found.status


@pytest.mark.slow
@pytest.mark.parametrize("how", ["tagged", "of an earlier release"])
def test_a_killed_run_is_ended_and_the_next_one_gets_its_slot(how: str, home: Path, instance: Any) -> None:
    killed(holder(home, how))
    (dead,) = end_dead_runs(instance, untagged=True)
    (run,) = instance.get_runs()
    assert dead.run_id == run.run_id
    assert run.status is dg.DagsterRunStatus.FAILURE
    assert instance.event_log_storage.get_concurrency_run_ids() == set()
    assert short_job.execute_in_process(instance=instance).success


@pytest.mark.slow
def test_of_an_instance_that_others_share_runs_without_tags_are_not_judged(home: Path, instance: Any) -> None:
    killed(holder(home, "of an earlier release"))
    assert end_dead_runs(instance) == []


def test_a_process_that_cant_be_looked_at_is_not_taken_for_dead(instance: Any) -> None:
    run = under_way(instance, process_tags(os.getppid()))
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        assert not is_dead(run)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.slow
def test_a_run_whose_process_works_is_left_alone(home: Path, instance: Any) -> None:
    process = holder(home)
    try:
        assert end_dead_runs(instance) == []
        (record,) = runs_in_pool(instance, "gpu")
        assert record.dagster_run.status is dg.DagsterRunStatus.STARTED
    finally:
        killed(process)


def test_a_process_id_that_was_given_out_again_is_another_process(instance: Any) -> None:
    tags = process_tags()
    run = under_way(instance, {name: value.replace("@", "@1") for name, value in tags.items()})
    assert is_dead(run)
    assert not is_dead(under_way(instance, tags))


def test_a_run_of_another_machine_is_not_judged(instance: Any) -> None:
    run = under_way(instance, process_tags(2**22 - 1) | {"embed_assets/host": "elsewhere"})
    assert end_dead_runs(instance) == []
    assert status(instance, run) is dg.DagsterRunStatus.STARTED


def test_slots_of_runs_that_ended_or_were_deleted_are_freed(instance: Any) -> None:
    run = under_way(instance, process_tags())
    instance.event_log_storage.initialize_concurrency_limit_to_default("gpu")
    instance.event_log_storage.claim_concurrency_slot("gpu", run.run_id, "nothing")
    instance.report_run_failed(run)
    assert instance.event_log_storage.get_concurrency_run_ids() == {run.run_id}
    assert end_dead_runs(instance) == []
    assert instance.event_log_storage.get_concurrency_run_ids() == set()


def test_run_monitoring_ends_a_dead_run_that_the_daemon_did_not_launch(instance: Any) -> None:
    from dagster._core.test_utils import create_test_daemon_workspace_context
    from dagster._core.workspace.load_target import EmptyWorkspaceTarget
    from dagster._daemon.monitoring.run_monitoring import execute_run_monitoring_iteration

    dead, live = under_way(instance, process_tags(2**22 - 1)), under_way(instance, process_tags())
    with create_test_daemon_workspace_context(EmptyWorkspaceTarget(), instance) as context:
        assert list(execute_run_monitoring_iteration(context, logging.getLogger("test"))) == [None, None]
    assert status(instance, dead) is dg.DagsterRunStatus.FAILURE
    assert status(instance, live) is dg.DagsterRunStatus.STARTED


def test_the_home_that_is_written_names_the_launcher_and_queues_by_run(home: Path, instance: Any) -> None:
    assert isinstance(instance.run_launcher, LocalRunLauncher)
    run = under_way(instance, process_tags(2**22 - 1))
    assert instance.run_launcher.check_run_worker_health(run).status is WorkerStatus.FAILED
    assert instance.get_concurrency_config().pool_config.pool_granularity.value == "run"
    assert limit_of_pool(instance, "gpu") == 1


def test_a_home_of_an_earlier_release_is_brought_up_to_date_an_edited_one_is_left(home: Path, tmp_path: Path) -> None:
    file = home / "dagster.yaml"
    written = file.read_text()
    document = yaml.safe_load(written)
    earlier = (
        "# Written by embed-assets; edit as you like.\ntelemetry:\n  enabled: false\nnux:\n  enabled: false\n"
        "concurrency:\n  pools:\n    default_limit: 1 # one encoder on the accelerator at a time\n"
        "run_monitoring:\n  enabled: true\n  free_slots_after_run_end_seconds: 60\n"
    )
    for text, expected in ((earlier, written), ("", written), (earlier + "# mine\n", earlier + "# mine\n")):
        file.write_text(text)
        dagster_home(settings(tmp_path))
        assert file.read_text() == expected
    assert document["run_launcher"] == {"module": "embed_assets.assets.launcher", "class": "LocalRunLauncher"}


def test_a_run_that_nobody_tagged_is_tagged_with_its_process_by_the_store_resource(instance: Any) -> None:
    from embed_assets.assets.resources import StoreResource

    @dg.op(required_resource_keys={"store"})
    def stores() -> None: ...

    @dg.job(resource_defs={"store": StoreResource(uri="memory")}, executor_def=dg.in_process_executor)
    def storing() -> None:
        stores()

    assert storing.execute_in_process(instance=instance).success
    (run,) = instance.get_runs()
    assert process_tags().items() <= run.tags.items()


def test_an_empty_configuration_of_a_home_that_the_environment_names_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "mine"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "dagster.yaml").touch()
    dagster_home(settings(tmp_path))
    assert (tmp_path / "mine" / "dagster.yaml").read_text() == ""
