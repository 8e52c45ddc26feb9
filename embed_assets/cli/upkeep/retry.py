"""embed-assets retry: the next run tries quarantined items again."""

import click

from embed_assets.cli.shared.options import json_option, short_path, steps_of, store_option
from embed_assets.cli.shared.plain_output import say, say_json


@click.command()
@store_option
@json_option
def command(store: str, as_json: bool) -> None:
    """Have the next run try all quarantined items again, though their bytes did not change.

    After a limit of the settings was raised, say. What could not be read at all is tried at every run anyway.
    """
    steps = steps_of(store)
    items = steps.retry()
    if as_json:
        say_json({"items": items})
    elif items:
        say(f"{items} to be tried again. Next: embed-assets run --store {short_path(steps.store.uri)}")
    else:
        say("Nothing is quarantined.")
