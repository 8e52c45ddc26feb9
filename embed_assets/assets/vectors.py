"""The vectors asset: encoder version by shard; encodes what is missing, in one run over many partitions."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from embed_assets.assets.automation.conditions import vectors_condition
from embed_assets.assets.encoder import library_of
from embed_assets.assets.names import SHARD, VERSION, Names, shards_by_version
from embed_assets.assets.resources import encoders_of_run, make_steps, refuse_other_dtype
from embed_assets.assets.ui.run_progress import progress_in_log
from embed_assets.assets.ui.vectors_metadata import run_observation, shard_metadata
from embed_assets.embedding.embed_report import EmbedReport
from embed_assets.embedding.run_budget import RunBudget, current_budget
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.store.versions import VersionId


def build_vectors_asset(names: Names, encoder: str, spec: EncoderSpec) -> dg.AssetsDefinition:
    """`<encoder>_vectors`: one row a segment, written whole item by whole item."""
    sources = [names.asset_key(source, "manifest") for source in names.settings.sources_of(encoder)]

    @dg.asset(
        key=names.asset_key(encoder, "vectors"),
        deps=[*sources, names.asset_key(encoder, "encoder")],
        partitions_def=names.version_shard_partitions(encoder),
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name=names.group(encoder),
        kinds={"lancedb", library_of(spec)},
        owners=names.settings.owners or None,
        required_resource_keys=names.resource_keys,
        automation_condition=vectors_condition(names, encoder),
        pool=names.settings.pool,
        description=(
            f"Vectors of {', '.join(spec.media)} by encoder version and shard. Encodes what is missing or "
            "edited, deletes what is gone, leaves what is equal; equal bytes are encoded once. All partitions of "
            "a run share one loaded model."
        ),
    )
    def vectors(context: dg.AssetExecutionContext) -> None:
        steps = make_steps(names, context.resources, loads_model=True)
        budget = current_budget() or encoders_of_run(names, context.resources).run_budget()
        done: dict[dg.MultiPartitionKey, dict[str, Any]] = {}
        unfinished = False
        by_version = shards_by_version(context.partition_keys)
        records = {version: steps.version(VersionId(encoder, version)) for version in by_version}
        for record in records.values():
            refuse_other_dtype(context, names, record.dtype, of=f"version {record.version}")
        for version, shards in by_version.items():
            record = records[version]
            with progress_in_log(context, observed=context.asset_key):
                report = steps.embed(record, shards=shards, budget=budget)
            context.log.info(_summary(report))
            observation = run_observation(context.asset_key, steps, record, report)
            if observation is not None:
                context.log_event(observation)
            complete = sorted(shards - report.left.keys())
            for shard, metadata in shard_metadata(steps, record, report, complete).items():
                done[dg.MultiPartitionKey({VERSION: version, SHARD: shard})] = metadata
            unfinished = unfinished or bool(report.left)
        if unfinished and budget is not None:
            _stop(context, done, budget)
        for key, metadata in done.items():
            context.add_asset_metadata(metadata, partition_key=key)

    return vectors


def _stop(context: dg.AssetExecutionContext, done: Mapping[dg.MultiPartitionKey, Any], budget: RunBudget) -> None:
    """End a run whose budget is exhausted: complete shards count as materialized, the run fails."""
    for key, metadata in done.items():
        context.log_event(dg.AssetMaterialization(context.asset_key, partition=key, metadata=metadata))
    raise budget.exhausted_error()


def _summary(report: EmbedReport) -> str:
    outcomes = ", ".join(f"{report.total(name)} {name}" for name in ("embedded", "reused", "unchanged", "quarantined"))
    return f"version {report.version}: {outcomes}, {report.total('deleted')} deleted; {report.seconds:.1f} s"
