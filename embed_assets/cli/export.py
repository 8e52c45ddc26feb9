"""embed-assets export: bring sinks up to date with what their spaces serve, or write one to a place of its own."""

import sys
from dataclasses import asdict

import click

from embed_assets import progress
from embed_assets.cli.shared.options import json_option, steps_of, store_option
from embed_assets.cli.shared.plain_output import say, say_json
from embed_assets.cli.shared.progress_bars import Progress
from embed_assets.errors import SettingsError
from embed_assets.pipeline.steps import Steps
from embed_assets.sinks.export_report import ExportReport


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME…]")
@click.option("--whole", is_flag=True, help="Write all rows, not what changed alone.")
@click.option("--to", metavar="URI", help="One export to a place of no settings: ends in .parquet, .faiss or .db.")
@click.option("--space", help="Of --to: the space. Default: the one that serves.")
@store_option
@json_option
def command(names: tuple[str, ...], whole: bool, to: str | None, space: str | None, store: str, as_json: bool) -> None:
    """Bring the sinks of the settings up to date with what their spaces serve: by what changed, deletions too.

    A sink that was deleted or changed by another hand, or holds another encoder version, is written whole.
    """
    if (to is None and space is not None) or (to is not None and (names or whole)):
        raise SettingsError("--space belongs to --to, and --to neither to sinks of the settings nor to --whole.")
    steps = steps_of(store)
    with Progress(quiet=as_json or not sys.stderr.isatty()) as shown, progress.listening(shown.step):
        found = _exported(steps, names, whole=whole) if to is None else [steps.export_to(to, space or _only(steps))]
    if as_json:
        say_json([asdict(each) for each in found])
        return
    for each in found:
        say(f"{each.name}, space {each.space} to {each.kind} {each.uri}: {each.in_words()} {each.seconds:.1f} s")
    if not found:
        say("The settings have no sinks. Name a place: embed-assets export --to FOLDER.parquet")


def _exported(steps: Steps, names: tuple[str, ...], *, whole: bool) -> list[ExportReport]:
    return [steps.export(name, whole=whole) for name in dict.fromkeys(names) or steps.settings.sinks]


def _only(steps: Steps) -> str:
    """Return the space that serves. Raises SettingsError where several do."""
    serving = [pointer.space for pointer in steps.store.serving.pointers() if pointer.live is not None]
    if len(serving) != 1:
        raise SettingsError(f"Spaces that serve: {', '.join(serving) or 'none'}. Name one with --space.")
    return serving[0]
