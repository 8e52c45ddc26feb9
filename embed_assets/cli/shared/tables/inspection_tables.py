"""Inspection tables: the first near-duplicates, outliers and doubtful labels, and the groups of a map."""

from collections.abc import Sequence

from rich.table import Table

from embed_assets.cli.shared.console import PlainConsole, make_console
from embed_assets.quality.inspection.inspection_report import (
    DuplicatesReport,
    Inspected,
    ItemName,
    LabelsReport,
    OutliersReport,
)
from embed_assets.quality.map.item_map import ItemMap

_SHOWN = 20  # rows
_RIGHT = ("items", "group", "cosine", "distance", "share", "own")


def print_duplicates(reports: Sequence[DuplicatesReport], *, console: PlainConsole | None = None) -> None:
    """Print the largest groups, keepers first with the reason."""
    console = console or make_console()
    for found in reports:
        rows = found.rows()
        console.tell(_line(found, found.in_words()))
        table = _table("Near-duplicates", "group", "item", "cosine", "keep", "why")
        for row in rows[:_SHOWN]:
            cosine = "" if row["cosine"] is None else f"{row['cosine']:.3f}"
            name = f"{row['source']}/{row['key']}"
            table.add_row(str(row["group"]), name, cosine, "keep" if row["keeper"] else "", row["why"])
        _print(console, table, len(rows))


def print_outliers(reports: Sequence[OutliersReport], *, console: PlainConsole | None = None) -> None:
    """Print the farthest items."""
    console = console or make_console()
    for found in reports:
        console.tell(_line(found, found.in_words()))
        table = _table("Farthest from all others", "item", "label", "distance", "outlier")
        for each in found.outliers[:_SHOWN]:
            far = "yes" if each.far else ""
            table.add_row(_name(each.item), ", ".join(each.item.labels), f"{each.distance:.3f}", far)
        _print(console, table, len(found.outliers))


def print_labels(reports: Sequence[LabelsReport], *, console: PlainConsole | None = None) -> None:
    """Print the clearest disagreements."""
    console = console or make_console()
    for found in reports:
        console.tell(_line(found, found.in_words()))
        table = _table("Labels that disagree with the neighbours", "item", "label", "neighbours", "share", "own")
        for each in found.disagreements[:_SHOWN]:
            shares = f"{each.share:.0%}", f"{each.own_share:.0%}"
            table.add_row(_name(each.item), ", ".join(each.item.labels), each.vote, *shares)
        _print(console, table, len(found.disagreements))


def print_maps(maps: Sequence[ItemMap], *, console: PlainConsole | None = None) -> None:
    """Print how each map was made, and its largest groups."""
    console = console or make_console()
    for found in maps:
        console.tell(_line(found, found.in_words()))
        groups = found.group_counts()
        table = _table("Groups", found.grouped_by, "items")
        for each in groups[:_SHOWN]:
            table.add_row(each["name"], f"{each['items']:,}")
        _print(console, table, len(groups))


def _line(found: Inspected, words: str) -> str:
    return f"Space {found.space}: {words} {found.seconds:,.1f} s"


def _print(console: PlainConsole, table: Table, rows: int) -> None:
    if not rows:
        return
    console.print(table)
    if rows > _SHOWN:
        console.tell(f"  and {rows - _SHOWN:,} more: --json has all")


def _name(item: ItemName) -> str:
    return f"{item.source}/{item.key}"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in _RIGHT else "left", overflow="fold")
    return table
