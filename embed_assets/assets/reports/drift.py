"""The drift assets of a space: new items, or queries, against the reference, and a check that warns of a large drift.

Both show the same figures by the same code.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import dagster as dg

from embed_assets.assets.host.step_hooks import StepContext
from embed_assets.assets.names import Names
from embed_assets.assets.reports.report_asset import report_asset
from embed_assets.assets.resources import make_steps
from embed_assets.assets.ui.previews import in_markdown, measured, preview, shortened
from embed_assets.assets.ui.thumbnails import row_of_pictures
from embed_assets.quality.drift.drift_report import MIN_AUC, DriftReport

CHECK = "new_items_are_like_the_reference"
QUERY_CHECK = "new_queries_are_like_the_reference"

_COLUMNS = {"items": ("item", "labels", "text"), "queries": ("query",)}  # of what is typical
_CHARACTERS = 60  # of a text: a column of long ones is narrow and high


def build_drift_asset(names: Names, space: str) -> dg.AssetsDefinition:
    """`<space>_drift`: whether items embedded since the first promotion are of another kind."""

    @report_asset(
        names,
        "drift",
        space,
        deps=[names.asset_key(space, "serving")],
        group=names.prefixed(space),
        check_specs=[_check(names.asset_key(space, "drift"), CHECK, "items")],
        description="Are new items of another kind than those that the live version's checks were passed on? Up to "
        "1,000 items a side, each by the mean of its segments: MMD with a permutation p, the AUC of a classifier as "
        "the size, the most typical new items, and which shares changed.",
    )
    def drift(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        return names.run(context, "drift", space, lambda: materialize_drift(names, space, context))

    return drift


def build_query_drift_asset(names: Names, space: str) -> dg.AssetsDefinition:
    """`<space>_query_drift`: whether people search for something else than before, by `spaces.SPACE.query_log`."""

    @report_asset(
        names,
        "query_drift",
        space,
        deps=[names.asset_key(space, "serving")],
        group=names.prefixed(space),
        check_specs=[_check(names.asset_key(space, "query_drift"), QUERY_CHECK, "queries")],
        description="Do people search for something else than the judged queries, or than in the older half of the "
        "query log? Up to 500 queries a side: MMD with a permutation p, the AUC of a classifier as the size, the most "
        "typical new queries.",
    )
    def query_drift(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        return names.run(context, "query_drift", space, lambda: materialize_query_drift(names, space, context))

    return query_drift


def materialize_drift(names: Names, space: str, context: StepContext) -> dg.MaterializeResult:
    """Compare new items, and show what was found."""
    steps = make_steps(names, context.resources)
    found = steps.drift(space)
    seen = [each.media_id for each in found.typical if each.modality == "image"]
    return _result(found, CHECK, context, pictures=row_of_pictures(steps.context, "pictures of the new", seen))


def materialize_query_drift(names: Names, space: str, context: StepContext) -> dg.MaterializeResult:
    """Compare the queries of the log, and show what was found."""
    log = names.settings.space(space).query_log
    assert log is not None  # the settings refuse the report without it
    return _result(make_steps(names, context.resources, loads_model=True).query_drift(space, log), QUERY_CHECK, context)


def _check(asset: dg.AssetKey, name: str, about: str) -> dg.AssetCheckSpec:
    description = f"Warns where new {about} differ beyond noise (p up to 0.05) and much (AUC above {MIN_AUC})."
    return dg.AssetCheckSpec(name, asset=asset, description=description)


def _result(
    found: DriftReport, check: str, context: StepContext, *, pictures: Mapping[str, Any] | None = None
) -> dg.MaterializeResult:
    context.log.info(found.in_words())
    verdict = dg.AssetCheckResult(
        passed=not found.warns,
        check_name=check,
        severity=dg.AssetCheckSeverity.WARN,
        description=found.in_words(),
        metadata=_figures(found),
    )
    return dg.MaterializeResult(metadata={**_metadata(found), **(pictures or {})}, check_results=[verdict])


def _figures(found: DriftReport) -> dict[str, Any]:
    figures = {"AUC": found.auc, "p": found.p, "MMD²": found.mmd2, f"new {found.about}": found.new}
    return {name: value for name, value in figures.items() if value is not None}


def _metadata(found: DriftReport) -> dict[str, Any]:
    typical = [
        asdict(each) | {"item": shortened(each.name), "query": each.name, "text": each.text[:_CHARACTERS]}
        for each in found.typical
    ]
    changes = [
        {"by": each.by, "group": shortened(each.group), "reference": f"{each.reference:.1%}", "new": f"{each.new:.1%}"}
        for each in found.changes
    ]
    return {
        "verdict": found.verdict,
        "in words": dg.MetadataValue.md(in_markdown(found.in_words())),
        **measured(found),
        **_figures(found),
        **({"most typical of the new": preview(typical, _COLUMNS[found.about])} if typical else {}),
        **({"shares that changed": preview(changes, ("by", "group", "reference", "new"))} if changes else {}),
        "figures": dg.MetadataValue.json(asdict(found)),
    }
