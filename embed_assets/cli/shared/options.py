"""Options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from embed_assets.cli.shared.dagster_home import HOME
from embed_assets.errors import StoreError
from embed_assets.settings import PipelineSettings
from embed_assets.store.saved_settings import saved_settings
from embed_assets.store.store import Store

if TYPE_CHECKING:
    from embed_assets.pipeline.steps import Steps

DEFAULT_STORE = f"{HOME}/store"
DEMO_STORE = f"{HOME}/demo/store"


def store_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--store`: a folder or a bucket prefix."""
    return click.option(
        "--store",
        default=DEFAULT_STORE,
        envvar="EMBED_ASSETS_STORE",
        show_default=True,
        help="Folder or bucket prefix of the LanceDB store.",
    )(function)


def json_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--json`: the same as the table, for machines."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")(function)


def accept_deletions_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--accept-deletions`: accept all deletions of this one run."""
    return click.option(
        "--accept-deletions",
        is_flag=True,
        help="For this run: items that are gone from a source are removed, however many (max_deleted_share).",
    )(function)


def budget_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--budget`: stop cleanly before more is spent."""
    return click.option(
        "--budget",
        help="Stop cleanly before more is spent: 90s, 10m, 2h; 1.5Mtokens (of texts), 2Gpixels (of everything else); "
        "2.50usd (by the encoder's price). What is left waits for the next run; exit code 4.",
    )(function)


def steps_of(store: str) -> "Steps":
    """Open the pipeline that built a store. Raises StoreError where none did."""
    from embed_assets.pipeline.steps import Steps  # what embeds and checks: search does without

    return Steps(saved_pipeline(store)[1])


def saved_pipeline(store: str) -> tuple[Store, PipelineSettings]:
    """Open a store, with the settings that it was built by. Raises StoreError where there is none."""
    opened = Store(store)
    settings = saved_settings(opened)
    if settings is None:
        raise StoreError(
            f"There is no store at {store!r} yet. Make one: embed-assets run MEDIA_FOLDER --store {store}"
            f"{_demo_store()}"
        )
    return opened, settings


def _demo_store() -> str:
    """Return a hint at the demo's store, where it exists."""
    there = Path(DEMO_STORE).is_dir()
    return f". The demo's is there: --store {DEMO_STORE}" if there else ""


def short_path(store: str) -> str:
    """Shorten a store's address to what a person would type: relative below the current folder."""
    if "://" in store or not Path(store).is_relative_to(Path.cwd()):
        return store
    return str(Path(store).relative_to(Path.cwd()))
