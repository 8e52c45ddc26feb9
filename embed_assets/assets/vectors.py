"""The vectors asset: encoder version by shard; encodes what is missing, in one run over many partitions or some."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

import dagster as dg

from embed_assets.assets.automation.conditions import vectors_condition
from embed_assets.assets.code_versions import code_version
from embed_assets.assets.encoder import library_of
from embed_assets.assets.host.step_hooks import StepContext
from embed_assets.assets.names import SHARD, VERSION, Names, shards_by_version
from embed_assets.assets.resources import encoders_of_run, make_steps, refuse_other_dtype
from embed_assets.assets.ui.run_progress import progress_in_log
from embed_assets.assets.ui.storage import STORAGE_KIND, storage_metadata
from embed_assets.assets.ui.vectors_metadata import run_observation, shard_metadata
from embed_assets.embedding.embed_report import EmbedReport
from embed_assets.embedding.run_budget import RunBudget, current_budget
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.settings import PipelineSettings
from embed_assets.store.versions import VersionId


def build_vectors_asset(names: Names, encoder: str, spec: EncoderSpec) -> dg.AssetsDefinition:
    """`<encoder>_vectors`: one row a segment, written whole item by whole item."""
    sources = [names.asset_key(source, "manifest") for source in names.settings.sources_of(encoder)]

    @dg.asset(
        key=names.asset_key(encoder, "vectors"),
        code_version=code_version(names.settings, "vectors", encoder, spec),
        deps=[*sources, names.asset_key(encoder, "encoder")],
        partitions_def=names.version_shard_partitions(encoder),
        group_name=names.group(encoder),
        kinds={"lancedb", library_of(spec)},
        tags=STORAGE_KIND,
        metadata=storage_metadata(names.settings),
        owners=names.settings.owners or None,
        required_resource_keys=names.resource_keys,
        automation_condition=vectors_condition(names, encoder),
        op_tags=names.settings.op_tags,
        pool=names.settings.pool,
        retry_policy=names.retry_policy,
        description=(
            f"Vectors of {', '.join(spec.media)} by encoder version and shard. Encodes what is missing or "
            "edited, deletes what is gone, leaves what is equal; equal bytes are encoded once. All partitions of "
            "a run share one loaded model."
        ),
    )
    def vectors(context: dg.AssetExecutionContext) -> None:
        names.run(context, "vectors", encoder, lambda: _embed_partitions(names, encoder, context))

    # The decorator's argument prints a BetaWarning at every load; the attribute does not.
    return vectors.with_attributes(backfill_policy=_backfill_policy(names.settings))


def _backfill_policy(settings: PipelineSettings) -> dg.BackfillPolicy:
    """Return how many runs a backfill is: one, or one for each `run_shards` partitions of a version."""
    if settings.run_shards is None:
        return dg.BackfillPolicy.single_run()
    return dg.BackfillPolicy.multi_run(max_partitions_per_run=settings.run_shards)


def _embed_partitions(names: Names, encoder: str, context: dg.AssetExecutionContext) -> None:
    """Embed the shards of each version that the run's partitions name."""
    budget = run_budget(names, context)
    done: dict[dg.MultiPartitionKey, dict[str, Any]] = {}
    unfinished = False
    by_version = shards_by_version(context.partition_keys)
    steps = make_steps(names, context.resources, loads_model=True)
    for version in by_version:  # before anything of the others is embedded
        refuse_other_dtype(context, names, steps.version(VersionId(encoder, version)).dtype, of=f"version {version}")
    for version, shards in by_version.items():
        embedded = embed_shards(names, VersionId(encoder, version), context, shards=shards, budget=budget)
        done |= embedded.metadata
        unfinished = unfinished or embedded.unfinished
    if unfinished and budget is not None:
        for key, metadata in done.items():  # complete shards count as materialized, the run fails
            context.log_event(dg.AssetMaterialization(context.asset_key, partition=key, metadata=metadata))
        raise budget.exhausted_error()
    for key, metadata in done.items():
        context.add_asset_metadata(metadata, partition_key=key)


@dataclass(frozen=True, kw_only=True)
class EmbeddedShards:
    """Shards of a version that are complete, with the metadata of their partitions."""

    metadata: Mapping[dg.MultiPartitionKey, dict[str, Any]]
    unfinished: bool  # the run's budget is exhausted before all were complete


def run_budget(names: Names, context: StepContext) -> RunBudget | None:
    """Return the budget of this run: the command's, else the encoder resource's."""
    return current_budget() or encoders_of_run(names, context.resources).run_budget()


def embed_shards(
    names: Names,
    version: VersionId,
    context: StepContext,
    *,
    shards: Set[str],
    budget: RunBudget | None,
) -> EmbeddedShards:
    """Encode what is missing in some shards of a version."""
    steps, key = make_steps(names, context.resources, loads_model=True), names.asset_key(version.encoder, "vectors")
    record = steps.version(version)
    refuse_other_dtype(context, names, record.dtype, of=f"version {record.version}")
    with progress_in_log(context, observed=key):
        report = steps.embed(record, shards=shards, budget=budget)
    context.log.info(_summary(report))
    for conflict in report.conflicts:
        context.log.warning(f"column {conflict}")
    observation = run_observation(key, steps, record, report)
    if observation is not None:
        context.log_event(observation)
    manifests = [names.asset_key(source, "manifest") for source in names.settings.sources_of(record.encoder)]
    metadata = shard_metadata(steps, record, report, sorted(shards - report.left.keys()), manifests=manifests)
    complete = {dg.MultiPartitionKey({VERSION: record.version, SHARD: shard}): own for shard, own in metadata.items()}
    return EmbeddedShards(metadata=complete, unfinished=bool(report.left))


def _summary(report: EmbedReport) -> str:
    outcomes = ", ".join(f"{report.total(name)} {name}" for name in ("embedded", "reused", "unchanged", "quarantined"))
    return f"version {report.version}: {outcomes}, {report.total('deleted')} deleted; {report.seconds:.1f} s"
