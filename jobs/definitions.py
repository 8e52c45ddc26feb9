"""The code location that workspace.yaml loads: the whole pipeline, and the executor that its settings name."""

import dagster as dg

from embed_assets.assets.pipeline import build_definitions
from embed_assets.assets.runs.executor import executor_of
from resources.encoders import encoder_resource
from resources.pipeline import pipeline_settings
from resources.store import store_resource


def _definitions() -> dg.Definitions:
    settings = pipeline_settings()
    pipeline = build_definitions(settings, encoders=encoder_resource(settings), store=store_resource(settings))
    return dg.Definitions.merge(pipeline, dg.Definitions(executor=executor_of(settings)))  # of "Materialize" in the UI


defs = _definitions()
