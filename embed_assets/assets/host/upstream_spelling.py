"""A misspelt `asset` of a source: found as the location is loaded, since a component does not see others' assets."""

import difflib
from collections.abc import Set as AbstractSet
from typing import Any

import dagster as dg
from dagster._check import CheckError

from embed_assets.assets.host.step_hooks import StepContext
from embed_assets.assets.names import Names
from embed_assets.errors import SettingsError

_NEAR = 0.85  # of equal letters: `articels` is near `articles`, `orders` is not near `order_lines`


class UpstreamChecked(dg.AssetSelection):
    """A selection of a job, which Dagster resolves over all assets of the location as it loads.

    Raises SettingsError where a source names an asset that the location lacks while it has one of nearly that name.
    Any other asset may be defined in another location.
    """

    def __init__(self, names: Names, selection: dg.AssetSelection) -> None:
        self._names, self._selection = names, selection

    def resolve_inner(self, asset_graph: Any, allow_missing: bool) -> AbstractSet[dg.AssetKey]:
        """Resolve the selection, after a look at the sources' assets."""
        for source in self._names.settings.sources:
            refuse_misspelt(self._names, source, asset_graph)
        return self._selection.resolve(asset_graph, allow_missing=allow_missing)

    def to_selection_str(self) -> str:
        """Return the selection as text."""
        return self._selection.to_selection_str()


def refuse_misspelt(names: Names, source: str, asset_graph: Any) -> None:
    """Raise SettingsError where the source's asset is not in the graph, and one of nearly its name is."""
    asset = names.settings.sources[source].asset
    if not asset or _is_defined(asset_graph, dg.AssetKey.from_user_string(asset)):
        return
    others = (
        key for key in asset_graph.get_all_asset_keys() if key not in names.keys and _is_defined(asset_graph, key)
    )
    near = difflib.get_close_matches(asset, (key.to_user_string() for key in others), n=1, cutoff=_NEAR)
    if near:
        raise SettingsError(
            f"{names.written.get(source, f'sources.{source}.asset')}: no asset {asset!r} is defined here. Did you mean "
            f"{near[0]!r}? If another code location defines {asset!r}, declare it in this one: "
            f"dg.AssetSpec({asset.split('/')!r})."
        )


def refuse_misspelt_in_run(context: StepContext, names: Names, source: str) -> None:
    """Raise SettingsError as a run begins: a location without the pipeline's jobs was not looked at as it loaded."""
    try:
        repository = context.repository_def
    except CheckError:  # a job that was built in memory is of no location
        return
    refuse_misspelt(names, source, repository.asset_graph)


def _is_defined(asset_graph: Any, key: dg.AssetKey) -> bool:
    """Return whether the asset is defined: Dagster makes a stub for a key that nothing defines."""
    return asset_graph.has(key) and not asset_graph.get(key).assets_def.is_auto_created_stub
