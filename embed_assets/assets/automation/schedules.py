"""Schedules: a nightly refresh, weekly maintenance, a weekly look at recall; all off until switched on."""

from collections.abc import Mapping

import dagster as dg

from embed_assets.assets.automation.jobs import EncoderJobs
from embed_assets.assets.automation.run_requests import embed_requests
from embed_assets.assets.automation.upkeep_jobs import UpkeepJobs
from embed_assets.assets.names import AUTOMATIC, Names
from embed_assets.pipeline.steps import Steps

_STOPPED = dg.DefaultScheduleStatus.STOPPED


def build_schedules(names: Names, jobs: Mapping[str, EncoderJobs], upkeep: UpkeepJobs) -> list[dg.ScheduleDefinition]:
    """Build all schedules: embed jobs from 3 a.m., half an hour apart; on Sundays maintenance, then recall."""
    nightly = [
        build_nightly_schedule(names, encoder, jobs[encoder], cron_schedule=f"{_half_hours(n, after=3)} * * *")
        for n, encoder in enumerate(jobs)
    ]
    recall = [
        build_recall_schedule(names, encoder, jobs[encoder], cron_schedule=f"{_half_hours(n, after=14)} * * 0")
        for n, encoder in enumerate(jobs)
    ]
    return [*nightly, build_maintenance_schedule(names, upkeep.maintain, cron_schedule="0 12 * * 0"), *recall]


def build_nightly_schedule(
    names: Names, encoder: str, jobs: EncoderJobs, *, cron_schedule: str
) -> dg.ScheduleDefinition:
    """Build the schedule of the embed job: all shards of each active version of the encoder."""

    @dg.schedule(
        name=names.prefixed(f"{encoder}_nightly"),
        job=jobs.embed,
        cron_schedule=cron_schedule,
        execution_timezone=names.settings.automation.timezone,
        default_status=_STOPPED,
        description=f"Bring the vectors of {encoder} up to date, of every version that is kept.",
    )
    def nightly(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest]:
        night = context.scheduled_execution_time.isoformat()
        return embed_requests(names, encoder, jobs, context.instance, run_key=night)

    return nightly


def build_maintenance_schedule(names: Names, job: dg.JobDefinition, *, cron_schedule: str) -> dg.ScheduleDefinition:
    """Build the schedule of the maintenance job."""
    return dg.ScheduleDefinition(
        name=names.prefixed("weekly_maintenance"),
        job=job,
        cron_schedule=cron_schedule,
        execution_timezone=names.settings.automation.timezone,
        tags=AUTOMATIC,
        default_status=_STOPPED,
        description="Compact the tables, refresh their indices, remove what no pointer needs.",
    )


def build_recall_schedule(
    names: Names, encoder: str, jobs: EncoderJobs, *, cron_schedule: str
) -> dg.ScheduleDefinition:
    """Build the schedule of the recall job, for the live version if it is the encoder's."""

    @dg.schedule(
        name=names.prefixed(f"{encoder}_weekly_recall"),
        job=jobs.recall,
        cron_schedule=cron_schedule,
        execution_timezone=names.settings.automation.timezone,
        default_status=_STOPPED,
        description=f"Measure the recall of what {encoder} serves.",
    )
    def weekly_recall(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        space = names.spaces_of[encoder]
        live = Steps(names.settings).store.serving.pointer(space).live
        if live is None or live.encoder != encoder:
            return dg.SkipReason(f"Space {space!r} serves nothing of {encoder}.")
        return dg.RunRequest(tags={"dagster/partition": live.encoder_version, **AUTOMATIC})

    return weekly_recall


def _half_hours(number: int, *, after: int) -> str:
    """Return minute and hour of the n-th half hour after `hour` as cron writes them, modulo 24 hours."""
    return f"{30 * (number % 2)} {(after + number // 2) % 24}"
