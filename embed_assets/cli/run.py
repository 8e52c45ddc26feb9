"""embed-assets run: a folder of media becomes a checked, searchable index."""

import json
import mimetypes
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from embed_assets.cli.execute import run_pipeline, timed
from embed_assets.cli.options import json_option, short_path, store_option
from embed_assets.cli.show import print_status
from embed_assets.embedding.allowance import Allowance, BudgetReached, limiting
from embed_assets.errors import PromotionError, SettingsError
from embed_assets.media.listing import list_source
from embed_assets.settings import PipelineSettings, load_settings, make_settings, overridden
from embed_assets.status import Status, read_status
from embed_assets.steps import Steps
from embed_assets.store.connection import Store
from embed_assets.store.saved import saved_settings

# What a folder gets without settings, by the kinds of files in it: the hub's models, or with --offline
# those that are embedded.
_HUB = {"text": ("minilm", "minilm"), "image": ("clip", "clip-vit-b32"), "audio": ("clap", "clap")}
_HUB |= {"video": ("clip_frames", "clip-frames")}
_EMBEDDED = {"text": ("minilm", "embedded:minilm"), "image": ("clip", "embedded:clip"), "audio": ("mel", "mel")}
_EMBEDDED |= {"video": ("clip_frames", "embedded:clip-frames")}


_BUDGET_REACHED = 4  # exit code


def budget_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--budget`: stop cleanly before so much is spent."""
    return click.option(
        "--budget",
        help="Stop cleanly before more is spent: 90s, 10m, 2h; 1.5Mtokens (of texts), 2Gpixels (of everything else); "
        "2.50usd (by the encoder's price). What is left waits for the next run; exit code 4.",
    )(function)


@click.command()
@click.argument("media", required=False)
@click.option("--settings", "settings_file", type=click.Path(), help="A pipeline's YAML, instead of MEDIA.")
@click.option("--offline", is_flag=True, help="Use the embedded encoders, ask no model hub.")
@store_option
@json_option
@budget_option
def command(
    media: str | None, settings_file: str | None, offline: bool, store: str, as_json: bool, budget: str | None
) -> None:
    """Embed the texts, pictures, sounds and videos of the folder or bucket MEDIA, check the index, serve it.

    Run again, it does only what changed. Without MEDIA and --settings it runs the pipeline that the
    store was built with.
    """
    allowance = made_allowance(budget)
    settings = chosen_settings(media, settings_file, store, offline=offline)
    outcome = apply(settings, quiet=as_json, allowance=allowance)
    if as_json:
        click.echo(json.dumps(outcome.document(), indent=2))
        click.get_current_context().exit(outcome.exit_code)
    print_outcome(outcome)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run came to."""

    status: Status
    changed: bool  # whether there was something to do
    stopped: str | None  # why it ended before all was done, and what is left
    left: int  # items that a budget left
    held_back: str | None  # what was not promoted, and why
    started: float

    @property
    def exit_code(self) -> int:
        """0, or that of a budget that was reached."""
        return _BUDGET_REACHED if self.stopped else 0

    def document(self) -> dict[str, Any]:
        """As JSON-able values."""
        return self.status.document() | {
            "changed": self.changed,
            "stopped": self.stopped,
            "left": self.left,
            "held_back": self.held_back,
        }


def apply(settings: PipelineSettings, *, quiet: bool, allowance: Allowance | None = None) -> Outcome:
    """Run the pipeline within an allowance. Raises what stopped it, but for the end of the allowance."""
    started = time.monotonic()
    changed, held_back = True, None
    try:
        with limiting(allowance):
            changed = run_pipeline(settings, quiet=quiet)
    except BudgetReached:
        pass  # said below
    except PromotionError as error:  # what is not complete is not promoted
        if allowance is None or not allowance.left:
            raise
        held_back = str(error)
    left = allowance.left if allowance else 0
    return Outcome(
        status=read_status(Steps(settings)),
        changed=changed,
        stopped=str(allowance.reached()) if allowance and left else None,
        left=left,
        held_back=held_back,
        started=started,
    )


def print_outcome(outcome: Outcome) -> None:
    """Tables and the next command; exits with the outcome's code."""
    if not outcome.changed:
        items = sum(encoder.vectors for encoder in outcome.status.encoders)
        click.echo(f"Everything is fresh: {items:,} vectors, nothing to encode ({timed(outcome.started)}).")
        return
    print_status(outcome.status)
    if outcome.stopped:
        if outcome.held_back:
            click.echo(outcome.held_back, err=True)
        click.echo(outcome.stopped)
        click.get_current_context().exit(outcome.exit_code)
    click.echo(
        f'Done in {timed(outcome.started)}. Next: embed-assets search "a query" '
        f"--store {short_path(outcome.status.store)}"
    )


def made_allowance(budget: str | None) -> Allowance | None:
    """The allowance of --budget, its clock started."""
    return Allowance.parse(budget) if budget else None


def chosen_settings(
    media: str | None, settings_file: str | None, store: str, *, offline: bool = False
) -> PipelineSettings:
    """Settings of a file, of a folder of media, or those that the store was built with."""
    if settings_file:
        return load_settings(settings_file)
    saved = saved_settings(Store(store)) if media is None else None
    return saved or folder_settings(media, store, offline=offline)


def folder_settings(media: str | None, store: str, *, offline: bool) -> PipelineSettings:
    """Settings of one folder: an encoder and a space for each kind of file in it. The environment overrides."""
    if media is None:
        raise SettingsError(
            "Name a folder or bucket of media, or a pipeline's YAML with --settings, or with --store a store that "
            "was built before."
        )
    uri = media if "://" in media else str(Path(media).expanduser().absolute())
    models = _EMBEDDED if offline else _HUB
    chosen = dict(models[kind] for kind in _kinds_in(uri))
    values = {
        "store": store if "://" in store else str(Path(store).absolute()),
        "sources": {"media": {"uri": uri, "labels": "folder"}},
        "encoders": {name: {"model": model} for name, model in chosen.items()},
        "compute": {"offline": offline},
    }
    return make_settings(overridden(values, folder=Path.cwd()), origin="embed-assets run")


def _kinds_in(uri: str) -> list[str]:
    """Kinds of media that a folder seems to hold, by its files' names; of text where none can be told.

    Only a choice of encoders: what a file really is, its bytes tell.
    """
    guessed = [mimetypes.guess_type(file.key)[0] or "text/plain" for file in list_source(uri)]
    found = {name.partition("/")[0] for name in guessed}
    documents = {"application/pdf", "application/json"} & set(guessed)
    kinds = [kind for kind in _HUB if kind in found or (kind == "text" and documents)]
    return kinds or ["text"]
