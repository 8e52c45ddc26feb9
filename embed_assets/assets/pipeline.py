"""build_definitions: from settings to assets, checks and jobs. Read this first.

<source>_manifest ─┐
                   ├─► <encoder>_vectors ─► <encoder>_index ─► checks ─► <space>_serving
<encoder>_encoder ─┘    version, shard        version          blocking    pointer
"""

from collections.abc import Mapping

import dagster as dg

from embed_assets.assets.checks import build_index_checks
from embed_assets.assets.conditions import build_automation_sensor
from embed_assets.assets.encoder import build_encoder_asset
from embed_assets.assets.index import build_index_asset
from embed_assets.assets.jobs import EncoderJobs, build_jobs
from embed_assets.assets.maintenance import UpkeepJobs, build_upkeep_jobs
from embed_assets.assets.manifest import build_manifest_asset
from embed_assets.assets.names import Names
from embed_assets.assets.resources import EncoderResource, StoreResource
from embed_assets.assets.serving import build_serving_asset
from embed_assets.assets.vectors import build_vectors_asset
from embed_assets.embedding.loading import spec_of
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.settings import PipelineSettings


def build_definitions(
    settings: PipelineSettings,
    *,
    encoders: EncoderResource | None = None,
    store: StoreResource | None = None,
    jobs: Mapping[str, EncoderJobs] | None = None,
    upkeep: UpkeepJobs | None = None,
) -> dg.Definitions:
    """Assets, checks, jobs and resources of a pipeline; merges with a host's own definitions.

    `encoders` and `store` replace the resources that the settings describe, `jobs` and `upkeep` those of
    `build_jobs` and `build_upkeep_jobs`. With `automation.enabled` there is a sensor for the assets' conditions.
    No executor is set, since a code location has one: run embedding in process, so that the model is
    loaded once a run.
    """
    names, specs = build_names(settings)
    assets: list[dg.AssetsDefinition] = [build_manifest_asset(names, source) for source in settings.sources]
    for encoder, spec in specs.items():
        assets.append(build_encoder_asset(names, encoder, spec))
        assets.append(build_vectors_asset(names, encoder, spec))
        assets.append(build_index_asset(names, encoder, spec))
    assets.extend(build_serving_asset(names, space) for space in names.spaces)
    upkeep = upkeep or build_upkeep_jobs(names)
    sensor = build_automation_sensor(names)
    return dg.Definitions(
        assets=assets,
        asset_checks=[build_index_checks(names, encoder) for encoder in specs],
        jobs=[*(job for own in (jobs or build_jobs(names)).values() for job in own.all), *upkeep.all],
        sensors=[sensor] if sensor else [],
        resources={
            "encoders": encoders or EncoderResource.from_settings(settings.compute),
            "store": store or StoreResource(uri=settings.store, storage_options=settings.storage_options),
        },
    )


def build_names(settings: PipelineSettings) -> tuple[Names, dict[str, EncoderSpec]]:
    """Names and encoder specs of a pipeline. Reads model configs, never weights."""
    specs = {name: spec_of(name, encoder) for name, encoder in settings.encoders.items()}
    return Names(settings, {name: spec.space for name, spec in specs.items()}), specs
