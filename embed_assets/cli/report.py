"""embed-assets report: what the index holds, who is served worse, and whether new media are of another kind."""

import click

from embed_assets.cli.shared.lazy_commands import LazyCommands

_REPORTS = {
    "balance": "What the index holds by group, and who is served worse.",
    "drift": "Whether new items, or queries, are of another kind than before.",
    "duplicates": "Near-duplicates, and which of each group to keep.",
    "evaluation": "How well what serves answers, by way of search and by group.",
    "labels": "Items whose label is not that of their neighbours.",
    "map": "Items on a plane that stays, for tools that draw it.",
    "matches": "What saved queries match, and which of it is new.",
    "noise": "How much worse encoders find disturbed copies of items.",
    "outliers": "Items that are far from all others.",
}


class _Reports(LazyCommands):
    """The reports, each a file of reports/."""

    lines = _REPORTS
    package = "embed_assets.cli.reports"


@click.command(cls=_Reports)
def command() -> None:
    """Measure a store on bounded samples: what it holds, who is served worse, what has changed. Maps keep a file."""
