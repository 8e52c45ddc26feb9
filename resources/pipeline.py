"""Which pipeline this deployment runs: yours if an environment variable names it, else the demo."""

import os

from embed_assets.demo.run import demo_settings
from embed_assets.load_settings import load_settings
from embed_assets.settings import PipelineSettings
from embed_assets.store.saved_settings import saved_settings
from embed_assets.store.store import Store


def pipeline_settings() -> PipelineSettings:
    """EMBED_ASSETS_SETTINGS names a YAML file; EMBED_ASSETS_STORE a store, whose latest run's settings count."""
    if path := os.environ.get("EMBED_ASSETS_SETTINGS"):
        return load_settings(path)
    if store := os.environ.get("EMBED_ASSETS_STORE"):
        saved = saved_settings(Store(store))
        if saved is not None:
            return saved
    return demo_settings()
