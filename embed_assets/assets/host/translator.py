"""Translator: how an asset of the pipeline looks in a host's project: key, group, tags, kinds, owners and the rest.

The form is that of Dagster's own integrations: a subclass overrides `get_asset_spec`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import dagster as dg

from embed_assets.settings import PipelineSettings

AssetKind = Literal[
    "manifest", "encoder", "vectors", "index", "serving", "dashboard",
    "leaderboard", "drift", "query_drift", "balance", "evaluation", "noise", "map", "matches",
    "export",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class EmbeddingAssetData:
    """What an asset is of, and its spec as the pipeline has it."""

    kind: AssetKind
    name: str  # of the source, encoder, saved query or sink, or of the space that it serves or reports; else "pipeline"
    settings: PipelineSettings
    spec: dg.AssetSpec


class EmbeddingTranslator:
    """Maps a source, an encoder or a space to the spec of its asset.

    Override `get_asset_spec`, call it on the superclass and change what it returns by `replace_attributes` or
    `merge_attributes`. The key has to depend on kind and name alone: it is looked up before the rest is known.
    """

    def get_asset_spec(self, data: EmbeddingAssetData) -> dg.AssetSpec:
        """Return the spec of an asset."""
        return data.spec


def translated(
    translator: EmbeddingTranslator,
    settings: PipelineSettings,
    definition: dg.AssetsDefinition,
    *,
    kind: AssetKind,
    name: str,
    metadata: Mapping[str, Any],
) -> dg.AssetsDefinition:
    """Lay the translator's spec over an asset, whose key is the translator's already; it sees `metadata`, too."""

    def translate(own: dg.AssetSpec) -> dg.AssetSpec:
        spec = own.merge_attributes(tags={"embed_assets/kind": kind, "embed_assets/of": name}, metadata=metadata)
        return translator.get_asset_spec(EmbeddingAssetData(kind=kind, name=name, settings=settings, spec=spec))

    def with_own_key(spec: dg.AssetSpec) -> dg.AssetSpec:  # a key that the translator derives from the spec's is it
        return translate(spec).replace_attributes(key=spec.key)

    return definition.map_asset_specs(with_own_key)
