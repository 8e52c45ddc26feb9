"""embed-assets show: one item: how it was cut, its versions, hashes and history, or why it is quarantined."""

from dataclasses import asdict

import click
from rich.table import Table

from embed_assets.cli.shared.console import PlainConsole, make_console
from embed_assets.cli.shared.options import json_option, steps_of, store_option
from embed_assets.cli.shared.plain_output import say_json
from embed_assets.cli.shared.quarantine_lines import say_quarantined
from embed_assets.errors import SettingsError
from embed_assets.pipeline.item_details import ItemDetails, ItemVersion, find_item, item_details
from embed_assets.pipeline.quarantined_items import quarantined

_SPANS = 12  # of one version that are shown
_DIGITS = 12  # of a hash
_CHARACTERS = 76  # of a text


@click.command()
@click.argument("item", required=False)
@click.option("--quarantined", "only_quarantined", is_flag=True, help="All quarantined items, each with its reason.")
@store_option
@json_option
def command(item: str | None, only_quarantined: bool, store: str, as_json: bool) -> None:
    """Show ITEM: its id, SOURCE/KEY as search prints it, or a key that only one source has."""
    if (item is None) != only_quarantined:
        raise SettingsError("Name an item as search prints it: embed-assets show SOURCE/KEY, or --quarantined for all.")
    steps = steps_of(store)
    if item is None:
        found = quarantined(steps)
        if as_json:
            say_json([asdict(each) for each in found])
        else:
            say_quarantined(found, store=steps.store.uri, limit=len(found) + 1)
        return
    details = item_details(steps, find_item(steps, item))
    if as_json:
        say_json(details.document())
        return
    _print(details, make_console())


def _print(item: ItemDetails, console: PlainConsole) -> None:
    console.tell(f"{item.source}/{item.key}", style="bold")
    facts = {
        "id": item.media_id,
        "address": item.uri,
        "kind": f"{item.modality or 'unknown'} ({item.mime})",
        "bytes": "" if item.size is None else f"{item.size:,}",
        "sha256": item.content_hash[:_DIGITS],
        "caption": item.text or "",
        "labels": ", ".join(item.labels),
        **{name: str(value) for name, value in item.columns.items()},
        "last read": item.updated_at,
        "state": item.status,
    }
    for name, value in facts.items():
        if value:
            console.tell(f"  {name:10} {value}")
    if item.reason:
        console.tell(f"  quarantined: {item.reason}{f': {item.detail}' if item.detail else ''}", style="yellow")
    for version in item.versions:
        _print_version(version, console)
    if item.history:
        console.tell("history", style="bold")
    for event in item.history:
        console.tell(f"  {event['at'][:19]} {event['event']:10} {_cut(event['detail'])}")


def _print_version(version: ItemVersion, console: PlainConsole) -> None:
    if version.reason:
        detail = f": {version.detail}" if version.detail else ""
        line = f"{version.encoder} {version.version}: quarantined: {version.reason}{detail}"
        console.tell(line, style="yellow")
        return
    stale = ", of older bytes: the next run embeds it again" if version.stale else ""
    title = f"{version.encoder} {version.version}, space {version.space}, {version.state}: {version.segments} segments"
    table = Table(title=title + stale, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for name in ("start", "end"):
        table.add_column(name, justify="right")
    for name in ("kind", "input", "text"):
        table.add_column(name, overflow="ellipsis")
    for span in version.spans[:_SPANS]:
        ends = ("" if each is None else f"{each:,}" for each in (span.start, span.end))
        table.add_row(*ends, span.kind, span.content_hash[:_DIGITS], _cut(span.text or ""))
    console.print(table)
    if version.segments > _SPANS:
        console.tell(f"  and {version.segments - _SPANS:,} more: --json has them", style="dim")


def _cut(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= _CHARACTERS else plain[: _CHARACTERS - 1] + "…"
