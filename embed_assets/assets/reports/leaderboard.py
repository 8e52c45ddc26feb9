"""The leaderboard asset of a space: its encoders and others side by side on a sample; nothing of it serves."""

from typing import Any

import dagster as dg

from embed_assets.assets.host.step_hooks import StepContext
from embed_assets.assets.names import Names
from embed_assets.assets.reports.report_asset import report_asset
from embed_assets.assets.resources import make_steps
from embed_assets.assets.ui.previews import in_markdown, measured, preview, shortened
from embed_assets.pipeline.compared_encoders import with_encoders
from embed_assets.pipeline.steps import Steps
from embed_assets.quality.leaderboard.leaderboard_document import leaderboard_document
from embed_assets.quality.leaderboard.query_scores import MAIN
from embed_assets.quality.leaderboard.standings import Leaderboard

_METRICS = (MAIN, "recall@10", "mrr", "unjudged@10")
_COST = ("encoder", "dim", "bytes an item", "items/s", "ms a query", "MB", "license")
_BILL = ("encoder", "items", "seconds", "USD", "USD a million tokens")
_VARIANT = ("form", "bytes", "smaller", MAIN, "difference", "verdict")


def build_leaderboard_asset(names: Names, space: str) -> dg.AssetsDefinition:
    """`<space>_leaderboard`: the space's encoders beside those that `spaces.SPACE.leaderboard` names."""
    own = names.encoders_of(space)
    sources = dict.fromkeys(source for encoder in own for source in names.settings.sources_of(encoder))

    @report_asset(
        names,
        "leaderboard",
        space,
        deps=[names.asset_key(source, "manifest") for source in sources],
        group=names.prefixed(space),
        description="Which encoder is better on these media, beyond noise? A sample of the items is embedded in memory "
        "by each: quality with 95 % intervals, paired differences with p (Holm), speed, size, price. Judged "
        "queries decide, else labels. Nothing of it is stored or served.",
    )
    def leaderboard(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        return names.run(context, "leaderboard", space, lambda: materialize_leaderboard(names, space, context))

    return leaderboard


def materialize_leaderboard(names: Names, space: str, context: StepContext) -> dg.MaterializeResult:
    """Compare the encoders on a sample, and show what was measured."""
    steps = make_steps(names, context.resources, loads_model=True)
    own = names.encoders_of(space)
    settings, compared = with_encoders(steps.settings, [*own, *steps.settings.space(space).leaderboard])
    found = Steps(settings).compare(compared, space=space)
    for sentence in found.in_words():
        context.log.info(sentence)
    return dg.MaterializeResult(metadata=_metadata(found))


def _metadata(found: Leaderboard) -> dict[str, Any]:
    words = "\n".join(f"- {in_markdown(sentence)}" for sentence in found.in_words())
    first = found.standings[0]
    return {
        "best": first.encoder,
        "in words": dg.MetadataValue.md(words or "only one encoder"),
        "judged by": f"{found.queries:,} queries ({found.basis}), {found.sampled:,} items sampled",
        **measured(found),
        "quality": preview(_quality(found), ("encoder", *_METRICS, "failed")),
        "cost": preview(_costs(found), _COST),
        "embedding all items": preview(_bills(found), _BILL),
        **({"smaller forms, against the whole": preview(_variants(found), _VARIANT)} if found.variants else {}),
        "figures": dg.MetadataValue.json(leaderboard_document(found)),
        **{f"{each.encoder}: {MAIN}": float(each.scores[MAIN].mean()) for each in found.standings},
    }


def _quality(found: Leaderboard) -> list[dict[str, Any]]:
    rows = []
    for each in found.standings:
        quality = each.quality()
        name = f"{shortened(each.encoder)} (live)" if each.live else shortened(each.encoder)
        rows.append(
            {"encoder": name, **{metric: quality[metric].shown() for metric in _METRICS}, "failed": each.failed}
        )
    return rows


def _costs(found: Leaderboard) -> list[dict[str, Any]]:
    return [
        {
            "encoder": shortened(each.encoder),
            "dim": each.cost.dim,
            "bytes an item": round(each.cost.bytes_per_item),
            "items/s": round(each.cost.items_per_second, 1),
            "ms a query": each.cost.query_ms,
            "MB": each.cost.download_mb,
            "license": each.cost.license,
        }
        for each in found.standings
    ]


def _bills(found: Leaderboard) -> list[dict[str, Any]]:
    return [
        {
            "encoder": shortened(each.encoder),
            "items": each.cost.items,
            "seconds": each.cost.seconds,
            "USD": each.cost.usd,
            "USD a million tokens": each.cost.price,
        }
        for each in found.standings
    ]


def _variants(found: Leaderboard) -> list[dict[str, Any]]:
    return [
        {
            "form": f"{shortened(each.encoder)}: {each.variant}",
            "bytes": each.bytes,
            "smaller": f"{each.smaller:.0f} times",
            MAIN: round(each.ndcg, 3),
            "difference": each.found.difference.shown(sign="+"),
            "verdict": each.verdict,
        }
        for each in found.variants
    ]
