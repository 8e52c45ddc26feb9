"""Observations of sources: what a sensor's look at a listing has found, on the manifest, where no run was needed, too.

A folder or bucket is no asset of the graph: a node of its own would change lineage and selections of every host for
what the manifest can show.
"""

import hashlib
import time
from typing import Any

import dagster as dg
import pyarrow.compute

from embed_assets.assets.metadata_keys import DATA_VERSION
from embed_assets.assets.names import Names
from embed_assets.assets.ui.previews import counts
from embed_assets.manifest.inspect_files import ListedSource
from embed_assets.manifest.open_sources import limits_of, listed
from embed_assets.manifest.source_changes import find_changes
from embed_assets.pipeline.steps import Steps
from embed_assets.settings import PipelineSettings

pc: Any = pyarrow.compute  # its functions are made as it is imported: no checker sees them

_EVERY_SECONDS = 3600  # between observations of a source in which nothing changes


def listing_of(settings: PipelineSettings, source: str) -> ListedSource:
    """List a source; reads no bytes."""
    store = Steps(settings).store
    return listed(source, settings.sources[source], limits=limits_of(settings.limits), readers=1, store=store)


def listing_digest(listing: ListedSource) -> str:
    """Hash a listing: keys, sizes, times and etags."""
    digest = hashlib.sha256()
    for file in listing.files:
        digest.update(f"{file.key}\0{file.size}\0{file.mtime}\0{file.etag}\n".encode())
    return digest.hexdigest()


def observed_listing(
    names: Names, listing: ListedSource, instance: dg.DagsterInstance, *, changed: bool
) -> list[dg.AssetObservation]:
    """Build the observation of a listing that changed since the latest look; of one that did not, once an hour.

    It compares the listing with the manifest, and reads nothing but files that could not be read before. It has no
    data version: that of the manifest is its rows'.
    """
    manifest = names.asset_key(listing.name, "manifest")
    if not changed and _seconds_since_observed(manifest, instance) < _EVERY_SECONDS:
        return []
    changes = find_changes(listing, Steps(names.settings).store.manifest)
    gone = pc.sum(pc.is_null(changes.missing["table_key"])).as_py() or 0  # of a table that changed all rows are missing
    metadata = {
        **counts({"listed": len(listing.files), "to read": len(changes.to_read), "gone": gone}),
        "changed since materialized": changes.has_changes,
        "materialized data version": _data_version(manifest, instance),
    }
    description = f"Listed {names.settings.sources[listing.name].address}."
    return [dg.AssetObservation(manifest, description=description, metadata=metadata)]


def _seconds_since_observed(asset: dg.AssetKey, instance: dg.DagsterInstance) -> float:
    records = instance.fetch_observations(asset, limit=1).records
    return time.time() - records[0].timestamp if records else float("inf")


def _data_version(asset: dg.AssetKey, instance: dg.DagsterInstance) -> str:
    """Return the data version of an asset's latest materialization; "" before the first."""
    event = instance.get_latest_materialization_event(asset)
    tags = (event.asset_materialization.tags if event and event.asset_materialization else None) or {}
    return tags.get(DATA_VERSION, "")
