"""Upstream: the host's own asset that a source is made from, and its value where the value is the table."""

from typing import Any

import dagster as dg

from embed_assets.assets.host.step_hooks import StepContext
from embed_assets.assets.metadata_keys import UPSTREAM
from embed_assets.assets.names import Names
from embed_assets.errors import SourceError
from embed_assets.pipeline.steps import Steps
from embed_assets.settings import PipelineSettings, SourceSettings


def upstream_key(settings: SourceSettings) -> dg.AssetKey | None:
    """Return the key of a source's asset: the host's, so without the pipeline's prefix."""
    return dg.AssetKey.from_user_string(settings.asset) if settings.asset else None


def upstream_of(settings: PipelineSettings, source: str) -> list[dg.AssetKey]:
    """Return the dependencies of a source's manifest."""
    key = upstream_key(settings.sources[source])
    return [] if key is None else [key]


def upstream_made(settings: SourceSettings, instance: dg.DagsterInstance) -> str:
    """Return when a source's asset was last materialized, in seconds since the epoch; "" if never, or without asset."""
    key = upstream_key(settings)
    event = None if key is None else instance.get_latest_materialization_event(key)
    return "" if event is None else f"{event.timestamp:.6f}"


def news_of_upstream(names: Names, source: str, instance: dg.DagsterInstance) -> str:
    """Return when a source's asset was materialized, if its manifest is older; else "".

    A manifest's own time would not tell: the asset may be materialized while the manifest is being made.
    """
    made = upstream_made(names.settings.sources[source], instance)
    event = instance.get_latest_materialization_event(names.asset_key(source, "manifest")) if made else None
    seen = event.asset_materialization.metadata.get(UPSTREAM) if event and event.asset_materialization else None
    return "" if seen is not None and seen.value == made else made


def land_upstream(context: StepContext, steps: Steps, source: str) -> None:
    """Land the value of a source's asset; does nothing for a source with a uri.

    Where the asset is not defined in this code location, which is so at the command line, what was landed before is
    left as it is. Raises SourceError where the asset's value can't be loaded, or is no table.
    """
    settings = steps.settings.sources[source]
    key = upstream_key(settings)
    if settings.kind != "value" or key is None:
        return
    if not _is_defined(context, key):
        context.log.warning(
            f"Asset {settings.asset} is not defined here, so that its value can't be loaded: {source} is what was "
            "landed of it before. Run this in the code location of the asset, or give the source a uri."
        )
        return
    definition = context.job_def.asset_layer.get(key).assets_def
    # Open until the value is landed: it may be a relation that is read through the IO manager's connection.
    with dg.AssetValueLoader({key: definition}, instance=context.instance) as loader:
        report = steps.land(source, _value(context, key, loader))
    context.log.info(f"{settings.asset}: {report.rows} rows, {report.written} written, {report.deleted} deleted")


def _is_defined(context: StepContext, key: dg.AssetKey) -> bool:
    """Return whether the asset is defined: Dagster makes a stub for a key that nothing defines."""
    layer = context.job_def.asset_layer
    return layer.has(key) and not layer.get(key).assets_def.is_auto_created_stub


def _value(context: StepContext, key: dg.AssetKey, loader: dg.AssetValueLoader) -> Any:
    """Load the asset's value through its IO manager; of a partitioned asset every materialized partition, by key."""
    partitions = context.job_def.asset_layer.get(key).partitions_def
    try:
        if partitions is None:
            return loader.load_asset_value(key)
        known = partitions.get_partition_keys(dynamic_partitions_store=context.instance)
        made = context.instance.get_materialized_partitions(key)
        return {each: loader.load_asset_value(key, partition_key=each) for each in known if each in made}
    except Exception as error:  # an IO manager may raise anything
        raise SourceError(
            f"The value of asset {key.to_user_string()!r} can't be loaded: {type(error).__name__}: {error}. "
            "Materialize it first; it has to return its table through an IO manager that other runs can read from. "
            "If it writes the table itself, give the source the table's uri."
        ) from error
