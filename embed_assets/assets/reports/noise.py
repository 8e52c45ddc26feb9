"""The noise asset of an encoder: what typos, compression, shifts and noise cost it, on a sample of its media."""

from dataclasses import asdict
from typing import Any

import dagster as dg

from embed_assets.assets.host.step_hooks import StepContext
from embed_assets.assets.names import Names
from embed_assets.assets.reports.report_asset import report_asset
from embed_assets.assets.resources import make_steps
from embed_assets.assets.ui.previews import in_markdown, preview
from embed_assets.quality.noise.noise_report import Loss, NoiseReport


def build_noise_asset(names: Names, encoder: str) -> dg.AssetsDefinition:
    """`<encoder>_noise`: recall@1 and nDCG@10 of disturbed copies of items."""

    @report_asset(
        names,
        "noise",
        encoder,
        deps=[names.asset_key(source, "manifest") for source in names.settings.sources_of(encoder)],
        group=names.group(encoder),
        description="Does a disturbed copy still find its original, and others of its label? Texts get typos, capitals "
        "and no accents; pictures JPEG of quality 20, a shift, crop, rotation, noise; sounds 8 kHz, noise. 200 items, "
        "paired differences with 95 % intervals. Nothing of it is stored.",
    )
    def noise(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        return names.run(context, "noise", encoder, lambda: materialize_noise(names, encoder, context))

    return noise


def materialize_noise(names: Names, encoder: str, context: StepContext) -> dg.MaterializeResult:
    """Measure each disturbance, and show what it costs."""
    found = make_steps(names, context.resources, loads_model=True).noise([encoder])
    for sentence in found.in_words():
        context.log.info(sentence)
    return dg.MaterializeResult(metadata=_metadata(found))


def _metadata(found: NoiseReport) -> dict[str, Any]:
    rows = [
        {
            "disturbance": each.disturbance,
            "recall@1": each.recall_at_1.under.mean,
            "lost": _lost(each.recall_at_1),
            "ndcg@10 by label": each.ndcg_at_10.under.mean if each.ndcg_at_10 else None,
            "lost by label": _lost(each.ndcg_at_10) if each.ndcg_at_10 else None,
        }
        for each in found.rows
    ]
    return {
        "in words": dg.MetadataValue.md("\n".join(f"- {in_markdown(each)}" for each in found.in_words())),
        "items": found.sampled,
        "losses": preview(rows, ("disturbance", "recall@1", "lost", "ndcg@10 by label", "lost by label")),
        "figures": dg.MetadataValue.json(asdict(found)),
        **{f"recall@1 under {each.disturbance}": each.recall_at_1.under.mean for each in found.rows},
    }


def _lost(found: Loss) -> str:
    return f"{found.difference.shown(sign='+')} {found.verdict}"
