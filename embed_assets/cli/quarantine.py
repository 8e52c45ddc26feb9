"""embed-assets quarantine: the items that are not in the index, each with its reason."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

import click

from embed_assets.cli.shared.options import json_option, short_path, steps_of, store_option
from embed_assets.cli.shared.plain_output import say, say_json
from embed_assets.errors import SettingsError
from embed_assets.pipeline.quarantined_items import Quarantined, quarantined


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
    for line in _lines(found[:limit]):
        say(line)
    if len(found) > limit:
        say(f"… and {len(found) - limit:,} more. All: --limit {len(found)}, or --json.")
    if not found:
        say("Nothing is quarantined: every known item is in the index, or waits for the next run.")
        return
    counts = ", ".join(f"{count:,} {reason}" for reason, count in Counter(each.reason for each in found).most_common())
    say(f"{len(found):,} {'item' if len(found) == 1 else 'items'}: {counts}.")
    say(f"After fixing them or the settings: embed-assets retry --store {short_path(steps.store.uri)}")


def _lines(items: Sequence[Quarantined]) -> list[str]:
    """Format one item per line: names and reasons have any length."""
    return [
        f"{each.source}/{each.key}: {each.reason}"
        + (f": {each.detail}" if each.detail else "")
        + (f" ({each.encoder})" if each.encoder else "")
        for each in items
    ]
