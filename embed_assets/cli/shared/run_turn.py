"""A run's turn: dead runs are ended first, and what uses the pool is waited for.

A run in process that waits for a pool's slot inside Dagster 1.13 keeps a core busy and ignores signals, so
the wait is here, before it.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import quote

from embed_assets.errors import SettingsError

if TYPE_CHECKING:
    import dagster as dg

_LOOK_SECONDS = 0.5
_MOST = 64  # commands at one time, where the pool has room for more or no limit

Say = Callable[[str], None]


@contextmanager
def own_turn(instance: "dg.DagsterInstance", home: Path, pool: str, *, say: Say) -> Iterator[None]:
    """Wait until the pool of this Dagster home has room for this command.

    By locks that the kernel takes back when a process ends, however it ends.
    """
    from embed_assets.assets.runs.liveness import limit_of_pool

    places = range(min(limit_of_pool(instance, pool) or _MOST, _MOST))
    with ExitStack() as stack:
        files = [stack.enter_context((home / f"{quote(pool, safe='')}-{n}.lock").open("a+")) for n in places]
        file = _locked(files, say)
        file.truncate(0)
        file.write(f"process {os.getpid()}, running since {datetime.now():%Y-%m-%d %H:%M:%S}")
        file.flush()
        yield


def end_dead(instance: "dg.DagsterInstance", *, own_home: bool, say: Say) -> None:
    """End runs whose process is gone, and print which. `own_home`: the instance has this store's runs alone."""
    from embed_assets.assets.runs.liveness import end_dead_runs

    for run in end_dead_runs(instance, untagged=own_home):
        say(
            f"Run {run.run_id[:8]} of {run.job} is dead: its process {run.process} is gone. "
            "It is marked as failed, and what it held is free."
        )


def await_room(instance: "dg.DagsterInstance", pool: str, *, own_home: bool, say: Say) -> None:
    """Wait until the pool has room for one more run; print which run it waits for, and since when that one runs.

    Raises SettingsError where the pool has no room for any run.
    """
    from embed_assets.assets.runs.liveness import limit_of_pool, process_of, runs_in_pool

    limit, announced = limit_of_pool(instance, pool), ""
    if limit == 0:
        raise SettingsError(
            f"Pool {pool!r} is limited to 0 runs: raise the limit in the Dagster UI, or name another pool."
        )
    while limit is not None and len(runs := runs_in_pool(instance, pool)) >= limit:
        run = runs[0].dagster_run if runs else None
        if run is not None and run.run_id != announced:
            announced = run.run_id
            began = datetime.fromtimestamp(runs[0].start_time or runs[0].create_timestamp.timestamp())
            say(
                f"Waiting for run {run.run_id[:8]} of {run.job_name} (process {process_of(run)}, running since "
                f"{began:%Y-%m-%d %H:%M:%S}): pool {pool!r} has no room beside it. "
                "Ctrl-C stops waiting; a run that works no more is cancelled in the UI (embed-assets ui)."
            )
        time.sleep(_LOOK_SECONDS)
        end_dead(instance, own_home=own_home, say=say)


def _locked(files: Sequence[IO[str]], say: Say) -> IO[str]:
    """Lock the first of the files that no other process holds."""
    announced = ""
    while True:
        for file in files:
            with suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return file
        files[0].seek(0)
        holder = files[0].read() or "another process"
        if holder != announced:
            say(f"Waiting for another embed-assets command: {holder}. Ctrl-C stops waiting.")
            announced = holder
        time.sleep(_LOOK_SECONDS)
