"""The noise asset of an encoder: what typos, compression, shifts and noise cost it, on a sample of its media."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import dagster as dg

from embed_assets.assets.host.step_hooks import StepContext
from embed_assets.assets.names import Names
from embed_assets.assets.reports.report_asset import report_asset
from embed_assets.assets.resources import make_steps
from embed_assets.assets.ui.previews import in_markdown, measured, preview
from embed_assets.pipeline.compared_encoders import with_encoders
from embed_assets.pipeline.steps import Steps
from embed_assets.quality.noise.noise_report import Loss, NoiseReport, NoiseRow
from embed_assets.settings import PipelineSettings
from embed_assets.versions.load_version import spec_of

_PIXELS = "pixels"  # the declared encoder that has learned nothing


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
        "paired differences with 95 % intervals; of pictures raw pixels beside it. Nothing of it is stored.",
    )
    def noise(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        return names.run(context, "noise", encoder, lambda: materialize_noise(names, encoder, context))

    return noise


def materialize_noise(names: Names, encoder: str, context: StepContext) -> dg.MaterializeResult:
    """Measure each disturbance, and show what it costs."""
    steps = make_steps(names, context.resources, loads_model=True)
    beside = _baseline(names.settings, encoder)
    settings, _ = with_encoders(steps.settings, beside)
    found = Steps(settings).noise([encoder], beside=beside)
    for sentence in found.in_words():
        context.log.info(sentence)
    return dg.MaterializeResult(metadata=_metadata(found, encoder))


def _baseline(settings: PipelineSettings, encoder: str) -> list[str]:
    """Return raw pixels, to be measured beside an encoder of pictures: what breaks them shows what it has learned."""
    own = settings.encoders[encoder]
    named = settings.encoders.get(_PIXELS)
    if encoder == _PIXELS or own.model == _PIXELS or (named is not None and named.model != _PIXELS):
        return []
    return [_PIXELS] if "image" in spec_of(encoder, own).media else []


def _metadata(found: NoiseReport, encoder: str) -> dict[str, Any]:
    by_label = [(each, each.ndcg_at_10) for each in found.rows if each.ndcg_at_10]
    tables = {
        "losses": _table("recall@1", [(each, each.recall_at_1) for each in found.rows]),
        **({"losses by label": _table("ndcg@10", by_label)} if by_label else {}),
    }
    own = [each for each in found.rows if each.encoder == encoder]
    return {
        "in words": dg.MetadataValue.md("\n".join(f"- {in_markdown(each)}" for each in found.in_words())),
        **measured(found),
        **tables,
        "figures": dg.MetadataValue.json(asdict(found)),
        **{f"recall@1 under {each.disturbance}": each.recall_at_1.under.mean for each in own},
    }


def _table(metric: str, losses: Sequence[tuple[NoiseRow, Loss]]) -> dg.TableMetadataValue:
    rows = [
        {
            "encoder": each.encoder,
            "disturbance": each.disturbance,
            metric: round(loss.under.mean, 3),
            "lost": loss.difference.shown(sign="+"),
            "verdict": loss.verdict,
        }
        for each, loss in losses
    ]
    return preview(rows, ("encoder", "disturbance", metric, "lost", "verdict"))
