"""Column lineage of vector tables: which columns of the sources' manifests each column is made from."""

from collections.abc import Sequence

import dagster as dg
import pyarrow as pa

from embed_assets.store.manifest import SCHEMA

# Columns of the vector table by other names than those that they are made from.
_MADE_FROM = {
    "segment_id": ("media_id",),
    "media_hash": ("content_hash",),
    "content_hash": ("content_hash", "caption"),
    "text": ("content_hash", "caption"),
    "vector": ("content_hash", "caption"),
}


def column_lineage(schema: pa.Schema, manifests: Sequence[dg.AssetKey]) -> dg.TableColumnLineage:
    """Return the lineage of the columns of a vector table; those of the encoder alone have none."""
    return dg.TableColumnLineage(
        {
            name: [
                dg.TableColumnDep(asset_key=manifest, column_name=column)
                for manifest in manifests
                for column in _columns(name)
            ]
            for name in schema.names
            if _columns(name)
        }
    )


def _columns(name: str) -> list[str]:
    return [column for column in _MADE_FROM.get(name, (name,)) if column in SCHEMA.names]
