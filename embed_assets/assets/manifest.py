"""The manifest asset of a source: one listing, changed files read, rows written by shard."""

from dataclasses import asdict
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute

from embed_assets.assets import metadata_keys
from embed_assets.assets.automation.conditions import listing_condition
from embed_assets.assets.code_versions import code_version
from embed_assets.assets.host.step_hooks import StepContext
from embed_assets.assets.host.upstream import land_upstream, upstream_made, upstream_of
from embed_assets.assets.host.upstream_spelling import refuse_misspelt_in_run
from embed_assets.assets.names import Names
from embed_assets.assets.resources import make_steps
from embed_assets.assets.ui.previews import column_schema, counts, preview
from embed_assets.assets.ui.quarantine_table import NAMED, quarantine_metadata
from embed_assets.assets.ui.run_progress import progress_in_log
from embed_assets.assets.ui.storage import STORAGE_KIND, storage_metadata
from embed_assets.assets.ui.thumbnails import picture_metadata, pictures_of, spread
from embed_assets.manifest.refresh import RefreshReport
from embed_assets.pipeline.quarantined_items import unreadable_items
from embed_assets.pipeline.steps import Steps
from embed_assets.quality.unreadable_share import unreadable
from embed_assets.settings import SourceSettings
from embed_assets.store.manifest import TABLE
from embed_assets.store.manifest_row import COLUMNS, SCHEMA
from embed_assets.store.saved_settings import save_settings

pc: Any = pyarrow.compute  # its functions are made as it is imported: no checker sees them

_READABLE = "readable_share"
_READABLE_MEANS = "Share of the items that can't be read, or are of no known kind: they count here, for no encoder."
_MATCHED = "sidecar_matched"
_MATCHED_MEANS = "Rows of the sidecar that name no item of the source: their captions and labels reach nothing."
_SHOWN = 10  # items of the preview
_PREVIEW = ("key", "modality", "status", "reason", "size", "labels", "caption", "shard")


