"""The dashboard asset: one table of all spaces, whose figures Dagster draws over time."""

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

import dagster as dg

from embed_assets.assets.automation.conditions import dashboard_condition
from embed_assets.assets.host.step_hooks import StepContext
from embed_assets.assets.names import DASHBOARD, Names
from embed_assets.assets.resources import make_steps
from embed_assets.assets.ui.previews import preview
from embed_assets.pipeline.space_summaries import SpaceSummary, space_summaries

_FIGURES = tuple(field.name for field in fields(SpaceSummary) if field.name != "space")


def build_dashboard_asset(names: Names) -> dg.AssetsDefinition:
    """`pipeline_dashboard`: what every space serves, what waits, how good it is, what it has cost."""

    @dg.asset(
        key=names.asset_key(DASHBOARD, "dashboard"),
        deps=[names.asset_key(space, "serving") for space in names.spaces],
        group_name=names.prefixed(DASHBOARD),
        kinds={"lancedb"},
        owners=names.settings.owners or None,
        required_resource_keys=names.resource_keys,
        automation_condition=dashboard_condition(names),
        retry_policy=names.retry_policy,
        description="All spaces of the pipeline in one table: live version, items, stale and quarantined ones, recall, "
        "nDCG, what embedding has cost, the last promotion. Each figure is drawn over time.",
    )
    def dashboard(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        return names.run(context, "dashboard", DASHBOARD, lambda: materialize_dashboard(names, context))

    return dashboard


def materialize_dashboard(names: Names, context: StepContext) -> dg.MaterializeResult:
    """Read the store, and show every space."""
    summaries = space_summaries(make_steps(names, context.resources), names.spaces)
    return dg.MaterializeResult(metadata={"spaces": _table(summaries), **_figures(summaries)})


def _table(summaries: Sequence[SpaceSummary]) -> dg.TableMetadataValue:
    """Show a row a figure and a column a space: the page cuts a wide table at its edge."""
    columns = {each.space: asdict(each) for each in summaries}
    rows = [
        {"figure": name.replace("_", " "), **{space: own[name] for space, own in columns.items()}} for name in _FIGURES
    ]
    return preview(rows, ("figure", *columns))


def _figures(summaries: Sequence[SpaceSummary]) -> dict[str, Any]:
    """Return the numbers of each space, by names that begin with it: Dagster draws a line of each."""
    return {
        f"{each.space}: {name.replace('_', ' ')}": value
        for each in summaries
        for name, value in asdict(each).items()
        if isinstance(value, (int, float))
    }
