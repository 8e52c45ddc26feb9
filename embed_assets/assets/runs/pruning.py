"""Pruning: finished runs of a store's own Dagster home go when they are old, or too many; what the UI shows stays."""

import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

_FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
_DAY = 86_400.0  # seconds
_SLACK = 1.2  # so many times more runs than are kept: then they are pruned, so that a run seldom pays for it


def prune_runs(
    instance: dg.DagsterInstance, home: Path, *, checks: Sequence[dg.AssetCheckKey], keep: int, older_than: timedelta
) -> int:
    """Delete finished runs beyond the newest `keep`, and those older than `older_than`; return how many.

    A run stays whatever its age while it is the latest to have materialized an asset or one of its partitions,
    or to have evaluated one of the `checks`. Does nothing while there are few; looks for old ones once a day.
    """
    wanted = dg.RunsFilter(statuses=_FINISHED)
    if instance.get_runs_count(wanted) <= keep * _SLACK and not _is_due(home):
        return 0
    records = instance.get_run_records(wanted)
    cutoff = datetime.now(UTC) - older_than
    old = [one for number, one in enumerate(records) if number >= keep or _created(one) < cutoff]
    shown = _shown(instance, checks) if old else set()
    gone = [record.dagster_run.run_id for record in old if record.dagster_run.run_id not in shown]
    for run_id in gone:
        _delete(instance, home, run_id)
    return len(gone)


def _is_due(home: Path) -> bool:
    """Return whether the last pruning is a day ago, and note this one."""
    stamp = home / "pruned"
    due = not stamp.exists() or stamp.stat().st_mtime < time.time() - _DAY
    if due:
        stamp.touch()
    return due


def _created(record: dg.RunRecord) -> datetime:
    made = record.create_timestamp
    return made if made.tzinfo else made.replace(tzinfo=UTC)


def _shown(instance: dg.DagsterInstance, checks: Sequence[dg.AssetCheckKey]) -> set[str]:
    """Return the runs of each asset's or partition's latest materialization, and of each check's latest evaluation."""
    runs = set[str]()
    for key in instance.all_asset_keys():
        runs.update(record.run_id for record in instance.fetch_materializations(key, limit=1).records)
        runs.update(_of_partitions(instance, key))
    latest = instance.event_log_storage.get_latest_asset_check_execution_by_key(checks)
    return runs | {found.run_id for found in latest.values()}


def _of_partitions(instance: dg.DagsterInstance, key: dg.AssetKey) -> set[str]:
    kind = dg.DagsterEventType.ASSET_MATERIALIZATION
    latest = list(instance.event_log_storage.get_latest_storage_id_by_partition(key, kind).values())
    if not latest:
        return set()
    found = instance.fetch_materializations(dg.AssetRecordsFilter(asset_key=key, storage_ids=latest), limit=len(latest))
    return {record.run_id for record in found.records}


def _delete(instance: dg.DagsterInstance, home: Path, run_id: str) -> None:
    instance.delete_run(run_id)
    with suppress(NotImplementedError):
        instance.compute_log_manager.delete_logs(prefix=[run_id])
    for file in (home / "history" / "runs").glob(f"{run_id}.db*"):  # its events, which are deleted by now
        file.unlink(missing_ok=True)
