"""When this deployment looks for work: each night, one encoder after the other."""

import dagster as dg

from embed_assets.assets.automation import build_nightly_schedule
from embed_assets.assets.jobs import EncoderJobs
from embed_assets.assets.names import Names


def nightly_schedules(names: Names, jobs: dict[str, EncoderJobs]) -> list[dg.ScheduleDefinition]:
    """Every encoder's embed job at three, half an hour apart; switch them on in the UI."""
    return [
        build_nightly_schedule(names, encoder, jobs[encoder], cron_schedule=f"{30 * (n % 2)} {3 + n // 2} * * *")
        for n, encoder in enumerate(jobs)
    ]
