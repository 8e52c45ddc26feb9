"""Column lineage of vector tables: which columns of the sources' manifests each column is made from."""

from collections.abc import Sequence

import dagster as dg
import pyarrow as pa

from embed_assets.store.manifest import SCHEMA
from embed_assets.store.user_columns import user_columns

# Columns of the vector table by other names than those that they are made from.
_MADE_FROM = {
    "segment_id": ("media_id",),
    "media_hash": ("content_hash",),
    "content_hash": ("content_hash", "caption"),
    "text": ("content_hash", "caption"),
    "vector": ("content_hash", "caption"),
    "modified": ("mtime",),
}


def column_lineage(schema: pa.Schema, manifests: Sequence[dg.AssetKey]) -> dg.TableColumnLineage:
    """Return the lineage of the columns of a vector table; those of the encoder alone have none."""
    made_from = _MADE_FROM | {field.name: ("extra",) for field in user_columns(schema).values()}
    columns = {name: [each for each in made_from.get(name, (name,)) if each in SCHEMA.names] for name in schema.names}
    return dg.TableColumnLineage(
        {
            name: [dg.TableColumnDep(asset_key=key, column_name=column) for key in manifests for column in found]
            for name, found in columns.items()
            if found
        }
    )