def build_manifest_asset(names: Names, source: str) -> dg.AssetsDefinition:
    """`<source>_manifest`: which media items there are, by content hash; its data version is theirs."""
    settings = names.settings.sources[source]
    key = names.asset_key(source, "manifest")
    means_of = {_READABLE: _READABLE_MEANS} | ({_MATCHED: _MATCHED_MEANS} if settings.sidecar else {})

    @dg.asset(
        key=key,
        code_version=code_version(names.settings, "manifest", source),
        check_specs=[dg.AssetCheckSpec(name, asset=key, description=means) for name, means in means_of.items()],
        deps=upstream_of(names.settings, source),
        group_name=names.source_group,
        kinds={"lancedb"},
        owners=names.settings.owners or None,
        required_resource_keys=names.resource_keys,
        automation_condition=listing_condition(names, source),
        retry_policy=names.retry_policy,
        description=_description(settings),
        tags=STORAGE_KIND,
        metadata=storage_metadata(names.settings, TABLE)
        | ({"media": settings.address, "pattern": settings.pattern} if settings.uri else {}),
    )
    def manifest(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        return names.run(context, "manifest", source, lambda: materialize_manifest(names, source, context))

    return manifest


def materialize_manifest(names: Names, source: str, context: StepContext) -> dg.MaterializeResult:
    """List a source and read what changed."""
    settings = names.settings.sources[source]
    steps = make_steps(names, context.resources)
    refuse_misspelt_in_run(context, names, source)
    made = upstream_made(settings, context.instance)  # before anything is read
    land_upstream(context, steps, source)
    with progress_in_log(context):
        report = steps.refresh(source)
    save_settings(steps.store, names.settings, refreshed=[source])  # commands need a store's address only
    context.log.info(_summary(report))
    for each in report.out_of_reach:
        context.log.warning(each.summary())
    if report.unmatched:
        context.log.warning(report.unmatched.summary())
    metadata = _metadata(steps, source, report) | ({metadata_keys.UPSTREAM: made} if made else {})
    return dg.MaterializeResult(
        data_version=dg.DataVersion(report.data_version),
        metadata=metadata,
        check_results=[_readable(steps, source), *([_matched(report)] if settings.sidecar else [])],
    )


def _readable(steps: Steps, source: str) -> dg.AssetCheckResult:
    found = unreadable(steps.manifest, source, most=steps.settings.checks.max_quarantined_share)
    return dg.AssetCheckResult(
        check_name=_READABLE,
        passed=found.passed,
        severity=dg.AssetCheckSeverity.WARN,
        description=found.summary(),
        metadata={"share": round(found.share, 5), **counts({"unreadable": found.quarantined})},
    )


def _matched(report: RefreshReport) -> dg.AssetCheckResult:
    found = report.unmatched
    return dg.AssetCheckResult(
        check_name=_MATCHED,
        passed=found is None,
        severity=dg.AssetCheckSeverity.WARN,
        description=found.summary() if found else "every row of the sidecar names an item",
        metadata=counts({"unmatched": found.rows if found else 0}),
    )


def _description(settings: SourceSettings) -> str:
    if settings.kind == "files":
        return (
            f"Media items of `{settings.address}` by content hash. Reads only files whose size, time or etag "
            "changed; a renamed file keeps its vectors; what can't be used is quarantined with a reason."
        )
    return (
        f"Rows of `{settings.address}` by content hash. An unchanged table is not read; rows that moved in it, or to "
        "other files of it, keep their vectors; what can't be used is quarantined with a reason."
    )


def _summary(report: RefreshReport) -> str:
    return (
        f"{report.items} items: {report.new} new, {report.edited} edited, {report.renamed} renamed, "
        f"{report.deleted} deleted, {sum(report.quarantined.values())} quarantined; {report.files_read} files read"
    )


def _metadata(steps: Steps, source: str, report: RefreshReport) -> dict[str, Any]:
    numbers = {
        "new": report.new,
        "edited": report.edited,
        "renamed": report.renamed,
        "relabelled": report.relabelled,
        "deleted": report.deleted,
        "quarantined": sum(report.quarantined.values()),
        "files_read": report.files_read,
    }
    metadata: dict[str, Any] = {
        "dagster/row_count": report.items,
        **storage_metadata(steps.settings, TABLE),
        "dagster/column_schema": column_schema(SCHEMA, COLUMNS),
        metadata_keys.ITEMS: report.items,
        metadata_keys.READ_SECONDS: round(report.seconds, 3),
        **counts(numbers),
    }
    if report.quarantined:
        reasons = [{"reason": reason, "items": count} for reason, count in sorted(report.quarantined.items())]
        metadata["quarantined by reason"] = preview(reasons, ("reason", "items"))
    if report.out_of_reach:
        beyond = [asdict(each) for each in report.out_of_reach]
        metadata["out of reach"] = preview(beyond, ("place", "reason", "why", "items"))
    table = steps.manifest.table([source], columns=["key", "modality", "status"])
    table = table.filter(pc.not_equal(table["status"], "deleted"))
    shown = table.filter(pc.and_(pc.equal(table["modality"], "image"), pc.equal(table["status"], "ok"))).sort_by("key")
    metadata |= picture_metadata(pictures_of(steps, source, spread(shown["key"].to_pylist())))
    broken = _first_keys(table, "quarantined", NAMED)
    metadata |= quarantine_metadata(steps, [*unreadable_items(steps.manifest.of(source, broken))])
    metadata["preview"] = preview(_first(steps, source, table), _PREVIEW)
    return metadata


def _first(steps: Steps, source: str, table: pa.Table) -> list[dict[str, Any]]:
    """Return some rows by key, quarantined ones first: they need a look."""
    keys = [*_first_keys(table, "quarantined", _SHOWN), *_first_keys(table, "ok", _SHOWN)][:_SHOWN]
    found = {row["key"]: row for row in steps.manifest.of(source, keys)}
    return [dict(found[key]) for key in keys if key in found]


def _first_keys(table: pa.Table, status: str, count: int) -> list[str]:
    """Return the first keys of a status, in order; a sort of all would take seconds of a million."""
    keys = table["key"].filter(pc.equal(table["status"], status))
    return keys.take(pc.select_k_unstable(keys, count, [("key", "ascending")])).to_pylist()
