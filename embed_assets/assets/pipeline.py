"""From settings to Dagster's objects: all of them, or assets, checks, resources alone. Read this first.

<source>_manifest ─┐
                   ├─► <encoder>_vectors ─► <encoder>_index ─► checks ─► <space>_serving
<encoder>_encoder ─┘    version, shard        version          blocking    pointer ─► pipeline_dashboard
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import dagster as dg

from embed_assets.assets.automation.build_job import build_build_job
from embed_assets.assets.automation.choice import chosen_jobs, chosen_schedules, chosen_sensors
from embed_assets.assets.automation.conditions import build_automation_sensor
from embed_assets.assets.automation.jobs import EncoderJobs, build_jobs
from embed_assets.assets.automation.schedules import build_schedules
from embed_assets.assets.automation.sensors import build_sensors
from embed_assets.assets.automation.upkeep_jobs import UpkeepJobs, build_upkeep_jobs
from embed_assets.assets.checks import build_checks
from embed_assets.assets.dashboard import build_dashboard_asset
from embed_assets.assets.encoder import build_encoder_asset
from embed_assets.assets.export import build_export_asset
from embed_assets.assets.host.code_references import CODE_REFERENCES, calling_code, code_references
from embed_assets.assets.host.step_hooks import Execute, execute_step
from embed_assets.assets.host.translator import AssetKind, EmbeddingTranslator, translated
from embed_assets.assets.index import build_index_asset
from embed_assets.assets.manifest import build_manifest_asset
from embed_assets.assets.names import DASHBOARD, Names
from embed_assets.assets.reports.balance import build_balance_asset
from embed_assets.assets.reports.drift import build_drift_asset, build_query_drift_asset
from embed_assets.assets.reports.evaluation import build_evaluation_asset
from embed_assets.assets.reports.leaderboard import build_leaderboard_asset
from embed_assets.assets.reports.map import build_map_asset
from embed_assets.assets.reports.matches import build_matches_asset
from embed_assets.assets.reports.noise import build_noise_asset
from embed_assets.assets.resources import EncoderResource, StoreResource
from embed_assets.assets.runs.executor import executor_of
from embed_assets.assets.runs.kubernetes_tags import check_kubernetes_tags
from embed_assets.assets.serving import build_serving_asset
from embed_assets.assets.vectors import build_vectors_asset
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.plugins import warn_once
from embed_assets.settings import PipelineSettings
from embed_assets.versions.load_version import missing_extra_message, spec_of

Until = Literal["vectors", "index", "serving"]
_REPORTS = {
    "balance": build_balance_asset,
    "drift": build_drift_asset,
    "query_drift": build_query_drift_asset,
    "evaluation": build_evaluation_asset,
    "map": build_map_asset,
    "noise": build_noise_asset,
}


def build_definitions(
    settings: PipelineSettings,
    *,
    encoders: EncoderResource | None = None,
    store: StoreResource | None = None,
    jobs: Mapping[str, EncoderJobs] | None = None,
    upkeep: UpkeepJobs | None = None,
    executor: dg.ExecutorDefinition | None = None,
    written: Mapping[str, str] | None = None,
    translator: EmbeddingTranslator | None = None,
    execute: Execute = execute_step,
) -> dg.Definitions:
    """Build assets, checks, jobs, schedules, sensors and resources of a pipeline; they merge with a host's own.

    `encoders` and `store` replace the resources that the settings describe, `jobs` and `upkeep` those of
    `build_jobs` and `build_upkeep_jobs`, `executor` that of the jobs. Which jobs, schedules and sensors there are
    is in `automation.jobs`, `schedules` and `sensors`; `jobs` that are given stay. Schedules and sensors are off
    until switched on in the UI, but for `first_build`; with `automation.enabled` there is a sensor for the assets'
    conditions, too. `written` says where the `asset` of a source is written, for the message on a misspelt one.
    `translator` changes how the assets look; `execute` is called for each step, with logic of the host's around it.
    Runs of assets that are no job's have the code location's executor, which its host sets (`executor_of` gives that
    of the settings); under any a step's process loads a model at most once. Two pipelines of one location need
    different `key_prefix`es and stores.
    """
    names, specs = build_names(settings, written=written, translator=translator, execute=execute)
    automation = settings.automation
    if jobs is not None:  # who gives jobs wants them
        automation = automation.model_copy(update={"jobs": True})
    executor = executor or executor_of(settings)
    jobs, upkeep = jobs or build_jobs(names, executor=executor), upkeep or build_upkeep_jobs(names)
    conditions = build_automation_sensor(names)
    assets = _assets(names, specs, until="serving")
    build = build_build_job(names, {spec.key: spec for each in assets for spec in each.specs}, executor=executor)
    chosen = chosen_jobs(automation, [{"build": build}, *map(vars, jobs.values()), vars(upkeep)])
    return dg.Definitions(
        assets=assets,
        asset_checks=[build_checks(names, encoder) for encoder in specs],
        jobs=chosen,
        schedules=chosen_schedules(automation, build_schedules(names, jobs, upkeep), chosen),
        sensors=[
            *chosen_sensors(automation, build_sensors(names, specs, jobs, build), chosen),
            *([conditions] if conditions else []),
        ],
        resources=build_resources(settings, encoders=encoders, store=store),
    )


def build_embedding_assets(
    settings: PipelineSettings,
    *,
    until: Until = "serving",
    translator: EmbeddingTranslator | None = None,
    execute: Execute = execute_step,
) -> list[dg.AssetsDefinition]:
    """Build the assets alone. `until="vectors"` leaves out indices and pointers, `"index"` the pointers.

    They need the resources of `build_resources`; the jobs of `build_jobs` need all of them. `translator` and
    `execute` are as in `build_definitions`.
    """
    names, specs = build_names(settings, translator=translator, execute=execute)
    return _assets(names, specs, until=until)


def build_index_checks(
    settings: PipelineSettings,
    *,
    encoders: Iterable[str] | None = None,
    translator: EmbeddingTranslator | None = None,
) -> list[dg.AssetChecksDefinition]:
    """Build the checks alone, of all or some encoders' indices. They need the resources of `build_resources`.

    Of a Lance table that no pipeline made, `build_recall_check` in recall_check.py measures the index.
    """
    names, specs = build_names(settings, translator=translator)
    return [build_checks(names, encoder) for encoder in (specs if encoders is None else encoders)]


def build_resources(
    settings: PipelineSettings, *, encoders: EncoderResource | None = None, store: StoreResource | None = None
) -> dict[str, dg.ConfigurableResource[Any]]:
    """Build the resources `encoders` and `store`, under keys with the pipeline's prefix."""
    names = Names(settings, {})
    return {
        names.encoders_key: encoders or EncoderResource.from_settings(settings.compute),
        names.store_key: store or StoreResource.from_settings(settings),
    }


