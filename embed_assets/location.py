"""A code location for Dagster: the pipeline that built the store EMBED_ASSETS_STORE, as it was last run."""

import os

import dagster as dg

from embed_assets.assets.pipeline import build_definitions
from embed_assets.assets.runs.executor import executor_of
from embed_assets.errors import SettingsError
from embed_assets.store.saved_settings import saved_settings
from embed_assets.store.store import Store


def _definitions() -> dg.Definitions:
    store = os.environ.get("EMBED_ASSETS_STORE")
    if not store:
        raise SettingsError("EMBED_ASSETS_STORE names no store. Start the UI with: embed-assets ui --store STORE")
    settings = saved_settings(Store(store))
    if settings is None:
        raise SettingsError(f"Store {store!r} was not built yet: embed-assets run MEDIA_FOLDER --store {store}")
    executor = dg.Definitions(executor=executor_of(settings))
    return dg.Definitions.merge(build_definitions(settings), executor)


defs = _definitions()
