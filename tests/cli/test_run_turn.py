"""Commands wait for their turn, say for whom, and end within seconds when they are shown to."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from embed_assets.assets.runs.liveness import process_tags
from embed_assets.cli.shared.dagster_home import dagster_home, home_of
from embed_assets.cli.shared.process.signals import INTERRUPTED_MESSAGE
from embed_assets.errors import SettingsError
from tests.assets.test_liveness import under_way
from tests.support import REPOSITORY, settings, write_notes

pytestmark = pytest.mark.slow  # processes that wait for each other

_MAIN = "from embed_assets.cli.main import main; main()"
_DEAF = """
import signal, sys, time
from embed_assets.cli.shared.process.signals import end_on_signals
end_on_signals()
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda *_: None)  # as Dagster does while a run waits
print("deaf", flush=True)
while True:
    time.sleep(0.1)
"""


def started(folder: Path, plugin: Path, *arguments: str) -> "subprocess.Popen[str]":
    """embed-assets in a process of its own."""
    environ = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
    environ["PYTHONPATH"] = os.pathsep.join([str(plugin), str(REPOSITORY)])
    return subprocess.Popen(
        [sys.executable, "-c", _MAIN, *arguments],
        cwd=folder,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def until(process: "subprocess.Popen[str]", said: str) -> str:
    """What a process says up to a line that has `said` in it."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if said in line:
            return "".join(lines)
    raise AssertionError(f"{said!r} was not said: {''.join(lines)}")


@pytest.fixture
def folder(tmp_path: Path, words: list[Any], pipeline_yaml: Callable[..., str]) -> Path:
    """Notes and the settings of a pipeline over them."""
    write_notes(tmp_path / "notes", 3)
    pipeline_yaml()
    return tmp_path


@pytest.fixture
def instance(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    dagster_home(settings(folder))
    with dg.DagsterInstance.get() as made:
        yield made
    os.environ.pop("DAGSTER_HOME", None)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_waits_says_for_whom_and_ends_when_it_is_signalled(
    number: signal.Signals, folder: Path, plugin_folder: Path, instance: dg.DagsterInstance
) -> None:
    from tests.assets.test_liveness import short_job

    run = under_way(instance, process_tags())
    process = started(folder, plugin_folder, "run", "--settings", "pipeline.yaml")
    waits = until(process, "Waiting for")
    assert f"Waiting for run {run.run_id[:8]} of {short_job.name} (process {os.getpid()}, running since 20" in waits
    process.send_signal(number)
    rest, _ = process.communicate(timeout=10)
    assert INTERRUPTED_MESSAGE in rest
    assert process.returncode == 128 + number


def test_a_run_goes_on_when_the_one_it_waits_for_has_ended(
    folder: Path, plugin_folder: Path, instance: dg.DagsterInstance
) -> None:
    run = under_way(instance, process_tags())
    process = started(folder, plugin_folder, "run", "--settings", "pipeline.yaml")
    until(process, "Waiting for")
    instance.report_run_failed(run)
    rest, _ = process.communicate(timeout=120)
    assert process.returncode == 0, rest


def test_a_run_ends_a_dead_one_and_says_so(folder: Path, plugin_folder: Path, instance: dg.DagsterInstance) -> None:
    run = under_way(instance, process_tags(2**22 - 1))
    process = started(folder, plugin_folder, "run", "--settings", "pipeline.yaml", "--json")
    rest, _ = process.communicate(timeout=120)
    assert f"Run {run.run_id[:8]} of short_job is dead: its process 4194303 is gone." in rest
    assert process.returncode == 0


def test_of_two_commands_one_waits_and_a_killed_one_keeps_nobody_waiting(folder: Path, tmp_path: Path) -> None:
    from embed_assets.cli.shared.run_turn import own_turn

    home = Path(home_of(str(folder / "store")))
    dagster_home(settings(folder))
    code = (
        "import sys, time; from pathlib import Path; import dagster as dg\n"
        "from embed_assets.cli.shared.run_turn import own_turn\n"
        "with dg.DagsterInstance.get() as instance, own_turn(instance, Path(sys.argv[1]), 'gpu', say=print):\n"
        "    print('mine', flush=True); time.sleep(300)"
    )
    environ = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    other = subprocess.Popen([sys.executable, "-c", code, str(home)], stdout=subprocess.PIPE, text=True, env=environ)
    until(other, "mine")
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        other.kill()

    with dg.DagsterInstance.get() as instance, own_turn(instance, home, "gpu", say=say):
        other.communicate(timeout=10)
    os.environ.pop("DAGSTER_HOME", None)
    assert said == [said[0]]
    assert said[0].startswith(f"Waiting for another embed-assets command: process {other.pid}, running since 20")


@pytest.mark.parametrize("second", [False, True], ids=["once", "twice"])
def test_a_command_whose_libraries_swallow_signals_is_ended(second: bool) -> None:
    environ = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    process = subprocess.Popen(
        [sys.executable, "-c", _DEAF], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ
    )
    until(process, "deaf")
    process.send_signal(signal.SIGTERM)
    if second:
        time.sleep(0.5)  # two signals that come at once are one
        process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=10)
    assert said == f"{INTERRUPTED_MESSAGE}\n"
    assert process.returncode == 128 + signal.SIGTERM


def test_a_pool_without_room_for_any_run_is_reported(instance: dg.DagsterInstance) -> None:
    from embed_assets.cli.shared.run_turn import await_room

    instance.event_log_storage.set_concurrency_slots("gpu", 0)
    with pytest.raises(SettingsError, match="Pool 'gpu' is limited to 0 runs"):
        await_room(instance, "gpu", own_home=True, say=print)
