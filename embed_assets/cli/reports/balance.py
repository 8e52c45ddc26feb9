"""embed-assets report balance: what an index holds by group, and whose queries are served worse."""

from dataclasses import asdict

import click

from embed_assets.cli.reports.served_spaces import served_spaces
from embed_assets.cli.shared.options import json_option, steps_of, store_option
from embed_assets.cli.shared.plain_output import say_json
from embed_assets.cli.shared.tables.report_tables import print_balance
from embed_assets.pipeline.reports.report_steps import BALANCE_SAMPLE


@click.command()
@click.argument("spaces", nargs=-1, metavar="[SPACE…]")
@click.option(
    "--sample",
    type=click.IntRange(min=10),
    default=BALANCE_SAMPLE,
    show_default=True,
    help="Items that queries are answered from.",
)
@store_option
@json_option
def command(spaces: tuple[str, ...], sample: int, store: str, as_json: bool) -> None:
    """Count the items by label, source, modality, length, month and your own columns; measure retrieval by group.

    Judged queries decide, else the items' labels. A group is served worse where the difference to all other queries is
    beyond noise, after Holm's adjustment for the number of groups.
    """
    steps = steps_of(store)
    found = [steps.balance(space, sample=sample) for space in served_spaces(steps, spaces)]
    if as_json:
        say_json([asdict(each) for each in found])
    else:
        print_balance(found)
