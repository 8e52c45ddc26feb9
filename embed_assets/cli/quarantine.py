"""embed-assets quarantine: the items that are not in the index, each with its reason."""

from dataclasses import asdict

import click

from embed_assets.cli.shared.options import json_option, steps_of, store_option
from embed_assets.cli.shared.plain_output import say_json
from embed_assets.cli.shared.quarantine_lines import say_quarantined
from embed_assets.errors import SettingsError
from embed_assets.pipeline.quarantined_items import quarantined


@click.command()
@click.option("--source", help="Only items of this source.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=50, show_default=True, help="How many to show; --json: all."
)
@store_option
@json_option
def command(source: str | None, limit: int, store: str, as_json: bool) -> None:
    """List the items that are quarantined, or that no encoder takes, each with its reason.

    They are tried again when their bytes change, or by embed-assets retry.
    """
    steps = steps_of(store)
    if source is not None and source not in steps.settings.sources:
        raise SettingsError(f"There is no source {source!r}. Sources: {', '.join(steps.settings.sources)}.")
    found = quarantined(steps, sources=[source] if source else [])
    if as_json:
        say_json([asdict(each) for each in found])
        return
    say_quarantined(found, store=steps.store.uri, limit=limit)
