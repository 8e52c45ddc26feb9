"""embed-assets repair: bring damaged tables of a store back to what can be read."""

from dataclasses import asdict

import click

from embed_assets.cli.shared.options import json_option, short_path, store_option
from embed_assets.cli.shared.plain_output import say, say_json


@click.command()
@store_option
@json_option
def command(store: str, as_json: bool) -> None:
    """Restore damaged tables to their latest readable version; the next run rebuilds one that has none.

    Nothing is deleted: what can't be read stays in the store under a name that ends in "damaged".
    """
    from embed_assets.store.store import Store
    from embed_assets.store.upkeep.repair import repair

    opened = Store(store)
    found = repair(opened)
    if as_json:
        say_json([asdict(damage) for damage in found])
        return
    for damage in found:
        say(f"{damage.table}: {damage.what}. Now {damage.way}.")
    if not found:
        say("Every table can be read; nothing was changed.")
        return
    say(f"Next: embed-assets run --store {short_path(opened.uri)}")
