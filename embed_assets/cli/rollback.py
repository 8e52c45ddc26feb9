"""embed-assets rollback: back to what a space served before, in one pointer write."""

import click

from embed_assets.cli.shared.move_pointer import by, move
from embed_assets.cli.shared.options import json_option, steps_of, store_option


@click.command()
@click.argument("space")
@click.option("--to", help="Encoder version to go back to, or how it begins. Default: the one before.")
@store_option
@json_option
def command(space: str, to: str | None, store: str, as_json: bool) -> None:
    """Let SPACE serve its previous release again. Nothing is encoded or rebuilt.

    The version that is left is held: runs go on to keep it fresh, and only `embed-assets promote` makes it
    live again.
    """
    steps = steps_of(store)
    move(steps, space, lambda: steps.roll_back(space, by=by("rollback"), to=to), as_json=as_json)
