"""Report tables: drift with the most typical new items, balance by group, noise by encoder, verdicts in words."""

from collections.abc import Sequence

from rich.table import Table

from embed_assets.cli.shared.console import PlainConsole, make_console
from embed_assets.quality.balance.balance_report import BalanceReport
from embed_assets.quality.balance.breakdowns import Breakdown
from embed_assets.quality.balance.group_quality import GroupQuality
from embed_assets.quality.drift.drift_report import DriftReport
from embed_assets.quality.measured_report import Measured
from embed_assets.quality.metrics.bootstrap import NOT_APART, shown_p
from embed_assets.quality.noise.noise_report import Loss, NoiseReport

_SHOWN = 10  # groups of a table of quality
_LEFT = (
    "encoder",
    "disturbance",
    "new item",
    "new query",
    "labels",
    "text",
    "by",
    "group",
    "way",
    "verdict",
    "largest",
    "smallest",
)


def print_drift(reports: Sequence[DriftReport], *, console: PlainConsole | None = None) -> None:
    """Print the verdict of each report, what is typical of the new, and which shares changed."""
    console = console or make_console()
    for found in reports:
        console.tell(f"Space {found.space}, {found.encoder} {found.version}: {found.in_words()}")
        if found.changes:
            table = report_table("Shares that changed most", "by", "group", "reference", "new")
            for each in found.changes:
                table.add_row(each.by, each.group, f"{each.reference:.1%}", f"{each.new:.1%}")
            console.print(table)
        if found.typical and found.warns:
            console.print(_typical(found))
        console.tell(measured(found))


def print_balance(reports: Sequence[BalanceReport], *, console: PlainConsole | None = None) -> None:
    """Print what each space holds by group, and the quality of the groups that differ most."""
    console = console or make_console()
    for found in reports:
        title = f"Space {found.space}, {found.encoder} {found.version}: {found.items:,} items"
        table = report_table(title, "by", "groups", "effective", "without", "largest", "smallest")
        for each in found.breakdowns:
            table.add_row(*_cells(each))
        console.print(table)
        if found.quality:
            title = f"Quality by group: {found.queries:,} queries ({found.basis}), {found.sampled:,} items sampled"
            console.print(group_table(title, found.quality))
        for sentence in found.in_words():
            console.tell(f"  {sentence}")
        console.tell(measured(found))


def print_noise(reports: Sequence[NoiseReport], *, console: PlainConsole | None = None) -> None:
    """Print what each disturbance costs each encoder."""
    console = console or make_console()
    for found in reports:
        title = f"Disturbed copies of {found.sampled:,} items as queries, against undisturbed copies"
        table = report_table(title, "encoder", "disturbance", "recall@1", "lost", "ndcg@10 by label", "lost")
        for each in found.rows:
            ndcg = ("", "") if each.ndcg_at_10 is None else _loss(each.ndcg_at_10)
            table.add_row(each.encoder, each.disturbance, *_loss(each.recall_at_1), *ndcg)
        console.print(table)
        for sentence in found.in_words():
            console.tell(f"  {sentence}")
        console.tell(measured(found))


def measured(found: Measured) -> str:
    """Say how long a report took, and on what sample."""
    return f"  Measured in {found.seconds:,.1f} s on {found.sample()}."


def _loss(found: Loss) -> tuple[str, str]:
    beyond = "" if found.verdict == NOT_APART else f" {found.verdict}"
    return f"{found.under.mean:.3f}", f"{found.difference.shown(sign='+')}{beyond}"


def _typical(found: DriftReport) -> Table:
    table = report_table(
        "Most typical of the new", f"new {'item' if found.about == 'items' else 'query'}", "labels", "text"
    )
    for each in found.typical:
        table.add_row(each.name, ", ".join(each.labels), each.text)
    return table


def _cells(each: Breakdown) -> tuple[str, ...]:
    largest = ", ".join(f"{group.name} {group.share:.0%}" for group in each.largest[:3])
    smallest = ", ".join(f"{group.name} ({group.items:,})" for group in each.smallest[:3])
    return each.by, f"{each.groups:,}", f"{each.effective:,.1f}", f"{each.without:,}", largest, smallest


def group_table(title: str, quality: Sequence[GroupQuality], *, metric: str = "ndcg@10") -> Table:
    """Return the groups that differ most from all others, the worst first."""
    table = report_table(title, "by", "group", "queries", metric, "against the others", "p", "verdict")
    shown = quality if len(quality) <= _SHOWN else (*quality[: _SHOWN - 2], *quality[-2:])
    for each in shown:
        spreads = each.ndcg.shown(), each.difference.shown(sign="+")
        table.add_row(each.by, each.group, f"{each.queries:,}", *spreads, shown_p(each.p), each.verdict)
    return table


def report_table(title: str, *columns: str) -> Table:
    """Return a table without rows: names to the left, figures to the right."""
    table = Table(title=title, title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(column, justify="left" if column in _LEFT else "right", overflow="fold")
    return table
