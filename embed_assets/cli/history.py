"""embed-assets history: what happened to a store, with figures; kept in the store itself."""

from collections.abc import Mapping
from typing import Any

import click
from rich.table import Table

from embed_assets.cli.shared.console import make_console
from embed_assets.cli.shared.options import json_option, store_option
from embed_assets.cli.shared.plain_output import say_json
from embed_assets.store.history import KINDS, MOVES
from embed_assets.store.store import Store

# Shown of an event beside what it was about; the rest is in --json.
_FIGURES = {
    "refresh": ("items", "new", "edited", "renamed", "relabelled", "deleted", "restored", "quarantined"),
    "embed": (
        *("segments_encoded", "segments_reused", "tokens", "pixels", "usd"),
        *("items_per_second", "seconds", "left", "stopped"),
    ),
    "index": ("rows", "ann_kind", "bytes"),
    "retire": ("rows", "releases", "by"),
    "maintain": ("versions_removed", "bytes_removed", "compacted", "indexed", "untagged", "dropped", "seconds"),
}
_CHECK_FIGURES = (
    ("ann_recall", "recall_at_10", "ANN recall@10"),
    ("labelled_retrieval", "ndcg_at_10", "nDCG@10"),
    ("compared_with_live", "live_ndcg_at_10", "live's"),
    ("labelled_retrieval", "recall_at_10", "recall@10"),
    ("compared_with_live", "live_recall_at_10", "live's"),
    ("compared_with_live", "overlap_at_10", "overlap@10"),
)


def _word(kind: str) -> str:
    """Spell a kind of event as its command: rollback."""
    return kind.replace(" ", "")


@click.command()
@click.option("--kind", type=click.Choice([_word(kind) for kind in KINDS]), help="Only events of this kind.")
@click.option("--encoder", help="Only events of this encoder, by name.")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="The latest so many.")
@store_option
@json_option
def command(kind: str | None, encoder: str | None, limit: int, store: str, as_json: bool) -> None:
    """Show refreshes, embedding runs, indices, checks, promotions, roll-backs and clean-ups, oldest first."""
    chosen = next((each for each in KINDS if _word(each) == kind), None)
    events = Store(store).history.events(chosen)
    events = [event for event in events if encoder in (None, event.get("encoder"))][-limit:]
    if as_json:
        say_json(events)
        return
    table = Table(title="History", title_justify="left", title_style="bold")
    for name in ("time (UTC)", "kind", "what"):
        table.add_column(name, no_wrap=name != "what")
    table.add_column("figures")
    for event in events:
        table.add_row(event["at"][:19].replace("T", " "), event["kind"], _what(event), _figures(event))
    console = make_console()
    console.print(table)
    if not events:
        console.tell("Nothing happened yet." if kind is None else f"No event of kind {kind!r} yet.")


def _what(event: Mapping[str, Any]) -> str:
    if event["kind"] in MOVES:
        return f"{event['space']}: {event.get('release') or 'nothing'} (generation {event['generation']})"
    if event["kind"] == "check":
        return str(event["release"])
    named = [str(event[name]) for name in ("source", "encoder", "version") if event.get(name)]
    return " ".join(named)


def _figures(event: Mapping[str, Any]) -> str:
    if "checks" in event:
        return _checks(event["checks"], by=event.get("by"))
    figures = event | event.get("spent", {}) | ({"left": sum(event["left"].values())} if event.get("left") else {})
    shown = [(name, figures.get(name)) for name in _FIGURES.get(event["kind"], ())]
    return ", ".join(f"{name.replace('_', ' ')} {_number(value)}" for name, value in shown if value)


def _checks(checks: Mapping[str, Mapping[str, Any]], *, by: str | None) -> str:
    failed = [name for name, figures in checks.items() if not figures["passed"]]
    parts = [f"{len(checks) - len(failed)} of {len(checks)} checks passed"]
    parts += [f"failed: {', '.join(failed)}"] if failed else []
    figures = [
        f"{label} {_number(checks[check][name])}"
        for check, name, label in _CHECK_FIGURES
        if name in checks.get(check, ()) and not checks[check].get("exact")
    ]
    parts += [", ".join(figures)] if figures else []
    return "; ".join(parts + ([f"by {by}"] if by else []))


def _number(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.3f}".rstrip("0").rstrip(".")
    if isinstance(value, (Mapping, list)):
        return str(len(value))
    return f"{value:,}" if isinstance(value, int) else str(value)
