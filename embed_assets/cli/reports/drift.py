"""embed-assets report drift: new items, and queries, against the reference."""

from dataclasses import asdict
from datetime import UTC, datetime

import click

from embed_assets.cli.reports.served_spaces import served_spaces
from embed_assets.cli.shared.options import json_option, steps_of, store_option
from embed_assets.cli.shared.plain_output import say_json
from embed_assets.cli.shared.tables.report_tables import print_drift


@click.command()
@click.argument("spaces", nargs=-1, metavar="[SPACE…]")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]),
    help="Items embedded behind this moment, in UTC, are new; unset: behind the first promotion of the version.",
)
@click.option(
    "--queries",
    "log",
    metavar="LOG",
    help="JSONL file with a query a line, oldest first: its drift, too; unset: query_log of the settings, if any.",
)
@store_option
@json_option
def command(spaces: tuple[str, ...], since: datetime | None, log: str | None, store: str, as_json: bool) -> None:
    """Compare new items with those of the reference: whether they differ beyond noise, and by how much.

    Up to 1,000 items a side. p is of a permutation test (MMD); the size is how well a classifier distinguishes the two
    (AUC; 0.5: not at all). Drift is p up to 0.05 and an AUC above 0.6.
    """
    steps, moment = steps_of(store), since.replace(tzinfo=UTC) if since is not None else None
    found = []
    for space in served_spaces(steps, spaces):
        found.append(steps.drift(space, since=moment))
        own_log = log or steps.settings.space(space).query_log
        found += [steps.query_drift(space, own_log)] if own_log is not None else []
    if as_json:
        say_json([asdict(each) for each in found])
    else:
        print_drift(found)
