"""The balance asset of a space: what its live release holds by group, and whose queries are served worse."""

from dataclasses import asdict
from typing import Any

import dagster as dg

from embed_assets.assets.host.step_hooks import StepContext
from embed_assets.assets.names import Names
from embed_assets.assets.reports.report_asset import report_asset
from embed_assets.assets.resources import make_steps
from embed_assets.assets.ui.previews import group_preview, in_markdown, measured, preview, shortened
from embed_assets.quality.balance.balance_report import BalanceReport
from embed_assets.quality.balance.breakdowns import Breakdown

_SHOWN = 20  # groups of the table of quality


def build_balance_asset(names: Names, space: str) -> dg.AssetsDefinition:
    """`<space>_balance`: items by label, source, modality, length, month and the user's columns."""

    @report_asset(
        names,
        "balance",
        space,
        deps=[names.asset_key(space, "serving")],
        group=names.prefixed(space),
        description="What the index holds by label, source, modality, length, month and your own columns, as how many "
        "equal groups; and nDCG@10 by group with 95 % intervals: whose queries are served worse beyond noise. Judged "
        "queries decide, else labels; 2,000 items are sampled.",
    )
    def balance(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        return names.run(context, "balance", space, lambda: materialize_balance(names, space, context))

    return balance


def materialize_balance(names: Names, space: str, context: StepContext) -> dg.MaterializeResult:
    """Count and measure, and show what was found."""
    found = make_steps(names, context.resources, loads_model=True).balance(space)
    for sentence in found.in_words():
        context.log.info(sentence)
    return dg.MaterializeResult(metadata=_metadata(found))


def _metadata(found: BalanceReport) -> dict[str, Any]:
    words = "\n".join(f"- {in_markdown(sentence)}" for sentence in found.in_words())
    worse = ", ".join(f"{each.by} {each.group}" for each in found.served_worse)
    metadata: dict[str, Any] = {
        "served worse": worse or "nobody, beyond noise",
        "in words": dg.MetadataValue.md(words or "nothing to divide by"),
        **measured(found),
        "items": found.items,
    }
    if found.quality:
        metadata["quality by group, against all others"] = group_preview(found.quality[:_SHOWN], metric="ndcg@10")
    metadata["groups"] = preview(map(_row, found.breakdowns), ("by", "groups", "effective", "without", "largest"))
    if rare := [_rare(each) for each in found.breakdowns if each.smallest]:
        metadata["smallest groups"] = preview(rare, ("by", "smallest"))
    metadata["figures"] = dg.MetadataValue.json(asdict(found))
    effective = {f"effective groups by {each.by}": each.effective for each in found.breakdowns}
    return metadata | effective | ({"ndcg@10": round(found.ndcg.mean, 4)} if found.ndcg else {})


def _row(each: Breakdown) -> dict[str, Any]:
    return {
        "by": each.by,
        "groups": each.groups,
        "effective": round(each.effective, 1),
        "without": each.without,
        "largest": [f"{shortened(group.name)} {group.share:.0%}" for group in each.largest[:3]],
    }


def _rare(each: Breakdown) -> dict[str, Any]:
    return {"by": each.by, "smallest": [f"{shortened(group.name)} ({group.items:,})" for group in each.smallest]}
