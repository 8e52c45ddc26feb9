"""Which settings a command means: those of a file, of a folder of media, or those that the store was built with."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from embed_assets import progress
from embed_assets.cli.shared.progress_bars import Progress
from embed_assets.errors import SettingsError
from embed_assets.load_settings import load_settings, make_settings, overridden
from embed_assets.pipeline.steps import Steps
from embed_assets.settings import PipelineSettings
from embed_assets.store.saved_settings import saved_settings
from embed_assets.store.store import Store

# What a folder gets without settings, by the kinds of files in it: the hub's models, or with --offline
# those that are embedded.
_HUB = {"text": ("minilm", "minilm"), "image": ("clip", "clip-vit-b32"), "audio": ("clap", "clap")}
_HUB |= {"video": ("clip_frames", "clip-frames")}
_EMBEDDED = {"text": ("minilm", "embedded:minilm"), "image": ("clip", "embedded:clip"), "audio": ("mel", "mel")}
_EMBEDDED |= {"video": ("clip_frames", "embedded:clip-frames")}

_MEDIA = "media"  # name of the source that is a folder without settings


def chosen_settings(
    media: str | None,
    settings_file: str | None,
    store: str,
    *,
    offline: bool = False,
    accept_deletions: bool = False,
    quiet: bool = False,
) -> PipelineSettings:
    """Load settings of a file, of a folder of media, or those that the store was built with.

    Refreshes a folder's manifest, which says what its files are. Raises SettingsError where an
    option would be ignored, or the store is of other sources, and what a refresh raises.
    """
    for_once = {"accept_deletions": True} if accept_deletions else {}
    if settings_file:
        _refuse_beside_settings(media, offline=offline)
        return load_settings(settings_file).model_copy(update=for_once)
    saved = saved_settings(Store(store))
    if saved is None or (media is not None and list(saved.sources) == [_MEDIA]):
        kept = () if saved is None else tuple(saved.encoders)
        return folder_settings(media, store, offline=offline, kept=kept, quiet=quiet, **for_once)
    if media is not None:
        raise SettingsError(
            f"Store {store!r} was built from other sources ({', '.join(saved.sources)}): a run of {media!r} would drop "
            "them. Name its settings with --settings, or another --store."
        )
    if offline and not saved.compute.offline:
        raise SettingsError(f"--offline chooses the models of MEDIA; store {store!r} has its own. Leave one out.")
    return saved.model_copy(update=for_once)


def _refuse_beside_settings(media: str | None, *, offline: bool) -> None:
    given = click.get_current_context().get_parameter_source("store")
    ignored = {
        "MEDIA": (media is not None, "sources"),
        "--offline": (offline, "compute.offline"),
        "--store": (given is ParameterSource.COMMANDLINE, "store"),
    }
    for name, (is_given, key) in ignored.items():
        if is_given:
            raise SettingsError(f"{name} and --settings: the settings say it with {key}. Leave {name} out.")


def folder_settings(
    media: str | None,
    store: str,
    *,
    offline: bool,
    kept: Collection[str] = (),
    quiet: bool = False,
    accept_deletions: bool = False,
) -> PipelineSettings:
    """Make settings for one folder: an encoder and a space for each kind of item in it, EMBED_ASSETS_* over them.

    Encoders of the latest run are `kept` without an item of their kind: what they serve is of items that are gone.
    """
    if media is None:
        raise SettingsError(
            "Name a folder or bucket of media, or a pipeline's YAML with --settings, or with --store a store that "
            "was built before."
        )
    values = {
        "store": store if "://" in store else str(Path(store).absolute()),
        "sources": {_MEDIA: {"uri": media if "://" in media else _absolute(media), "labels": "folder"}},
        "compute": {"offline": offline},
        "accept_deletions": accept_deletions,
    }
    models = _EMBEDDED if offline else _HUB
    found = _kinds_in(_settings(values, [models["text"]]), quiet=quiet)
    kinds = [kind for kind in _HUB if kind in found or models[kind][0] in kept]
    return _settings(values, [models[kind] for kind in kinds or ["text"]])


def _absolute(media: str) -> str:
    return str(Path(media).expanduser().absolute())


def _settings(values: Mapping[str, Any], models: Sequence[tuple[str, str]]) -> PipelineSettings:
    whole = {**values, "encoders": {name: {"model": model} for name, model in models}}
    return make_settings(overridden(whole, folder=Path.cwd()), origin="embed-assets run")


def _kinds_in(settings: PipelineSettings, *, quiet: bool) -> set[str]:
    """Return the modalities of the source's items, by their bytes."""
    steps = Steps(settings)
    with Progress(quiet=quiet) as shown, progress.listening(shown.step), steps.scratch_manifest():
        steps.refresh(_MEDIA)
        rows = steps.manifest.table([_MEDIA], columns=["status", "modality"]).to_pylist()
    return {row["modality"] for row in rows if row["status"] != "deleted"}
