"""The index asset: ANN, full-text and scalar indices of an encoder version; names the candidate."""

from typing import Any

import dagster as dg

from embed_assets.assets import metadata_keys
from embed_assets.assets.automation.conditions import index_condition
from embed_assets.assets.code_versions import code_version
from embed_assets.assets.host.step_hooks import StepContext
from embed_assets.assets.names import Names
from embed_assets.assets.resources import make_steps, refuse_other_dtype
from embed_assets.assets.ui.projection_map import density_map, legend
from embed_assets.assets.ui.storage import STORAGE_KIND, storage_metadata
from embed_assets.encoders.spec import EncoderSpec
from embed_assets.pipeline.release_steps import Indexed
from embed_assets.pipeline.steps import Steps
from embed_assets.quality.map.item_map import colour_groups
from embed_assets.quality.pca_projection import pca_plane
from embed_assets.store.serving.nearest_rows import open_release
from embed_assets.store.serving.vector_scan import matrix
from embed_assets.store.upsert import evenly_spread
from embed_assets.store.versions import VersionId

_POINTS = 5000


def build_index_asset(names: Names, encoder: str, spec: EncoderSpec) -> dg.AssetsDefinition:
    """`<encoder>_index`: one materialization is one candidate, at one version of the Lance table."""

    @dg.asset(
        key=names.asset_key(encoder, "index"),
        code_version=code_version(names.settings, "index", encoder),
        deps=[names.asset_key(encoder, "vectors")],
        partitions_def=names.versions(encoder),
        group_name=names.group(encoder),
        kinds={"lancedb"},
        tags=STORAGE_KIND,
        metadata=storage_metadata(names.settings),
        owners=names.settings.owners or None,
        required_resource_keys=names.resource_keys,
        automation_condition=index_condition(names),
        op_tags=names.settings.op_tags,
        pool=names.settings.pool,
        retry_policy=names.retry_policy,
        description=(
            f"ANN index (distance `{spec.distance}`) from {names.settings.index.min_rows:,} rows on, full-text index "
            "on chunks and captions, scalar indices for filters. The search effort is the cheapest that reaches the "
            "recall target on held-out queries."
        ),
    )
    def index(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        version = VersionId(encoder, context.partition_key)
        return names.run(context, "index", encoder, lambda: materialize_index(names, version, context))

    return index


def materialize_index(names: Names, version: VersionId, context: StepContext) -> dg.MaterializeResult:
    """Build or refresh the indices of a version, and name its candidate."""
    steps = make_steps(names, context.resources, loads_model=True)
    record = steps.version(version)
    refuse_other_dtype(context, names, record.dtype, of=f"version {record.version}")
    indexed = steps.index(record)
    context.log.info(f"candidate of space {indexed.release.space}: {indexed.release.key}")
    return dg.MaterializeResult(metadata=_metadata(steps, indexed))


def _metadata(steps: Steps, indexed: Indexed) -> dict[str, Any]:
    release, report = indexed.release, indexed.report
    table = open_release(steps.store, release)
    metadata: dict[str, Any] = {
        "dagster/row_count": report.rows,
        "dagster/size_bytes": report.bytes,
        **storage_metadata(steps.settings, release.table),
        metadata_keys.ENCODER_VERSION: release.encoder_version,
        "candidate": release.key,
        "ann": report.ann_kind if report.ann else f"none: exact search below {steps.settings.index.min_rows:,} rows",
        "rows not indexed": report.rows_not_indexed,
        "nprobes": release.nprobes if release.ann else 0,
        "refine factor": release.refine_factor if release.ann else 0,
    }
    if release.recall_at_10 is not None:
        metadata[metadata_keys.RECALL_AT_10] = release.recall_at_10
    if report.rows:
        metadata |= _projection(table)
    return metadata


def _projection(table: Any) -> dict[str, Any]:
    """Plot the vectors' projection, coloured by source or label."""
    sample = evenly_spread(table, ["vector", "source", "labels"], _POINTS)
    vectors = matrix(sample.column("vector").combine_chunks())
    groups = colour_groups(sample["labels"].to_pylist(), sample["source"].to_pylist())[1]
    points = pca_plane(vectors)
    return {
        "projection": dg.MetadataValue.md(density_map(points, groups)),
        **{name: dg.MetadataValue.md(part) for name, part in legend(groups, title="projection legend").items()},
    }
