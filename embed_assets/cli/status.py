"""embed-assets status: what a store holds, whether it is fresh, what failed."""

from dataclasses import asdict

import click

from embed_assets.cli.shared.options import json_option, steps_of, store_option
from embed_assets.cli.shared.plain_output import say_json
from embed_assets.cli.shared.quarantine_lines import say_quarantined
from embed_assets.cli.shared.tables.status_tables import print_status
from embed_assets.pipeline.quarantined_items import quarantined
from embed_assets.pipeline.status import read_status
from embed_assets.pipeline.steps import Steps

_STALE = 3  # exit code


@click.command()
@store_option
@json_option
@click.option("--exit-code", is_flag=True, help="Exit with 0 where everything is fresh, with 3 where a run is due.")
@click.option("--quarantined", "names", is_flag=True, help="List all quarantined items with their reasons instead.")
def command(store: str, as_json: bool, exit_code: bool, names: bool) -> None:
    """Show sources, encoders, checks and what serves, from the store alone.

    Fresh means: by the manifests as they were last refreshed. `embed-assets plan` lists the sources too.
    """
    steps = steps_of(store)
    status = read_status(steps)
    if names:
        _list_quarantined(steps, as_json=as_json)
    elif as_json:
        say_json(status.document())
    else:
        print_status(status)
    if exit_code and not status.fresh:
        click.get_current_context().exit(_STALE)


def _list_quarantined(steps: Steps, *, as_json: bool) -> None:
    found = quarantined(steps)
    if as_json:
        say_json([asdict(each) for each in found])  # the document of embed-assets quarantine
    else:
        say_quarantined(found, store=steps.store.uri)
