"""`translation:` of a component's YAML: attributes laid over the spec of each asset, in Dagster's own form."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster.components.utils.translation import TranslatorResolvingInfo

from embed_assets.assets.translator import EmbeddingAssetData


class Translation:
    """The attributes as they are written; their templates are rendered for each asset.

    A template sees `kind`, `name` (of the source, encoder or space) and `spec`.
    """

    def __init__(self, attributes: Mapping[str, Any], context: dg.ResolutionContext) -> None:
        self._resolving = TranslatorResolvingInfo(
            asset_attributes=dg.AssetAttributesModel.model_validate(attributes),
            resolution_context=context,
            model_key="translation",
        )

    def get_asset_spec(self, data: EmbeddingAssetData) -> dg.AssetSpec:
        """Return the spec with the attributes laid over it; tags and metadata are added."""
        return self._resolving.get_asset_spec(data.spec, {"kind": data.kind, "name": data.name, "spec": data.spec})
