"""The map asset of a space: its items on a plane that stays, near-duplicates, outliers, doubtful labels."""

import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import dagster as dg

from embed_assets.assets.host.step_hooks import StepContext
from embed_assets.assets.names import Names
from embed_assets.assets.reports.report_asset import report_asset
from embed_assets.assets.resources import make_steps
from embed_assets.assets.ui.contact_sheet import contact_sheet
from embed_assets.assets.ui.previews import preview, shortened
from embed_assets.assets.ui.projection_map import density_map, legend, scatter_map
from embed_assets.assets.ui.thumbnails import row_of_pictures, thumbnails_of
from embed_assets.pipeline.inspection.inspection_steps import Inspection
from embed_assets.quality.inspection.inspection_report import (
    DuplicatesReport,
    ItemName,
    LabelsReport,
    OutliersReport,
)
from embed_assets.quality.map.item_map import ItemMap
from embed_assets.quality.measured_report import seconds_since

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
    started, steps = time.monotonic(), make_steps(names, context.resources)
    inspection = steps.inspect(space)
    found, duplicates = inspection.map(), inspection.duplicates()
    outliers, labels = inspection.outliers(), inspection.labels()
    for report in (found, duplicates, outliers, labels):
        context.log.info(report.in_words())
    return dg.MaterializeResult(
        metadata={
            **_drawn(found),
            **_counts(duplicates, outliers, labels),
            **_tables(inspection, duplicates, outliers, labels),
            **_pictures(inspection, duplicates, outliers, labels),
            "sample": labels.sample(),
            "seconds": seconds_since(started),
        }
    )


def _drawn(found: ItemMap) -> dict[str, Any]:
    return {
        "map": dg.MetadataValue.md(density_map(found.places, found.groups)),
        **{name: dg.MetadataValue.md(part) for name, part in legend(found.groups).items()},
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


def _tables(
    inspection: Inspection, duplicates: DuplicatesReport, outliers: OutliersReport, labels: LabelsReport
) -> dict[str, Any]:
    """Show the first of each finding: which item, a bit of its text, and what was found of it."""
    of_groups = islice(_group_rows(duplicates), _ROWS)
    far = [(each.item, {"distance": round(each.distance, 3)}) for each in outliers.outliers if each.far][:_ROWS]
    doubtful = [
        (each.item, {"label → neighbours": f"{_labels(each.item)} → {shortened(each.vote)} {each.share:.0%}"})
        for each in labels.disagreements[:_ROWS]
    ]
    tables: Mapping[str, tuple[Sequence[tuple[ItemName, dict[str, Any]]], tuple[str, ...]]] = {
        "first duplicates": (list(of_groups), ("group", "item", "text", "cosine", "keep")),
        "first outliers": (far, ("item", "text", "label", "distance")),
        "first label disagreements": (doubtful, ("item", "text", "label → neighbours")),
    }
    return {name: _table(inspection, rows, columns) for name, (rows, columns) in tables.items() if rows}


def _group_rows(duplicates: DuplicatesReport) -> Iterator[tuple[ItemName, dict[str, Any]]]:
    for number, group in enumerate(duplicates.groups, 1):
        for member, cosine in zip(group.members, group.cosines, strict=True):
            keep = group.why if member == group.keeper else ""
            yield member, {"group": number, "cosine": None if cosine is None else round(cosine, 3), "keep": keep}


def _table(
    inspection: Inspection, rows: Sequence[tuple[ItemName, dict[str, Any]]], columns: tuple[str, ...]
) -> dg.TableMetadataValue:
    texts = inspection.texts([item.media_id for item, _ in rows])
    shown = [
        {
            "item": shortened(f"{item.source}/{item.key}"),
            "label": _labels(item),
            "text": text,
            **figures,
        }
        for (item, figures), text in zip(rows, texts, strict=True)
    ]
    return preview(shown, [name for name in columns if name != "text" or any(texts)])


def _labels(item: ItemName) -> str:
    return ", ".join(map(shortened, item.labels))


def _pictures(
    inspection: Inspection, duplicates: DuplicatesReport, outliers: OutliersReport, labels: LabelsReport
) -> dict[str, Any]:
    """Show pictures of what was found, in the order of the tables; no entry where they are none."""
    far = [each.item.media_id for each in outliers.outliers if each.far and each.item.modality == "image"]
    doubtful = [each.item.media_id for each in labels.disagreements if each.item.modality == "image"]
    return {
        **_sheet(inspection, duplicates),
        **row_of_pictures(inspection.context, "pictures of outliers", far),
        **row_of_pictures(inspection.context, "pictures of label disagreements", doubtful),
    }


def _sheet(inspection: Inspection, duplicates: DuplicatesReport) -> dict[str, Any]:
    """Show pictures of the first groups, a row each, keepers first; no entry where they are none."""
    from PIL import Image

    groups = [group.members[:_IN_A_ROW] for group in duplicates.groups if group.keeper.modality == "image"][:_GROUPS]
    found = thumbnails_of(inspection.context, [member.media_id for members in groups for member in members])
    if not found:
        return {}
    empty = Image.new("RGB", (1, 1), (255, 255, 255))
    pictures = [
        found.get(row[place].media_id, empty) if place < len(row) else empty
        for row in groups
        for place in range(_IN_A_ROW)
    ]
    return {"duplicates side by side": dg.MetadataValue.md(contact_sheet(pictures, columns=_IN_A_ROW))}
