"""Metadata of the vectors asset: of each partition what is its own, of a run one observation."""

from collections.abc import Iterable, Sequence
from typing import Any

import dagster as dg
import numpy as np

from embed_assets.assets import metadata_keys
from embed_assets.assets.ui.column_lineage import column_lineage
from embed_assets.assets.ui.previews import column_schema, counts, preview
from embed_assets.assets.ui.quarantine_table import quarantine_metadata
from embed_assets.assets.ui.storage import storage_metadata
from embed_assets.assets.ui.thumbnails import SHOWN, pictures_of, strips
from embed_assets.embedding.embed_report import EmbedReport
from embed_assets.pipeline.quarantined_items import failed_by_shard
from embed_assets.pipeline.steps import Steps
from embed_assets.store.upsert import evenly_spread
from embed_assets.store.vectors import described_columns
from embed_assets.store.versions import VersionRecord

_PREVIEW = ("key", "kind", "start", "end", "text", "labels", "norm")
_ROWS = 8  # of the preview
_CONFLICTS = 20
_LETTERS = 60  # of a text in it: Dagster breaks a narrow column at every word


def shard_metadata(
    steps: Steps,
    record: VersionRecord,
    report: EmbedReport,
    shards: Iterable[str],
    *,
    manifests: Sequence[dg.AssetKey],
) -> dict[str, dict[str, Any]]:
    """Return the metadata of each shard: counts of its own alone, since Dagster draws and adds up numbers.

    Dagster's page of the asset shows any one of them, so that each has the table's preview and pictures.
    """
    table = steps.vectors(record).open()
    assert table is not None
    failed = failed_by_shard(steps, record)
    shared = {
        **storage_metadata(steps.settings, record.table),
        "dagster/row_count": table.count_rows(),
        "dagster/column_schema": column_schema(table.schema, described_columns(table.schema)),
        "dagster/column_lineage": column_lineage(table.schema, manifests),
        metadata_keys.ENCODER_VERSION: record.version,
        **_conflicts(report),
    }
    shown = strips(_pictures(steps, table)) if "image" in record.spec.media else {}
    preview_of_table = {"preview": _preview(table)}  # last: it is long
    rows = _rows_by_shard(steps, record)
    total = sum(map(len, failed.values()))
    return {
        shard: shared
        | _counts(report, shard, rows.get(shard, 0))
        | quarantine_metadata(steps, failed.get(shard, []), total=total)
        | shown
        | preview_of_table
        for shard in shards
    }


def run_observation(
    asset: dg.AssetKey, steps: Steps, record: VersionRecord, report: EmbedReport
) -> dg.AssetObservation | None:
    """Build the observation of what a run did and cost; None for nothing: zeros would bury the last figures."""
    done = {name: report.total(name) for name in ("embedded", "reused", "rewritten", "deleted")}
    if not any(done.values()) and not report.segments_encoded:
        return None
    counted = {**done, "unchanged": report.total("unchanged"), "quarantined": report.total("quarantined")}
    metadata = {
        **storage_metadata(steps.settings, record.table),
        metadata_keys.ENCODER_VERSION: record.version,
        **{f"batch size ({unit})": size for unit, size in report.batch_sizes.items()},
        **{f"run {name}": count for name, count in counted.items()},
        **quarantine_metadata(steps, [item for own in failed_by_shard(steps, record).values() for item in own]),
        **(_cost(report) if report.segments_encoded or report.segments_reused else {}),
    }
    return dg.AssetObservation(asset, metadata=metadata)


def _conflicts(report: EmbedReport) -> dict[str, Any]:
    """Return the conflicts of user columns, where there are any."""
    rows = [{"conflict": line} for line in report.conflicts[:_CONFLICTS]]
    return {"column conflicts": preview(rows, ("conflict",))} if rows else {}


def _cost(report: EmbedReport) -> dict[str, Any]:
    """Return the runtime of a run, and its seconds, tokens, pixels and money, under keys whose values add up."""
    figures = report.figures()
    names = ("segments_encoded", "segments_reused", "commits")
    speed = {metadata_keys.ITEMS_PER_SECOND: figures["items_per_second"]} if figures["items_per_second"] else {}
    runtime = {metadata_keys.RUNTIME: f"{report.runtime}: {report.runtime_reason}"} if report.runtime else {}
    return {
        **runtime,
        **speed,
        metadata_keys.SECONDS: figures["seconds"],
        metadata_keys.READ_SECONDS: figures["read_seconds"],
        metadata_keys.ENCODE_SECONDS: figures["encode_seconds"],
        metadata_keys.WRITE_SECONDS: figures["write_seconds"],
        metadata_keys.WAITED_SECONDS: figures["waited_seconds"],
        **{f"batch size ({unit})": size for unit, size in report.batch_sizes.items()},
        **{f"run {name.replace('_', ' ')}": figures[name] for name in names},
        **{metadata_keys.SPENT[unit]: amount for unit, amount in report.spent.items()},
    }


def _rows_by_shard(steps: Steps, record: VersionRecord) -> dict[str, int]:
    shards = steps.vectors(record).read(["shard"])
    if shards is None:
        return {}
    return {each["values"]: each["counts"] for each in shards["shard"].value_counts().to_pylist()}


def _counts(report: EmbedReport, shard: str, rows: int) -> dict[str, Any]:
    found = report.shards.get(shard, {})
    outcomes = {name: found.get(name, 0) for name in ("embedded", "reused", "deleted", "segments")}
    return {"dagster/partition_row_count": rows, **counts(outcomes)}


def _pictures(steps: Steps, table: Any) -> list[Any]:
    """Decode thumbnails of items evenly spread over the table."""
    rows = evenly_spread(table, ["source", "key", "kind"], SHOWN).to_pylist()
    keys: dict[str, list[str]] = {}
    for row in rows:
        if row["kind"] == "image" and row["source"] in steps.settings.sources:
            keys.setdefault(row["source"], []).append(row["key"])
    return [picture for source, own in keys.items() for picture in pictures_of(steps, source, own)]


def _preview(table: Any) -> dg.TableMetadataValue:
    found = table.search().limit(_ROWS).to_list()
    for row in found:
        row["text"] = (row["text"] or "")[:_LETTERS]
        row["norm"] = round(float(np.linalg.norm(np.asarray(row["vector"], dtype=np.float32))), 4)
    return preview(found, _PREVIEW)