def build_names(
    settings: PipelineSettings,
    *,
    written: Mapping[str, str] | None = None,
    translator: EmbeddingTranslator | None = None,
    execute: Execute = execute_step,
) -> tuple[Names, dict[str, EncoderSpec]]:
    """Build names and encoder specs. Reads model configs, never weights; warns of missing extras.

    Raises SettingsError where dagster-k8s refuses a tag of `op_tags`.
    """
    check_kubernetes_tags(settings.op_tags)
    specs = {name: spec_of(name, encoder) for name, encoder in settings.encoders.items()}
    for message in filter(None, map(missing_extra_message, specs.values())):
        warn_once(f"{message}. Its assets load without it, its runs need it.")
    spaces = {name: spec.space for name, spec in specs.items()}
    return Names(settings, spaces, written or {}, translator or EmbeddingTranslator(), execute), specs


def _assets(names: Names, specs: Mapping[str, EncoderSpec], *, until: Until) -> list[dg.AssetsDefinition]:
    caller = calling_code()

    def own(definition: dg.AssetsDefinition, kind: AssetKind, name: str) -> dg.AssetsDefinition:
        links = {CODE_REFERENCES: code_references(names, kind, name, caller=caller)}
        return translated(names.translator, names.settings, definition, kind=kind, name=name, metadata=links)

    assets = [own(build_manifest_asset(names, source), "manifest", source) for source in names.settings.sources]
    for encoder, spec in specs.items():
        assets.append(own(build_encoder_asset(names, encoder, spec), "encoder", encoder))
        assets.append(own(build_vectors_asset(names, encoder, spec), "vectors", encoder))
        if until != "vectors":
            assets.append(own(build_index_asset(names, encoder, spec), "index", encoder))
    if until == "serving":
        assets.extend(own(build_serving_asset(names, space), "serving", space) for space in names.spaces)
        assets.append(own(build_dashboard_asset(names), "dashboard", DASHBOARD))
        compared = names.spaces_with_leaderboard
        assets.extend(own(build_leaderboard_asset(names, space), "leaderboard", space) for space in compared)
        assets.extend(own(_REPORTS[kind](names, owner), kind, owner) for kind, owner in names.reports)
        saved = names.settings.saved_queries
        assets.extend(own(build_matches_asset(names, name), "matches", name) for name in saved)
        assets.extend(own(build_export_asset(names, name), "export", name) for name in names.settings.sinks)
    return assets
