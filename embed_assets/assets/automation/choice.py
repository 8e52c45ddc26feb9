"""What `automation` of the settings leaves in of jobs, schedules and sensors; what starts a job goes with the job."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from embed_assets.settings import SCHEDULE_KINDS, SENSOR_KINDS, AutomationSettings

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

    Job = dg.JobDefinition | UnresolvedAssetJobDefinition


def chosen_jobs(settings: AutomationSettings, jobs: Iterable[Mapping[str, Any]]) -> "list[Job]":
    """Return the jobs that are chosen, of mappings of a kind to its job, or to its jobs by name."""
    return [
        job
        for group in jobs
        for kind, found in group.items()
        if _is_chosen(settings.jobs, kind)
        for job in (found.values() if isinstance(found, Mapping) else [found])
    ]


def chosen_schedules(
    settings: AutomationSettings, schedules: Iterable[dg.ScheduleDefinition], jobs: "Sequence[Job]"
) -> list[dg.ScheduleDefinition]:
    """Return the schedules that are chosen and start one of the jobs."""
    there = {job.name for job in jobs}
    return [
        each
        for each in schedules
        if each.job_name in there and _is_chosen(settings.schedules, _kind(each.name, SCHEDULE_KINDS))
    ]


def chosen_sensors(
    settings: AutomationSettings, sensors: Iterable[dg.SensorDefinition], jobs: "Sequence[Job]"
) -> list[dg.SensorDefinition]:
    """Return the sensors that are chosen and all of whose jobs are there."""
    there = {job.name for job in jobs}
    return [
        each
        for each in sensors
        if {target.job_name for target in each.targets} <= there
        and _is_chosen(settings.sensors, _kind(each.name, SENSOR_KINDS))
    ]


def _kind(name: str, kinds: Sequence[str]) -> str:
    """Return the kind that a name ends in."""
    return next(kind for kind in kinds if name.endswith(kind))


def _is_chosen(choice: Any, kind: str) -> bool:
    return choice if isinstance(choice, bool) else kind in choice
