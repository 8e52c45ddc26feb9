"""Evaluation tables: ways of search beside each other, each against exact search, and quality by group."""

from collections.abc import Sequence

from rich.table import Table

from embed_assets.cli.shared.console import PlainConsole, make_console
from embed_assets.cli.shared.tables.report_tables import group_table, measured, report_table
from embed_assets.quality.evaluation.evaluation_report import EvaluationReport
from embed_assets.quality.evaluation.ways import ANN


def print_evaluation(reports: Sequence[EvaluationReport], *, console: PlainConsole | None = None) -> None:
    """Print the figures of each way of search, those of the groups as it serves, and what they say."""
    console = console or make_console()
    for found in reports:
        if found.ways:
            console.print(_ways(found))
        served = found.way(ANN)
        if served is not None and served.groups:
            console.print(group_table("Quality by group, as served", served.groups, metric=found.metric))
        for sentence in found.in_words():
            console.tell(f"  {sentence}")
        console.tell(measured(found))


def _ways(found: EvaluationReport) -> Table:
    title = f"Space {found.space}, {found.encoder} {found.version}: {found.queries:,} queries ({found.basis})"
    others = [name for name in found.ways[0].quality if name != found.metric]
    table = report_table(title, "way", "queries", found.metric, *others)
    for each in found.ways:
        means = (f"{each.quality[name].mean:.3f}" for name in others)
        table.add_row(each.way, f"{each.queries:,}", each.quality[found.metric].shown(), *means)
    return table
