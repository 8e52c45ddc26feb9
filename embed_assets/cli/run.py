"""embed-assets run: a folder of media becomes a checked, searchable index."""

import json
import mimetypes
import time
from pathlib import Path

import click

from embed_assets.cli.execute import run_pipeline, timed
from embed_assets.cli.options import json_option, short_path, store_option
from embed_assets.cli.show import print_status
from embed_assets.errors import SettingsError
from embed_assets.media.listing import list_source
from embed_assets.settings import PipelineSettings, load_settings, make_settings, overridden
from embed_assets.status import read_status
from embed_assets.steps import Steps

# What a folder gets without settings, by the kinds of files in it: the hub's models, or with --offline
# those that are embedded.
_HUB = {"text": ("minilm", "minilm"), "image": ("clip", "clip-vit-b32"), "audio": ("clap", "clap")}
_HUB |= {"video": ("clip_frames", "clip-frames")}
_EMBEDDED = {"text": ("minilm", "embedded:minilm"), "image": ("clip", "embedded:clip"), "audio": ("mel", "mel")}
_EMBEDDED |= {"video": ("clip_frames", "embedded:clip-frames")}


@click.command()
@click.argument("media", required=False)
@click.option("--settings", "settings_file", type=click.Path(), help="A pipeline's YAML, instead of MEDIA.")
@click.option("--offline", is_flag=True, help="Use the embedded encoders, ask no model hub.")
@store_option
@json_option
def command(media: str | None, settings_file: str | None, offline: bool, store: str, as_json: bool) -> None:
    """Embed the texts, pictures, sounds and videos of the folder or bucket MEDIA, check the index, serve it.

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
    """Settings of one folder: an encoder and a space for each kind of file in it. The environment overrides."""
    if media is None:
        raise SettingsError("Name a folder or bucket of media, or a pipeline's YAML with --settings.")
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
