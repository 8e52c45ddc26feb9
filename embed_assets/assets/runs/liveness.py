"""Dead runs: tags that name a run's process, the look for it, and the end of runs without one.

Dagster keeps a run in progress, with its place in a pool, until somebody says how it ended. A process that
was killed can't, and Dagster looks after those runs only that its daemon launched.
"""

import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
from dagster._core.storage.dagster_run import DagsterRun, RunRecord

_HOST, _PROCESS = "embed_assets/host", "embed_assets/process"
_NAMESPACE = Path("/proc/self/ns/pid")
_BOOT = Path("/proc/sys/kernel/random/boot_id")

UNDER_WAY = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dataclass(frozen=True, kw_only=True)
class DeadRun:
    """A run that was ended because its process is gone."""

    run_id: str
    job: str
    process: str


def process_tags(pid: int | None = None) -> dict[str, str]:
    """Build run tags that name machine and process of a run, by default this one.

    The id stands beside the start time, as the kernel counts it, and the boot: ids are given out again.
    """
    pid = os.getpid() if pid is None else pid
    return {_HOST: _machine(), _PROCESS: f"{pid}@{_start_of(pid)}"}


def tag_run(instance: dg.DagsterInstance, run: DagsterRun) -> None:
    """Tag a run that a launcher started with its process, from inside it or one of its steps' processes.

    Does nothing where the run's process is not on this machine, as a step on Kubernetes: launchers of
    clusters know themselves how their workers fare.
    """
    if _PROCESS in run.tags:
        return
    own = (str(os.getpid()), str(os.getppid()))
    pid = next((pid for pid in _reported_pids(instance, run) if pid in own), None)
    if pid is not None:
        instance.add_run_tags(run.run_id, process_tags(int(pid)))


def is_dead(run: DagsterRun) -> bool:
    """Return whether the process of a tagged run is gone; False for another machine's, or without tags."""
    if run.tags.get(_HOST) != _machine():
        return False
    pid, _, start = run.tags.get(_PROCESS, "").partition("@")
    now = _start_of(int(pid)) if pid.isdigit() else start
    return not now or ("there" not in (now, start) and now != start)


def end_dead_runs(instance: dg.DagsterInstance, *, untagged: bool = False) -> list[DeadRun]:
    """Mark runs of this machine whose process is gone as failed, and free what they hold of pools.

    What runs hold that ended or were deleted is freed, too. Runs that live are left alone. `untagged`: runs without
    tags are this machine's as well, since the instance is a store's own.
    """
    found = []
    for run in instance.get_runs(dg.RunsFilter(statuses=UNDER_WAY)):
        process = process_of(run) if is_dead(run) else _dead_untagged(instance, run) if untagged else None
        if process is None:
            continue
        instance.report_run_failed(run, f"Process {process} of this run is gone: it was killed, or it crashed.")
        found.append(DeadRun(run_id=run.run_id, job=run.job_name, process=process))
    _free_slots(instance)
    return found


def runs_in_pool(instance: dg.DagsterInstance, pool: str) -> Sequence[RunRecord]:
    """Return the runs in progress that use the pool, oldest first."""
    statuses = [status for status in UNDER_WAY if status is not dg.DagsterRunStatus.NOT_STARTED]
    records = instance.get_run_records(dg.RunsFilter(statuses=statuses), ascending=True)
    return [record for record in records if pool in _pools(record.dagster_run)]


def limit_of_pool(instance: dg.DagsterInstance, pool: str) -> int | None:
    """Return how many runs may use the pool at once; None without a limit."""
    limits = {limit.name: limit.limit for limit in instance.event_log_storage.get_pool_limits()}
    return limits.get(pool, instance.get_concurrency_config().pool_config.default_pool_limit)


def process_of(run: DagsterRun) -> str:
    """Return the id of a run's process, "?" without tags."""
    return run.tags.get(_PROCESS, "?").partition("@")[0]


def _free_slots(instance: dg.DagsterInstance) -> None:
    """Free the pool slots of finished runs: `report_run_failed` leaves them occupied."""
    storage = instance.event_log_storage
    if not storage.supports_global_concurrency_limits:
        return
    for run_id in storage.get_concurrency_run_ids():
        run = instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            storage.free_concurrency_slots_for_run(run_id)


def _dead_untagged(instance: dg.DagsterInstance, run: DagsterRun) -> str | None:
    """Return the dead process of a run without tags: one of an earlier release, or killed as it began."""
    if _PROCESS in run.tags:
        return None
    pids = _reported_pids(instance, run)
    return pids[-1] if pids and not any(_start_of(int(pid)) for pid in pids) else None


def _reported_pids(instance: dg.DagsterInstance, run: DagsterRun) -> list[str]:
    """Return the process ids that a run's Dagster events name."""
    events = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
    found = [event.dagster_event.engine_event_data.metadata.get("pid") for event in events if event.dagster_event]
    return [str(pid.value) for pid in found if pid is not None and str(pid.value).isdigit()]


def _pools(run: DagsterRun) -> set[str]:
    return set((run.run_op_concurrency and run.run_op_concurrency.all_pools) or ())


def _machine() -> str:
    """Identify this machine by its name, and where there is one, its namespace of process ids."""
    with suppress(OSError):
        return f"{socket.gethostname()}/{_NAMESPACE.readlink()}"
    return socket.gethostname()


def _start_of(pid: int) -> str:
    """Return when a process started, in clock ticks since boot; "" where there is no such process.

    Without /proc (macOS, or a hidden one) every process that exists has the same: a dead
    run is then missed where its id was given to another process.
    """
    if not _exists(pid):
        return ""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        state, *fields = text.rpartition(")")[2].split()
        return "" if state == "Z" else f"{fields[18]}.{_BOOT.read_text(encoding='ascii')[:8]}"
    except OSError:
        return "there"


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
