"""embed-assets status: what a store holds, whether it is fresh, what failed."""

import json

import click

from embed_assets.cli.options import json_option, steps_of, store_option
from embed_assets.cli.show import print_status
from embed_assets.status import read_status


@click.command()
@store_option
@json_option
def command(store: str, as_json: bool) -> None:
    """Show sources, encoders, checks and what serves, from the store alone."""
    status = read_status(steps_of(store))
    if as_json:
        click.echo(json.dumps(status.document(), indent=2))
        return
    print_status(status)
