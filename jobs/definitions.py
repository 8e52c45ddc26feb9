"""The code location that workspace.yaml loads: the whole pipeline, run in process."""

import dagster as dg

from embed_assets.assets.pipeline import build_definitions
from resources.encoders import encoder_resource
from resources.pipeline import pipeline_settings
from resources.store import store_resource


def _definitions() -> dg.Definitions:
    settings = pipeline_settings()
    pipeline = build_definitions(settings, encoders=encoder_resource(settings), store=store_resource(settings))
    executor = dg.Definitions(executor=dg.in_process_executor)  # the model is loaded once a run, not once a step
    return dg.Definitions.merge(pipeline, executor)


defs = _definitions()
