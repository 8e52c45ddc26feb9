"""The map asset of a space: its items on a plane that stays, near-duplicates, outliers, doubtful labels."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from embed_assets.assets.host.step_hooks import StepContext
from embed_assets.assets.names import Names
from embed_assets.assets.reports.report_asset import report_asset
from embed_assets.assets.resources import make_steps
from embed_assets.assets.ui.contact_sheet import THUMBNAIL, contact_sheet
from embed_assets.assets.ui.previews import preview
from embed_assets.assets.ui.projection_map import density_map, legend, scatter_map
from embed_assets.media.pictures.decode_image import thumbnail
from embed_assets.pipeline.inspection.inspection_steps import Inspection
from embed_assets.pipeline.inspection.item_pictures import decoded, manifest_rows
from embed_assets.quality.inspection.inspection_report import DuplicatesReport, LabelsReport, OutliersReport
from embed_assets.quality.map.item_map import ItemMap

_ROWS = 10  # of each table
_GROUPS, _IN_A_ROW = 8, 4  # pictures of duplicates


def build_map_asset(names: Names, space: str) -> dg.AssetsDefinition:
    """`<space>_map`: what the space serves, item by item."""

    @report_asset(
        names,
        "map",
        space,
        deps=[names.asset_key(space, "serving")],
        group=names.prefixed(space),
        description="What the space serves, item by item: a map whose old points stay where they are, near-duplicates "
        "with the one that is proposed to stay and why, outliers, and items whose label is not that of their "
        "neighbours. Nothing is deleted.",
    )
    def item_map(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        return names.run(context, "map", space, lambda: materialize_map(names, space, context))

    return item_map


def materialize_map(names: Names, space: str, context: StepContext) -> dg.MaterializeResult:
    """Inspect what the space serves, and show the map and the first of each finding."""
    steps = make_steps(names, context.resources)
    inspection = steps.inspect(space)
    found, duplicates = inspection.map(), inspection.duplicates()
    outliers, labels = inspection.outliers(), inspection.labels()
    for report in (found, duplicates, outliers, labels):
        context.log.info(report.in_words())
    return dg.MaterializeResult(
        metadata={
            **_drawn(found),
            **_counts(duplicates, outliers, labels),
            **_tables(duplicates, outliers, labels),
            **_sheet(inspection, duplicates),
            "seconds": inspection.seconds,
        }
    )


def _drawn(found: ItemMap) -> dict[str, Any]:
    return {
        "map": dg.MetadataValue.md(density_map(found.places, found.groups)),
        "legend": dg.MetadataValue.md(legend(found.groups)),
        "whole map": dg.MetadataValue.md(scatter_map(found.places, found.groups)),
        "method": f"{found.method}, fitted on {found.fitted:,} items, coloured by {found.grouped_by}",
        "items": found.items,
        "items compared": found.compared,
    }


def _counts(duplicates: DuplicatesReport, outliers: OutliersReport, labels: LabelsReport) -> dict[str, int]:
    return {
        "duplicate groups": len(duplicates.groups),
        "duplicates beside keepers": sum(len(group.members) - 1 for group in duplicates.groups),
        "outliers": outliers.far,
        "label disagreements": len(labels.disagreements),
    }


def _tables(duplicates: DuplicatesReport, outliers: OutliersReport, labels: LabelsReport) -> dict[str, Any]:
    far = [row for row in outliers.rows() if row["far"]]
    tables: Mapping[str, tuple[Sequence[Mapping[str, Any]], tuple[str, ...]]] = {
        "first duplicates": (duplicates.rows(), ("group", "source", "key", "cosine", "keeper", "why")),
        "first outliers": (far, ("source", "key", "label", "distance")),
        "first label disagreements": (labels.rows(), ("source", "key", "label", "vote", "share")),
    }
    return {name: preview(rows[:_ROWS], columns) for name, (rows, columns) in tables.items() if rows}


def _sheet(inspection: Inspection, duplicates: DuplicatesReport) -> dict[str, Any]:
    """Show pictures of the first groups, a row each, keepers first; no entry where they are none."""
    from PIL import Image

    groups = [group.members[:_IN_A_ROW] for group in duplicates.groups if group.keeper.modality == "image"][:_GROUPS]
    wanted = [member.media_id for members in groups for member in members]
    if not wanted:
        return {}
    context = inspection.context
    with context.running_decoders():
        found = dict(decoded(context, manifest_rows(context, wanted), thumbnail, side=THUMBNAIL))
    empty = Image.new("RGB", (1, 1), (255, 255, 255))
    pictures = [
        found.get(row[place].media_id, empty) if place < len(row) else empty
        for row in groups
        for place in range(_IN_A_ROW)
    ]
    return {"duplicates side by side": dg.MetadataValue.md(contact_sheet(pictures, columns=_IN_A_ROW))}
