"""embed-assets status: what a store holds, whether it is fresh, what failed."""

import click

from embed_assets.cli.shared.options import json_option, steps_of, store_option
from embed_assets.cli.shared.plain_output import say_json
from embed_assets.cli.shared.status_tables import print_status
from embed_assets.pipeline.status import read_status

_STALE = 3  # exit code


@click.command()
@store_option
@json_option
@click.option("--exit-code", is_flag=True, help="Exit with 0 where everything is fresh, with 3 where a run is due.")
def command(store: str, as_json: bool, exit_code: bool) -> None:
    """Show sources, encoders, checks and what serves, from the store alone.

    Fresh means: by the manifests as they were last refreshed. `embed-assets plan` lists the sources too.
    """
    status = read_status(steps_of(store))
    if as_json:
        say_json(status.document())
    else:
        print_status(status)
    if exit_code and not status.fresh:
        click.get_current_context().exit(_STALE)
