"""Leaderboard tables: encoders by quality with intervals, their cost, smaller forms, and the verdict in words."""

from rich.table import Table

from embed_assets.cli.shared.console import PlainConsole, make_console
from embed_assets.cli.shared.tables.plan_tables import count, duration
from embed_assets.cli.shared.tables.report_tables import measured
from embed_assets.quality.leaderboard.standings import Leaderboard, Standing, VariantLoss
from embed_assets.quality.metrics.bootstrap import shown_p

_SHOWN = ("ndcg@10", "recall@10", "mrr")


def print_leaderboard(found: Leaderboard, *, console: PlainConsole | None = None) -> None:
    """Print what was measured, best first; then who is better in words, and the smaller forms."""
    console = console or make_console()
    console.print(_quality_table(found))
    for sentence in found.in_words():
        console.tell(f"  {sentence}")
    console.print(_cost_table(found))
    if found.variants:
        console.print(_variant_table(found))
    console.tell(measured(found))


def _quality_table(found: Leaderboard) -> Table:
    title = f"Space {found.space}: {found.queries:,} queries ({found.basis}), {found.sampled:,} items sampled"
    table = _table(title, "encoder", *_SHOWN, "unjudged@10", "failed")
    for each in found.standings:
        quality = each.quality()
        shown = [quality[metric].shown() for metric in _SHOWN]
        table.add_row(_name(each), *shown, f"{quality['unjudged@10'].mean:.2f}", f"{each.failed:,}")
    return table


def _cost_table(found: Leaderboard) -> Table:
    names = ("dim", "bytes an item", "items/s", "ms a query", "MB", "license", "all items", "price")
    table = _table("Cost", "encoder", *names)
    for each in found.standings:
        cost = each.cost
        table.add_row(
            _name(each),
            f"{cost.dim:,}",
            count(cost.bytes_per_item),
            f"{cost.items_per_second:,.1f}",
            "" if cost.query_ms is None else f"{cost.query_ms:,.1f}",
            "" if cost.download_mb is None else f"{cost.download_mb:,.0f}",
            cost.license,
            f"{cost.items:,} in {duration(cost.seconds)}",
            "" if cost.usd is None else f"{cost.usd:,.2f} USD",
        )
    return table


def _variant_table(found: Leaderboard) -> Table:
    names = ("form", "bytes", "times smaller", "ndcg@10", "against the whole", "p", "verdict")
    table = _table("Smaller forms", "encoder", *names)
    for each in found.variants:
        table.add_row(each.encoder, each.variant, f"{each.bytes:,}", f"{each.smaller:.0f}", *_loss(each))
    return table


def _loss(each: VariantLoss) -> tuple[str, ...]:
    return f"{each.ndcg:.3f}", each.found.difference.shown(sign="+"), shown_p(each.p), each.verdict


def _name(each: Standing) -> str:
    return f"{each.encoder} (live)" if each.live else each.encoder


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(
            column, justify="left" if column in ("encoder", "form", "license", "verdict") else "right", overflow="fold"
        )
    return table
