"""Settings that a store was built with, kept in it as pipeline.yaml: a store alone can be shown and searched."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from embed_assets.errors import StoreError
from embed_assets.load_settings import make_settings, overridden
from embed_assets.media.files.redacted_uri import shown
from embed_assets.settings import PipelineSettings
from embed_assets.store.open_database import Database

_FILE = "pipeline.yaml"


def save_settings(database: Database, settings: PipelineSettings, *, refreshed: Collection[str] | None = None) -> None:
    """Keep the settings, without options that may hold credentials and those in addresses.

    Writes what changed, whole or not at all.

    Of a source that is not among `refreshed` (unset: all are) what was kept stays as it was: a run that is refused
    because another address would drop its items leaves the old one.
    """
    document, saved = _plain(settings), _document(database) or {}
    sources = saved.get("sources") or {}
    if refreshed is not None:
        document["sources"] |= {name: sources[name] for name in document["sources"] if name in sources} | {
            name: document["sources"][name] for name in refreshed
        }
    _write(database, document)


def sources_stand(database: Database, settings: PipelineSettings) -> bool:
    """Return whether every source is saved as in the settings: then none can be refused for its new listing."""
    saved = (_document(database) or {}).get("sources") or {}
    return all(saved.get(name, source) == source for name, source in _plain(settings)["sources"].items())


def is_saved(database: Database) -> bool:
    """Return whether a run has saved its settings in the store."""
    return _read(database) is not None


def saved_settings(database: Database) -> PipelineSettings | None:
    """Return the settings of the latest run, overridden by EMBED_ASSETS_*, or None. Does not open LanceDB.

    Raises StoreError where the file is damaged.
    """
    document = _document(database)
    if document is None:
        return None
    values = overridden(document, folder=Path.cwd())
    values |= {"store": database.uri, "storage_options": database.storage_options}
    return make_settings(values, origin=f"{database.uri}/{_FILE}")


def _document(database: Database) -> dict[str, Any] | None:
    import yaml

    text = _read(database)
    if text is None:
        return None
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise _damaged(database, " ".join(str(error).split())) from error
    if not isinstance(document, dict):
        raise _damaged(database, "it is empty" if not text.strip() else "it holds no settings")
    return document


def _damaged(database: Database, why: str) -> StoreError:
    return StoreError(
        f"{_FILE} of store {database.uri!r} is damaged: {why}. Delete that file, then name the pipeline once more: "
        "embed-assets run MEDIA_FOLDER --store STORE, or --settings FILE. No vectors are lost by that."
    )


def _write(database: Database, document: Mapping[str, Any]) -> None:
    import yaml

    text = "# Written by the latest run.\n" + yaml.safe_dump(dict(document), sort_keys=False)
    if _read(database) == text:
        return
    database.write_file(_FILE, text)


def _read(database: Database) -> str | None:
    fs, path = _place(database)
    try:
        return fs.cat_file(path).decode()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise _damaged(database, "it is no text") from error
    except Exception as error:  # botocore's own, of an endpoint that does not answer, are no OSErrors
        raise StoreError(
            f"Store {database.uri!r} can't be read: {error}. Check its address and credentials."
        ) from error


def _place(database: Database) -> tuple[Any, str]:
    import fsspec.core

    return fsspec.core.url_to_fs(f"{database.uri.rstrip('/')}/{_FILE}", **database.storage_options)


def _plain(settings: PipelineSettings) -> dict[str, Any]:
    document = settings.model_dump(mode="json", exclude={"storage_options"})
    for source in document["sources"].values():
        source.pop("storage_options")
        for name in ("uri", "sidecar"):
            source[name] = shown(source[name]) if source[name] else source[name]
        source["table"]["allow"] = [shown(each) for each in source["table"]["allow"]]
    for sink in document["sinks"].values():
        sink.pop("storage_options")
        sink["uri"] = shown(sink["uri"])
    document["store"] = shown(document["store"])
    return document
