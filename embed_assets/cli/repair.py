"""embed-assets repair: bring damaged tables of a store back to what can be read."""

import json
from dataclasses import asdict

import click

from embed_assets.cli.options import json_option, short_path, store_option


@click.command()
@store_option
@json_option
def command(store: str, as_json: bool) -> None:
    """Restore damaged tables to their latest version that can be read; what has none is made anew by the next run.

    Nothing is deleted: what can't be read stays in the store under a name that ends in "damaged".
    """
    from embed_assets.store.connection import Store
    from embed_assets.store.repair import repair

    opened = Store(store)
    found = repair(opened)
    if as_json:
        click.echo(json.dumps([asdict(damage) for damage in found], indent=2))
        return
    for damage in found:
        click.echo(f"{damage.table}: {damage.what}. Now {damage.way}.")
    if not found:
        click.echo("Every table can be read; nothing was changed.")
        return
    click.echo(f"Next: embed-assets run --store {short_path(opened.uri)}")
