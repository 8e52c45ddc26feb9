"""embed-assets report matches: what saved queries match in what is served, and which of it is new."""

from dataclasses import asdict

import click

from embed_assets.cli.shared.options import json_option, steps_of, store_option
from embed_assets.cli.shared.plain_output import say, say_json
from embed_assets.cli.shared.tables.match_tables import print_matches


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME…]")
@store_option
@json_option
def command(names: tuple[str, ...], store: str, as_json: bool) -> None:
    """Search with the saved queries of the settings, and compare with what they matched when they were last reported.

    This looks only: a match stays new until it is reported by a run, or by the query's asset in Dagster.
    """
    steps = steps_of(store)
    found = [steps.matches(name) for name in dict.fromkeys(names) or steps.settings.saved_queries]
    if as_json:
        say_json([asdict(each) for each in found])
    elif found:
        print_matches(found)
    else:
        say("The settings have no saved_queries.")
