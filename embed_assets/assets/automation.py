"""Automation: a nightly refresh, promotion after embedding, new media; all off until switched on."""

import hashlib
from collections.abc import Iterator

import dagster as dg

from embed_assets.assets.jobs import EncoderJobs
from embed_assets.assets.names import Names, grid_range, newest_version, version_of_run
from embed_assets.embedding.sources import limits_of, listed
from embed_assets.settings import PipelineSettings


def build_nightly_schedule(
    names: Names, encoder: str, jobs: EncoderJobs, *, cron_schedule: str, timezone: str = "UTC"
) -> dg.ScheduleDefinition:
    """Starts the embed job for all shards of the encoder's newest version."""

    @dg.schedule(
        name=names.named(f"{encoder}_nightly"),
        job=jobs.embed,
        cron_schedule=cron_schedule,
        execution_timezone=timezone,
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description=f"Bring the vectors of {encoder} up to date.",
    )
    def nightly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        return embed_request(names, encoder, context.instance)

    return nightly


def build_promotion_sensor(names: Names, encoder: str, jobs: EncoderJobs) -> dg.SensorDefinition:
    """After a successful embed run: promote its version. A version that was only registered is embedded."""

    @dg.run_status_sensor(
        run_status=dg.DagsterRunStatus.SUCCESS,
        name=names.named(f"{encoder}_promotion"),
        monitored_jobs=[jobs.embed],
        request_jobs=[jobs.promote, jobs.embed],
        default_status=dg.DefaultSensorStatus.STOPPED,
        description=f"Index, check and serve what {encoder} has embedded; embed a version that is new.",
    )
    def promotion(context: dg.RunStatusSensorContext) -> Iterator[dg.RunRequest]:
        yield from requests_after_embed(names, encoder, jobs, context.dagster_run, context.instance)

    return promotion


def build_new_media_sensor(
    names: Names, source: str, jobs: dict[str, EncoderJobs], *, seconds: int = 300
) -> dg.SensorDefinition:
    """Lists a source; where the listing is not the one of the last tick, starts the embed jobs that read it."""
    readers = [encoder for encoder in names.spaces_of if source in names.settings.sources_of(encoder)]

    @dg.sensor(
        name=names.named(f"{source}_new_media"),
        jobs=[jobs[encoder].embed for encoder in readers],
        minimum_interval_seconds=seconds,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description=f"Look for new, edited and deleted media in {names.settings.sources[source].uri}.",
    )
    def new_media(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        digest = listing_digest(names.settings, source)
        if digest == context.cursor:
            return dg.SkipReason(f"nothing changed in {source}")
        requests = [embed_request(names, encoder, context.instance, jobs[encoder], digest) for encoder in readers]
        return dg.SensorResult(run_requests=requests, cursor=digest)

    return new_media


def requests_after_embed(
    names: Names, encoder: str, jobs: EncoderJobs, run: dg.DagsterRun, instance: dg.DagsterInstance
) -> Iterator[dg.RunRequest]:
    """What a finished embed run calls for: promotion of its version, and vectors of a newer one without any."""
    done = version_of_run(run.tags)
    if done is not None:
        yield dg.RunRequest(run_key=f"promote-{run.run_id}", job_name=jobs.promote.name, partition_key=done)
    newest = newest_version(names, encoder, instance)
    if newest is not None and newest != done and not _has_vectors(names, encoder, newest, instance):
        tags = grid_range(newest, names.settings.shards)
        yield dg.RunRequest(run_key=f"embed-{run.run_id}", job_name=jobs.embed.name, tags=tags)


def embed_request(
    names: Names,
    encoder: str,
    instance: dg.DagsterInstance,
    jobs: EncoderJobs | None = None,
    run_key: str | None = None,
) -> dg.RunRequest:
    """A run of the embed job: all shards of the newest version; the encoder alone where there is none yet."""
    newest = newest_version(names, encoder, instance)
    key = f"{encoder}-{run_key}" if run_key else None
    job_name = jobs.embed.name if jobs else None
    if newest is None:
        selection = [names.key(of=encoder, kind="encoder")]
        return dg.RunRequest(run_key=key, job_name=job_name, asset_selection=selection)
    return dg.RunRequest(run_key=key, job_name=job_name, tags=grid_range(newest, names.settings.shards))


def listing_digest(settings: PipelineSettings, source: str) -> str:
    """Hash of a source's listing: keys, sizes, times and etags; no bytes are read."""
    found = listed(source, settings.sources[source], limits=limits_of(settings.limits), readers=1)
    digest = hashlib.sha256()
    for file in found.files:
        digest.update(f"{file.key}\0{file.size}\0{file.mtime}\0{file.etag}\n".encode())
    return digest.hexdigest()


def _has_vectors(names: Names, encoder: str, version: str, instance: dg.DagsterInstance) -> bool:
    key = names.key(of=encoder, kind="vectors")
    return any(partition.endswith(f"|{version}") for partition in instance.get_materialized_partitions(key))
