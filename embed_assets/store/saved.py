"""Settings that a store was built with, kept in it as pipeline.yaml: a store alone can be shown and searched."""

from pathlib import Path
from typing import Any

from embed_assets.errors import StoreError
from embed_assets.media.shown import shown
from embed_assets.settings import PipelineSettings, make_settings, overridden
from embed_assets.store.connection import Store

_FILE = "pipeline.yaml"


def save_settings(store: Store, settings: PipelineSettings) -> None:
    """Keep the settings, without options that may hold credentials and those in addresses; writes what changed."""
    import yaml

    text = "# Written by the latest run.\n" + yaml.safe_dump(_plain(settings), sort_keys=False)
    if _read(store) != text:
        fs, path = _place(store)
        fs.makedirs(path.rpartition("/")[0], exist_ok=True)
        fs.pipe_file(path, text.encode())


def saved_settings(store: Store) -> PipelineSettings | None:
    """The settings of the latest run, EMBED_ASSETS_* laid over them, or None. Does not open LanceDB."""
    import yaml

    text = _read(store)
    if text is None:
        return None
    values = overridden(yaml.safe_load(text), folder=Path.cwd())
    values |= {"store": store.uri, "storage_options": store.storage_options}
    return make_settings(values, origin=f"{store.uri}/{_FILE}")


def _read(store: Store) -> str | None:
    fs, path = _place(store)
    try:
        return fs.cat_file(path).decode()
    except FileNotFoundError:
        return None
    except Exception as error:  # botocore's own, of an endpoint that does not answer, are no OSErrors
        raise StoreError(f"Store {store.uri!r} can't be read: {error}. Check its address and credentials.") from error


def _place(store: Store) -> tuple[Any, str]:
    import fsspec.core

    return fsspec.core.url_to_fs(f"{store.uri.rstrip('/')}/{_FILE}", **store.storage_options)


def _plain(settings: PipelineSettings) -> dict[str, Any]:
    document = settings.model_dump(mode="json", exclude={"storage_options"})
    for source in document["sources"].values():
        source.pop("storage_options")
        for name in ("uri", "sidecar"):
            source[name] = shown(source[name]) if source[name] else source[name]
        source["table"]["allow"] = [shown(each) for each in source["table"]["allow"]]
    document["store"] = shown(document["store"])
    return document
