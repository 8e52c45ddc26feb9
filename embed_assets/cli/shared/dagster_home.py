"""A store's Dagster home: where its runs are kept, and how its instance is set up."""

import fcntl
import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from embed_assets.settings import PipelineSettings

if TYPE_CHECKING:
    import dagster as dg

HOME = ".embed-assets"

_HEAD = """\
# Written by embed-assets; edit as you like.
telemetry:
  enabled: false
nux:
  enabled: false
"""
_DAGSTER_YAML = f"""\
{_HEAD}concurrency:
  pools:
    default_limit: 1 # one encoder on the accelerator at a time
    granularity: run # a run waits in the queue, where it costs nothing
run_launcher: # Dagster's own, and a look whether the processes of runs are there
  module: embed_assets.assets.launcher
  class: LocalRunLauncher
run_monitoring: # ends runs whose process is gone
  enabled: true
  poll_interval_seconds: 20
  free_slots_after_run_end_seconds: 5
"""
# As earlier releases wrote it; replaced where nobody edited it.
_EARLIER = (
    f"""\
{_HEAD}concurrency:
  pools:
    default_limit: 1 # one encoder on the accelerator at a time
run_monitoring:
  enabled: true
  free_slots_after_run_end_seconds: 60
""",
)


def dagster_home(settings: PipelineSettings) -> Path:
    """Make and set the store's DAGSTER_HOME: beside a local store, unless the environment names one."""
    return set_home(settings.store)


def set_home(store: str) -> Path:
    """Make and set the DAGSTER_HOME of a store by its address, which need not be built yet."""
    named = os.environ.get("DAGSTER_HOME")
    home = Path(named) if named else home_of(store)
    home.mkdir(parents=True, exist_ok=True)
    _write_configuration(home / "dagster.yaml", own=home == home_of(store))
    os.environ["DAGSTER_HOME"] = str(home)
    return home


@contextmanager
def dagster_instance(home: Path) -> "Iterator[dg.DagsterInstance]":
    """Open the instance of a Dagster home; processes that make its databases at once wait for each other."""
    import dagster as dg

    with (home / "instance.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        instance = dg.DagsterInstance.get()
    with instance:
        yield instance


@contextmanager
def databases_held(home: Path, run_id: str = "") -> Iterator[None]:
    """Hold an instance's SQLite databases open, of a run too; those that are not there are left out.

    Dagster opens and closes one for each event, and the last connection to close writes its whole log back: held open,
    an event takes a third of the time.
    """
    history = home / "history"
    files = [history / "runs" / f"{run_id}.db"] if run_id else [history / "runs.db", history / "runs" / "index.db"]
    with ExitStack() as stack:
        for file in filter(Path.is_file, files):
            with suppress(sqlite3.Error):  # of a home with other storages
                connection = stack.enter_context(closing(sqlite3.connect(file)))
                connection.execute("SELECT count(*) FROM sqlite_master").fetchall()  # the first read opens the log
        yield


def home_of(store: str) -> Path:
    """Return where a store's Dagster history lies: beside a folder, by name for a bucket."""
    if "://" not in store:
        return Path(store).absolute().parent / "dagster"
    return Path(HOME).absolute() / f"dagster-{hashlib.sha256(store.encode()).hexdigest()[:8]}"


def _write_configuration(file: Path, *, own: bool) -> None:
    """Write dagster.yaml by rename, whole or not at all: every command reads it. A full disk leaves an empty one."""
    if file.exists() and not (own and file.read_text(encoding="utf-8") in ("", *_EARLIER)):
        return
    part = file.with_name(f"{file.name}.{os.getpid()}")
    part.write_text(_DAGSTER_YAML, encoding="utf-8")
    part.replace(file)
