"""The code location that workspace.yaml loads: the pipeline's assets, with this deployment's automation."""

import dagster as dg

from embed_assets.assets.jobs import build_jobs
from embed_assets.assets.pipeline import build_definitions, build_names
from jobs.schedules import nightly_schedules
from jobs.sensors import all_sensors
from resources.encoders import encoder_resource
from resources.pipeline import pipeline_settings
from resources.store import store_resource


def _definitions() -> dg.Definitions:
    settings = pipeline_settings()
    names, _ = build_names(settings)
    jobs = build_jobs(names)
    assets = build_definitions(settings, encoders=encoder_resource(settings), store=store_resource(settings), jobs=jobs)
    automation = dg.Definitions(
        schedules=nightly_schedules(names, jobs),
        sensors=all_sensors(names, jobs),
        executor=dg.in_process_executor,  # the model is loaded once a run, not once a step
    )
    return dg.Definitions.merge(assets, automation)


defs = _definitions()
