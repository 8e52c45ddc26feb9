"""The vectors asset: encoder version by shard; encodes what is missing, in one run over many partitions."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import dagster as dg
import numpy as np

from embed_assets.assets import metadata_keys
from embed_assets.assets.automation.conditions import vectors_condition
from embed_assets.assets.encoder import library_of
from embed_assets.assets.names import SHARD, VERSION, Names, shards_by_version
from embed_assets.assets.resources import encoders_of_run, make_steps, refuse_other_dtype
from embed_assets.assets.ui.previews import column_schema, counts, preview
from embed_assets.embedding.embed_report import EmbedReport
from embed_assets.embedding.run_budget import RunBudget, current_budget
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.pipeline.steps import Steps
from embed_assets.store.vectors import COLUMNS
from embed_assets.store.versions import VersionId, VersionRecord

_PREVIEW = ("key", "kind", "start", "end", "text", "labels", "norm")


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
            report = steps.embed(record, shards=shards, budget=budget)
            context.log.info(_summary(report))
            shared = _shared_metadata(steps, record, report)
            rows = _rows_by_shard(steps, record)
            for shard in sorted(shards - report.left.keys()):
                key = dg.MultiPartitionKey({VERSION: version, SHARD: shard})
                done[key] = shared | _shard_metadata(report, shard, rows.get(shard, 0))
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


def _rows_by_shard(steps: Steps, record: VersionRecord) -> dict[str, int]:
    shards = steps.vectors(record).read(["shard"])
    return {} if shards is None else Counter(shards["shard"].to_pylist())


def _shard_metadata(report: EmbedReport, shard: str, rows: int) -> dict[str, Any]:
    found = report.shards.get(shard, {})
    outcomes = {name: found.get(name, 0) for name in ("embedded", "reused", "deleted", "segments")}
    return {"dagster/partition_row_count": rows, **counts(outcomes)}


def _shared_metadata(steps: Steps, record: VersionRecord, report: EmbedReport) -> dict[str, Any]:
    """Build the metadata of the whole run, for each of its partitions."""
    table = steps.vectors(record).open()
    assert table is not None
    names = ("segments_encoded", "segments_reused", "commits")
    figures = report.figures()
    return {
        "dagster/row_count": table.count_rows(),
        "dagster/table_name": steps.vectors(record).name,
        "dagster/uri": steps.store.uri,
        "dagster/column_schema": column_schema(table.schema, COLUMNS),
        metadata_keys.ENCODER_VERSION: record.version,
        metadata_keys.ITEMS_PER_SECOND: figures["items_per_second"],
        metadata_keys.READ_SECONDS: figures["read_seconds"],
        metadata_keys.ENCODE_SECONDS: figures["encode_seconds"],
        metadata_keys.WRITE_SECONDS: figures["write_seconds"],
        **{f"run {name.replace('_', ' ')}": figures[name] for name in names},
        **{f"run {unit}": amount for unit, amount in report.spent.items()},
        **{f"run {name}": report.total(name) for name in ("embedded", "unchanged", "quarantined", "deleted")},
        "preview": _preview(table),
    }


def _preview(table: Any) -> dg.TableMetadataValue:
    found = table.search().limit(8).to_list()
    for row in found:
        row["norm"] = round(float(np.linalg.norm(np.asarray(row["vector"], dtype=np.float32))), 4)
    return preview(found, _PREVIEW)
