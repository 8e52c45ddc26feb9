"""Events of assets that a job of ops makes: with the tags by which Dagster sees what is stale."""

from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg

from embed_assets.assets.metadata_keys import DATA_VERSION

_CODE, _BY_USER = "dagster/code_version", "dagster/data_version_is_user_provided"
_INPUT_DATA, _INPUT_EVENT = "dagster/input_data_version", "dagster/input_event_pointer"
_INITIAL = "INITIAL"  # Dagster's data version of what was never materialized


def log_result(
    context: dg.OpExecutionContext,
    asset: dg.AssetSpec,
    result: dg.MaterializeResult,
    *,
    partition: str | None = None,
) -> None:
    """Log what an asset's own step would: its materialization, then its checks."""
    tags = _provenance(context.instance, asset) | dict(result.tags or {})
    if result.data_version is not None:
        tags |= {DATA_VERSION: result.data_version.value, _BY_USER: "true"}
    log_materialization(context, asset.key, result.metadata or {}, tags=tags, partition=partition)
    for check in result.check_results or ():
        log_check(context, asset.key, check, partition=partition)


def log_partitions(
    context: dg.OpExecutionContext, asset: dg.AssetSpec, metadata: Mapping[dg.MultiPartitionKey, Mapping[str, Any]]
) -> None:
    """Log the materializations of several partitions of an asset."""
    tags = _provenance(context.instance, asset)
    for partition, own in metadata.items():
        log_materialization(context, asset.key, own, tags=tags, partition=partition)


def log_materialization(
    context: dg.OpExecutionContext,
    key: dg.AssetKey,
    metadata: Mapping[str, Any],
    *,
    tags: Mapping[str, str],
    partition: str | None,
) -> None:
    """Log one materialization."""
    context.log_event(dg.AssetMaterialization(key, metadata=metadata, partition=partition, tags=dict(tags)))


def log_check(
    context: dg.OpExecutionContext, key: dg.AssetKey, result: dg.AssetCheckResult, *, partition: str | None
) -> None:
    """Log the evaluation of a check."""
    assert result.check_name is not None
    evaluation: Any = dg.AssetCheckEvaluation(
        asset_key=key,
        check_name=result.check_name,
        passed=result.passed,
        metadata=result.metadata,
        severity=result.severity,
        description=result.description,
        partition=partition,
    )
    context.log_event(evaluation)


def latest_code_version(instance: dg.DagsterInstance, key: dg.AssetKey) -> str:
    """Return the code version of an asset's latest materialization; "" before the first."""
    event = instance.get_latest_materialization_event(key)
    tags = (event.asset_materialization.tags if event and event.asset_materialization else None) or {}
    return tags.get(_CODE, "")


def _provenance(instance: dg.DagsterInstance, asset: dg.AssetSpec) -> dict[str, str]:
    """Build the tags that say of which code and of which upstream materializations an asset is made."""
    tags = {_CODE: asset.code_version} if asset.code_version else {}
    for upstream, (data_version, storage_id) in _latest(instance, (dep.asset_key for dep in asset.deps)).items():
        name = "/".join(upstream.path)
        tags |= {f"{_INPUT_DATA}/{name}": data_version, f"{_INPUT_EVENT}/{name}": storage_id}
    return tags


def _latest(instance: dg.DagsterInstance, keys: Iterable[dg.AssetKey]) -> dict[dg.AssetKey, tuple[str, str]]:
    found = {}
    for key in keys:
        records = instance.fetch_materializations(key, limit=1).records
        event = records[0].asset_materialization if records else None
        data_version = (event.tags or {}).get(DATA_VERSION, _INITIAL) if event else _INITIAL
        found[key] = (data_version, str(records[0].storage_id) if records else "NULL")
    return found
