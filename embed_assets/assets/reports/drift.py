"""The drift asset of a space: new items against the reference, and a check that warns of a large drift."""

from dataclasses import asdict
from typing import Any

import dagster as dg

from embed_assets.assets.host.step_hooks import StepContext
from embed_assets.assets.names import Names
from embed_assets.assets.reports.report_asset import report_asset
from embed_assets.assets.resources import make_steps
from embed_assets.assets.ui.previews import in_markdown, preview
from embed_assets.quality.drift.drift_report import MIN_AUC, DriftReport

CHECK = "new_items_are_like_the_reference"


def build_drift_asset(names: Names, space: str) -> dg.AssetsDefinition:
    """`<space>_drift`: whether items embedded since the first promotion are of another kind."""
    key = names.asset_key(space, "drift")

    @report_asset(
        names,
        "drift",
        space,
        deps=[names.asset_key(space, "serving")],
        group=names.prefixed(space),
        check_specs=[
            dg.AssetCheckSpec(
                CHECK,
                asset=key,
                description=f"Warns where new items differ beyond noise (p up to 0.05) and much (AUC above {MIN_AUC}).",
            )
        ],
        description="Are new items of another kind than those that the live version's checks were passed on? Up to "
        "1,000 items a side, each by the mean of its segments: MMD with a permutation p, the AUC of a classifier as "
        "the size, the most typical new items, and which shares changed.",
    )
    def drift(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        return names.run(context, "drift", space, lambda: materialize_drift(names, space, context))

    return drift


def materialize_drift(names: Names, space: str, context: StepContext) -> dg.MaterializeResult:
    """Compare, and show what was found."""
    found = make_steps(names, context.resources).drift(space)
    context.log.info(found.in_words())
    verdict = dg.AssetCheckResult(
        passed=not found.warns,
        check_name=CHECK,
        severity=dg.AssetCheckSeverity.WARN,
        description=found.in_words(),
        metadata=_figures(found),
    )
    return dg.MaterializeResult(metadata=_metadata(found), check_results=[verdict])


def _figures(found: DriftReport) -> dict[str, Any]:
    figures = {"AUC": found.auc, "p": found.p, "MMD²": found.mmd2, "new items": found.new}
    return {name: value for name, value in figures.items() if value is not None}


def _metadata(found: DriftReport) -> dict[str, Any]:
    typical = [asdict(each) | {"item": each.name} for each in found.typical]
    changes = [
        {"by": each.by, "group": each.group, "reference": f"{each.reference:.1%}", "new": f"{each.new:.1%}"}
        for each in found.changes
    ]
    return {
        "verdict": found.verdict,
        "in words": dg.MetadataValue.md(in_markdown(found.in_words())),
        **_figures(found),
        **({"most typical of the new": preview(typical, ("item", "labels", "text", "score"))} if typical else {}),
        **({"shares that changed": preview(changes, ("by", "group", "reference", "new"))} if changes else {}),
        "figures": dg.MetadataValue.json(asdict(found)),
    }
