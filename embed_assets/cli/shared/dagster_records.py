"""What commands tell the store's Dagster instance, where it has one: moved pointers, and partitions that went."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from embed_assets.cli.shared.dagster_home import dagster_instance, home_of
from embed_assets.pipeline.steps import Steps
from embed_assets.settings import PipelineSettings
from embed_assets.store.serving.serving_pointer import Pointer
from embed_assets.store.versions import VersionId

if TYPE_CHECKING:
    import dagster as dg


def tell_moved(steps: Steps, pointers: Iterable[Pointer]) -> None:
    """Log moves of pointers on their serving assets."""
    pointers = list(pointers)

    def tell(instance: "dg.DagsterInstance") -> None:
        from embed_assets.assets.names import Names
        from embed_assets.assets.serving import serving_event

        for pointer in pointers:
            instance.report_runless_asset_event(serving_event(Names(steps.settings, {}), steps, pointer))

    if pointers:
        _with_instance(steps.settings, tell)


def forget_partition(settings: PipelineSettings, version: VersionId) -> None:
    """Remove a retired version's partition key."""

    def forget(instance: "dg.DagsterInstance") -> None:
        from embed_assets.assets.names import Names, forget_version

        forget_version(instance, Names(settings, {}), version)

    _with_instance(settings, forget)


def _with_instance(settings: PipelineSettings, act: "Callable[[dg.DagsterInstance], None]") -> None:
    home = Path(os.environ.get("DAGSTER_HOME") or home_of(settings.store))
    if not (home / "dagster.yaml").exists():  # nobody runs this store in Dagster from here
        return
    os.environ["DAGSTER_HOME"] = str(home)
    with dagster_instance(home) as instance:
        act(instance)
