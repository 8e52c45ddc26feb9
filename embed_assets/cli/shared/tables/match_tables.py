"""Tables of saved queries: their matches, nearest first, new ones marked, and what matches no more."""

from collections.abc import Sequence
from datetime import datetime

from rich.table import Table

from embed_assets.cli.shared.console import PlainConsole, make_console
from embed_assets.cli.shared.plain_output import harmless
from embed_assets.cli.shared.tables.report_tables import measured
from embed_assets.pipeline.reports.match_report import Match, MatchReport

_CHARACTERS = 72  # of a text
_SHOWN = 20  # of those that are not new


def print_matches(reports: Sequence[MatchReport], *, console: PlainConsole | None = None) -> None:
    """Print each query's matches: all that are new, and the nearest of the others."""
    console = console or make_console()
    for found in reports:
        console.tell(f"{found.name}, space {found.space}: {found.in_words()}")
        if found.matches:
            console.print(_table(found))
        for each in found.gone:
            console.tell(f"  gone: {harmless(each.name)}")
        console.tell(measured(found))


def _table(found: MatchReport) -> Table:
    table = Table(box=None, pad_edge=False)
    for name, style in (("%", "cyan"), ("matched since", "dim"), ("item", "bold"), ("what", "")):
        table.add_column(name, style=style, no_wrap=name in ("%", "matched since"), overflow="fold")
    others = [each for each in found.matches if not each.new]
    for each in (*found.new, *others[:_SHOWN]):
        percentile = "" if each.percentile is None else f"{each.percentile:.1f}"
        table.add_row(percentile, _since(each), harmless(each.name), _what(each))
    if len(others) > _SHOWN:
        table.add_row("", "", f"and {len(others) - _SHOWN:,} more", "")
    return table


def _since(each: Match) -> str:
    if each.since is None:
        return "new" if each.new else ""
    return f"{datetime.fromisoformat(each.since):%Y-%m-%d %H:%M}"


def _what(each: Match) -> str:
    what = harmless(" ".join((each.text or ", ".join(each.labels)).split()))
    return what if len(what) <= _CHARACTERS else what[: _CHARACTERS - 1] + "…"
