"""Run requests of schedules and sensors, made from the store's state; each active version gets a run of its own."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from embed_assets.assets.automation.jobs import EncoderJobs
from embed_assets.assets.encoder import register_version
from embed_assets.assets.names import AUTOMATIC, Names, all_shards_of_run, grid_range, known_versions, versions_of_run
from embed_assets.pipeline.steps import Steps
from embed_assets.store.manifest import TABLE as MANIFEST
from embed_assets.store.versions import VersionRecord

_UNDER_WAY = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


def embed_requests(
    names: Names, encoder: str, jobs: EncoderJobs, instance: dg.DagsterInstance, *, run_key: str | None = None
) -> list[dg.RunRequest]:
    """Request embed runs: all shards of each active version; the encoder asset alone before its first version.

    A version that Dagster does not know is registered: its database may be younger than the store.
    """
    kept = Steps(names.settings).active_versions(encoder)
    if not kept:
        return [resolve_request(names, encoder, jobs, run_key=run_key)]
    for record in reversed(kept):  # the current one comes last, as if each had been registered in its time
        register_version(instance, names, encoder, record.version)
    return [_embed(names, jobs, record, run_key=run_key and f"{run_key}-{record.version}") for record in kept]


def resolve_request(names: Names, encoder: str, jobs: EncoderJobs, *, run_key: str | None = None) -> dg.RunRequest:
    """Request a run of the encoder asset alone, which registers another version as a partition."""
    selection = [names.asset_key(encoder, "encoder")]
    return dg.RunRequest(run_key=run_key, job_name=jobs.embed.name, asset_selection=selection, tags=AUTOMATIC)


def requests_after_embed(
    names: Names, encoder: str, jobs: EncoderJobs, run: dg.DagsterRun, instance: dg.DagsterInstance
) -> Iterator[dg.RunRequest]:
    """Request what follows an embed run: promotion of its versions, and vectors of a version without any."""
    steps = Steps(names.settings)
    known = {record.version: record for record in steps.active_versions(encoder)}
    done = versions_of_run(run.tags, known_versions(names, encoder, instance))
    whole = all_shards_of_run(run.tags, names.settings.shards)
    for version in done:
        record = known.get(version)
        if record is not None and (whole or steps.plan(record).fresh):  # of some shards: when it was the last one
            yield _promote(jobs, record, run_key=f"promote-{run.run_id}-{version}")
    current = steps.current_version(encoder)
    if current is not None and current.version not in done and steps.vectors(current).open() is None:
        register_version(instance, names, encoder, current.version)
        if not under_way(names, encoder, jobs, current.version, instance):
            yield _embed(names, jobs, current, run_key=f"embed-{run.run_id}-{current.version}")


def reconcile_requests(
    names: Names, encoder: str, jobs: EncoderJobs, instance: dg.DagsterInstance, *, now: datetime | None = None
) -> Iterator[dg.RunRequest]:
    """Request what active versions lack, by manifest, vector tables, candidates and pointer alone.

    The same state is requested at most once an hour, and not while a run is in progress.
    """
    steps = Steps(names.settings)
    hour = f"{now or datetime.now(UTC):%Y-%m-%dT%H}"
    for record in steps.active_versions(encoder):
        register_version(instance, names, encoder, record.version)
        if under_way(names, encoder, jobs, record.version, instance):
            continue
        table = steps.vectors(record).open()
        table_versions = "-".join(str(_version(found)) for found in (steps.store.open_or_none(MANIFEST), table))
        state = f"{record.version}-{table_versions}-{hour}"
        if table is None or not steps.plan(record).fresh:
            yield _embed(names, jobs, record, run_key=f"reconcile-embed-{state}")
        elif not steps.is_up_to_date(record) and not _held_back(steps, record, table.version):
            yield _promote(jobs, record, run_key=f"reconcile-promote-{state}")


def unbuilt_versions(names: Names, instance: dg.DagsterInstance) -> list[str]:
    """Return the encoders' current versions that were never indexed, while nothing builds them; asks Dagster alone."""
    found = []
    for encoder in names.spaces_of:
        known = known_versions(names, encoder, instance)[-1:]  # an earlier one is not brought up any more
        built = instance.get_materialized_partitions(names.asset_key(encoder, "index")) if known else set()
        found += [version for version in known if version not in built]
    if not found or any(_may_build(names, run) for run in instance.get_runs(dg.RunsFilter(statuses=_UNDER_WAY))):
        return []  # the next look shows what that run built
    return found


def _may_build(names: Names, run: dg.DagsterRun) -> bool:
    """Return whether a run is of the pipeline: of its jobs, or of some of its assets."""
    kinds = ("embed", "reembed", "promote")
    jobs = {names.prefixed(f"{encoder}_{kind}") for encoder in names.spaces_of for kind in kinds}
    return run.job_name in {names.prefixed("build"), *jobs} or not (run.asset_selection or set()).isdisjoint(names.keys)


def under_way(names: Names, encoder: str, jobs: EncoderJobs, version: str, instance: dg.DagsterInstance) -> bool:
    """Return whether a run of one of the encoder's jobs is queued or in progress for the version."""
    known = known_versions(names, encoder, instance)
    runs = (
        run
        for job in (jobs.embed, jobs.reembed, jobs.promote)
        for run in instance.get_runs(dg.RunsFilter(job_name=job.name, statuses=_UNDER_WAY))
    )
    return any(version in versions_of_run(run.tags, known) for run in runs)


def _version(table: Any) -> int:
    return 0 if table is None else table.version


def _held_back(steps: Steps, record: VersionRecord, table_version: int) -> bool:
    """Return whether a blocking check failed on these very rows: another run would find the same."""
    candidate = steps.store.releases.candidate(record.id)
    if candidate is None or candidate.table_version != table_version:
        return False
    return any(check.blocking and not check.passed for check in candidate.checks)


def _embed(names: Names, jobs: EncoderJobs, record: VersionRecord, *, run_key: str | None) -> dg.RunRequest:
    tags = grid_range(record.version, names.settings.shards) | AUTOMATIC
    return dg.RunRequest(run_key=run_key, job_name=jobs.embed.name, tags=tags)


def _promote(jobs: EncoderJobs, record: VersionRecord, *, run_key: str) -> dg.RunRequest:
    return dg.RunRequest(run_key=run_key, job_name=jobs.promote.name, partition_key=record.version, tags=AUTOMATIC)
