"""embed-assets run: a folder of media becomes a checked, searchable index."""

import json
import time
from pathlib import Path

import click

from embed_assets.cli.execute import run_pipeline, timed
from embed_assets.cli.options import json_option, short_path, store_option
from embed_assets.cli.show import print_status
from embed_assets.errors import SettingsError
from embed_assets.settings import PipelineSettings, load_settings, make_settings, overridden
from embed_assets.status import read_status
from embed_assets.steps import Steps

# What a folder gets without settings: the hub's models, or with --offline the embedded ones.
_HUB = {"minilm": "minilm", "clip": "clip-vit-b32"}
_EMBEDDED = {"minilm": "embedded:minilm", "clip": "embedded:clip"}


@click.command()
@click.argument("media", required=False)
@click.option("--settings", "settings_file", type=click.Path(), help="A pipeline's YAML, instead of MEDIA.")
@click.option("--offline", is_flag=True, help="Use the embedded encoders, ask no model hub.")
@store_option
@json_option
def command(media: str | None, settings_file: str | None, offline: bool, store: str, as_json: bool) -> None:
    """Embed the texts and pictures of the folder or bucket MEDIA, check the index, and serve it.

    Run again, it does only what changed.
    """
    started = time.monotonic()
    settings = load_settings(settings_file) if settings_file else folder_settings(media, store, offline=offline)
    changed = run_pipeline(settings, quiet=as_json)
    status = read_status(Steps(settings))
    if as_json:
        click.echo(json.dumps(status.document() | {"changed": changed}, indent=2))
    elif not changed:
        items = sum(encoder.vectors for encoder in status.encoders)
        click.echo(f"Everything is fresh: {items:,} vectors, nothing to encode ({timed(started)}).")
    else:
        print_status(status)
        click.echo(
            f'Done in {timed(started)}. Next: embed-assets search "a query" --store {short_path(settings.store)}'
        )


def folder_settings(media: str | None, store: str, *, offline: bool) -> PipelineSettings:
    """Settings of one folder: its texts and its pictures, each in a space. Environment variables override."""
    if media is None:
        raise SettingsError("Name a folder or bucket of media, or a pipeline's YAML with --settings.")
    remote = "://" in media
    uri = media if remote else str(Path(media).expanduser().absolute())
    models = _EMBEDDED if offline else _HUB
    values = {
        "store": store if "://" in store else str(Path(store).absolute()),
        "sources": {"media": {"uri": uri, "labels": "folder"}},
        "encoders": {name: {"model": model} for name, model in models.items()},
        "compute": {"offline": offline},
    }
    return make_settings(overridden(values, folder=Path.cwd()), origin="embed-assets run")
