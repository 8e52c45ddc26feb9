"""When this deployment looks for work: media each night, one encoder after the other; the store each Sunday."""

import dagster as dg

from embed_assets.assets.jobs import EncoderJobs
from embed_assets.assets.maintenance import UpkeepJobs
from embed_assets.assets.names import Names
from embed_assets.assets.schedules import (
    build_maintenance_schedule,
    build_nightly_schedule,
    build_recall_schedule,
)


def all_schedules(names: Names, jobs: dict[str, EncoderJobs], upkeep: UpkeepJobs) -> list[dg.ScheduleDefinition]:
    """Embed jobs from three at night, half an hour apart; on Sundays maintenance, then recall. On in the UI."""
    nightly = [
        build_nightly_schedule(names, encoder, jobs[encoder], cron_schedule=f"{_half_hours(n, after=3)} * * *")
        for n, encoder in enumerate(jobs)
    ]
    recall = [
        build_recall_schedule(names, encoder, jobs[encoder], cron_schedule=f"{_half_hours(n, after=14)} * * 0")
        for n, encoder in enumerate(jobs)
    ]
    return [*nightly, build_maintenance_schedule(names, upkeep.maintain, cron_schedule="0 12 * * 0"), *recall]


def _half_hours(number: int, *, after: int) -> str:
    """Minute and hour of the n-th half hour after one, as cron has them; after midnight it starts over."""
    return f"{30 * (number % 2)} {(after + number // 2) % 24}"
