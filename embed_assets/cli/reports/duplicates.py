"""embed-assets report duplicates: groups of near-duplicates, with the item of each that is proposed to stay."""

from dataclasses import asdict

import click

from embed_assets.cli.reports.inspection_options import export_option, exported, sample_option
from embed_assets.cli.reports.served_spaces import served_spaces
from embed_assets.cli.shared.options import json_option, steps_of, store_option
from embed_assets.cli.shared.plain_output import say_json
from embed_assets.cli.shared.tables.inspection_tables import print_duplicates
from embed_assets.quality.inspection.near_duplicates import THRESHOLD


@click.command()
@click.argument("spaces", nargs=-1, metavar="[SPACE…]")
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1, min_open=True),
    default=THRESHOLD,
    show_default=True,
    help="Cosine of two items from which they are near-duplicates; it depends on the encoder.",
)
@sample_option
@export_option
@store_option
@json_option
def command(
    spaces: tuple[str, ...], threshold: float, sample: int, export: str | None, store: str, as_json: bool
) -> None:
    """Group the items of a space that are nearly the same, and propose which of each group to keep, and why.

    Most pixels decide, then the longest text or recording, most labels, the largest file, the oldest. Items of equal
    bytes are always one group. Nothing is deleted.
    """
    steps = steps_of(store)
    found = [
        steps.inspect(space, most=sample).duplicates(threshold=threshold) for space in served_spaces(steps, spaces)
    ]
    exported(found, export, quiet=as_json)
    if as_json:
        say_json([asdict(each) for each in found])
    else:
        print_duplicates(found)
