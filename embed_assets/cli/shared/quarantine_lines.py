"""Quarantined items on the terminal: one a line, counts by reason beneath."""

from collections import Counter
from collections.abc import Sequence

from embed_assets.cli.shared.options import short_path
from embed_assets.cli.shared.plain_output import say
from embed_assets.pipeline.quarantined_items import Quarantined


def say_quarantined(found: Sequence[Quarantined], *, store: str, limit: int | None = None) -> None:
    """Print quarantined items, up to `limit`, and what to do about them."""
    for each in found[:limit]:
        say(_line(each))
    if limit is not None and len(found) > limit:
        say(f"… and {len(found) - limit:,} more. All: --limit {len(found)}, or --json.")
    if not found:
        say("Nothing is quarantined: every known item is in the index, or waits for the next run.")
        return
    counts = ", ".join(f"{count:,} {reason}" for reason, count in Counter(each.reason for each in found).most_common())
    say(f"{len(found):,} {'item' if len(found) == 1 else 'items'}: {counts}.")
    say(f"After fixing them or the settings: embed-assets retry --store {short_path(store)}")


def _line(item: Quarantined) -> str:
    """Format one item in a line: names and reasons have any length."""
    detail = f": {item.detail}" if item.detail else ""
    return f"{item.source}/{item.key}: {item.reason}{detail}" + (f" ({item.encoder})" if item.encoder else "")
