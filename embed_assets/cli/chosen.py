"""Which settings a command means: those of a file, of a folder of media, or those that the store was built with."""

import mimetypes
from pathlib import Path

import click
from click.core import ParameterSource

from embed_assets.errors import SettingsError
from embed_assets.media.listing import list_readable
from embed_assets.settings import PipelineSettings, load_settings, make_settings, overridden
from embed_assets.store.connection import Store
from embed_assets.store.saved import saved_settings

# What a folder gets without settings, by the kinds of files in it: the hub's models, or with --offline
# those that are embedded.
_HUB = {"text": ("minilm", "minilm"), "image": ("clip", "clip-vit-b32"), "audio": ("clap", "clap")}
_HUB |= {"video": ("clip_frames", "clip-frames")}
_EMBEDDED = {"text": ("minilm", "embedded:minilm"), "image": ("clip", "embedded:clip"), "audio": ("mel", "mel")}
_EMBEDDED |= {"video": ("clip_frames", "embedded:clip-frames")}

_MEDIA = "media"  # name of the source that is a folder without settings


def chosen_settings(
    media: str | None, settings_file: str | None, store: str, *, offline: bool = False, accept_deletions: bool = False
) -> PipelineSettings:
    """Settings of a file, of a folder of media, or those that the store was built with.

    Raises SettingsError where an option would be ignored, or the store is of other sources.
    """
    chosen = _chosen(media, settings_file, store, offline=offline)
    return chosen.model_copy(update={"accept_deletions": True}) if accept_deletions else chosen


def _chosen(media: str | None, settings_file: str | None, store: str, *, offline: bool) -> PipelineSettings:
    if settings_file:
        _refuse_beside_settings(media, offline=offline)
        return load_settings(settings_file)
    saved = saved_settings(Store(store))
    if saved is None or (media is not None and list(saved.sources) == [_MEDIA]):
        return folder_settings(media, store, offline=offline)
    if media is not None:
        raise SettingsError(
            f"Store {store!r} was built from other sources ({', '.join(saved.sources)}): a run of {media!r} would drop "
            "them. Name its settings with --settings, or another --store."
        )
    if offline and not saved.compute.offline:
        raise SettingsError(f"--offline chooses the models of MEDIA; store {store!r} has its own. Leave one out.")
    return saved


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
        "sources": {_MEDIA: {"uri": uri, "labels": "folder"}},
        "encoders": {name: {"model": model} for name, model in chosen.items()},
        "compute": {"offline": offline},
    }
    return make_settings(overridden(values, folder=Path.cwd()), origin="embed-assets run")


def _kinds_in(uri: str) -> list[str]:
    """Kinds of media that a folder seems to hold, by its files' names; of text where none can be told.

    Only a choice of encoders: what a file really is, its bytes tell.
    """
    guessed = [mimetypes.guess_type(file.key)[0] or "text/plain" for file in list_readable(uri).files]
    found = {name.partition("/")[0] for name in guessed}
    documents = {"application/pdf", "application/json"} & set(guessed)
    kinds = [kind for kind in _HUB if kind in found or (kind == "text" and documents)]
    return kinds or ["text"]
