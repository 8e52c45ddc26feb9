"""The evaluation asset of a space: how well its live release answers, by way of search and by group."""

from dataclasses import asdict
from typing import Any

import dagster as dg

from embed_assets.assets.host.step_hooks import StepContext
from embed_assets.assets.names import Names
from embed_assets.assets.reports.report_asset import report_asset
from embed_assets.assets.resources import make_steps
from embed_assets.assets.ui.previews import group_preview, in_markdown, measured, preview
from embed_assets.quality.evaluation.evaluation_report import EvaluationReport
from embed_assets.quality.evaluation.ways import ANN

_SHOWN = 20  # groups of the table of quality


def build_evaluation_asset(names: Names, space: str) -> dg.AssetsDefinition:
    """`<space>_evaluation`: quality of exact, ANN, filtered, hybrid and reranked search."""

    @report_asset(
        names,
        "evaluation",
        space,
        deps=[names.asset_key(space, "serving")],
        group=names.prefixed(space),
        description="How well what is served answers its judged queries, else queries made from labels, 500 at most: "
        "exact, ANN, filtered, hybrid and reranked search, by items, with 95 % intervals, each against exact search "
        "with p (Holm), and by modality, source and label. Judged pairs (Spearman) and clusters by label, too.",
    )
    def evaluation(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        return names.run(context, "evaluation", space, lambda: materialize_evaluation(names, space, context))

    return evaluation


def materialize_evaluation(names: Names, space: str, context: StepContext) -> dg.MaterializeResult:
    """Measure, and show what was found."""
    found = make_steps(names, context.resources, loads_model=True).evaluate(space)
    for sentence in found.in_words():
        context.log.info(sentence)
    return dg.MaterializeResult(metadata=_metadata(found))


def _metadata(found: EvaluationReport) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "served against exact search": found.verdict,
        "in words": dg.MetadataValue.md("\n".join(f"- {in_markdown(sentence)}" for sentence in found.in_words())),
        "judged by": f"{found.queries:,} queries ({found.basis})" if found.basis else "judged pairs alone",
        **measured(found),
        "figures": dg.MetadataValue.json(asdict(found)),
    }
    if found.ways:
        columns = ("way", "queries", found.metric, "difference", "verdict")
        metadata["ways of search, against exact"] = preview(_ways(found), columns)
        others = [name for name in found.ways[0].quality if name != found.metric]
        metadata["other metrics"] = preview(_others(found), ("way", *others))
    served = found.way(ANN)
    if served is not None and served.groups:
        metadata["quality by group, against all others"] = group_preview(served.groups[:_SHOWN], metric=found.metric)
    return metadata | _numbers(found)


def _numbers(found: EvaluationReport) -> dict[str, float]:
    """Return what Dagster draws over time."""
    numbers = {f"{found.metric} {each.way}": each.quality[found.metric].mean for each in found.ways}
    if found.similarity is not None:
        numbers["Spearman"] = found.similarity.spearman.mean
    if found.clusters is not None:
        numbers |= {"purity": found.clusters.purity.mean, "silhouette": found.clusters.silhouette.mean}
    return numbers


def _ways(found: EvaluationReport) -> list[dict[str, Any]]:
    return [
        {
            "way": each.way,
            "queries": each.queries,
            found.metric: each.quality[found.metric].shown(),
            "difference": each.against_exact.difference.shown(sign="+") if each.against_exact else None,
            "verdict": each.against_exact.verdict if each.against_exact else None,
        }
        for each in found.ways
    ]


def _others(found: EvaluationReport) -> list[dict[str, Any]]:
    return [
        {"way": each.way, **{name: round(spread.mean, 3) for name, spread in each.quality.items()}}
        for each in found.ways
    ]
