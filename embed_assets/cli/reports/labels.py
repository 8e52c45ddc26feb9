"""embed-assets report labels: items whose label is not what most of their nearest others have."""

from dataclasses import asdict

import click

from embed_assets.cli.reports.inspection_options import export_option, exported, sample_option
from embed_assets.cli.reports.served_spaces import served_spaces
from embed_assets.cli.shared.options import json_option, steps_of, store_option
from embed_assets.cli.shared.plain_output import say_json
from embed_assets.cli.shared.tables.inspection_tables import print_labels


@click.command()
@click.argument("spaces", nargs=-1, metavar="[SPACE…]")
@sample_option
@export_option
@store_option
@json_option
def command(spaces: tuple[str, ...], sample: int, export: str | None, store: str, as_json: bool) -> None:
    """List the items of a space for whose label few, and for another label most of their ten nearest others vote.

    The share of the vote is shown: at 100 % the label is probably wrong, near 50 % the item is between two topics.
    """
    steps = steps_of(store)
    found = [steps.inspect(space, most=sample).labels() for space in served_spaces(steps, spaces)]
    exported(found, export, quiet=as_json)
    if as_json:
        say_json([asdict(each) for each in found])
    else:
        print_labels(found)
