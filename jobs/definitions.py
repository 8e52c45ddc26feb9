"""The code location that workspace.yaml loads: the pipeline's assets, with this deployment's automation."""

import dagster as dg

from embed_assets.assets.jobs import build_jobs
from embed_assets.assets.maintenance import build_upkeep_jobs
from embed_assets.assets.pipeline import build_definitions, build_names
from jobs.schedules import all_schedules
from jobs.sensors import all_sensors
from resources.encoders import encoder_resource
from resources.pipeline import pipeline_settings
from resources.store import store_resource


def _definitions() -> dg.Definitions:
    settings = pipeline_settings()
    names, specs = build_names(settings)
    jobs, upkeep = build_jobs(names), build_upkeep_jobs(names)
    assets = build_definitions(
        settings, encoders=encoder_resource(settings), store=store_resource(settings), jobs=jobs, upkeep=upkeep
    )
    automation = dg.Definitions(
        schedules=all_schedules(names, jobs, upkeep),
        sensors=all_sensors(names, specs, jobs),
        executor=dg.in_process_executor,  # the model is loaded once a run, not once a step
    )
    return dg.Definitions.merge(assets, automation)


defs = _definitions()
