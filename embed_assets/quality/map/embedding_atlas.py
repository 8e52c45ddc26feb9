"""Embedding Atlas: a map as a Parquet table for Apple's tool, with our places, neighbours and thumbnails.

Its columns are those that `embedding-atlas` 0.26 names in its options: https://apple.github.io/embedding-atlas/tool.html
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from embed_assets.quality.map.item_map import ItemMap

_NEIGHBORS = pa.struct([("ids", pa.list_(pa.int64())), ("distances", pa.list_(pa.float32()))])
_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])  # as the datasets library stores pictures


def atlas_table(
    item_map: ItemMap,
    texts: Sequence[str],
    *,
    neighbours: np.ndarray,
    cosines: np.ndarray,
    thumbnails: Mapping[str, bytes],
) -> pa.Table:
    """Return a row an item: image where there are pictures, text, label, source, key, x, y, uri, neighbors.

    The tool shows the columns in this order. `neighbours` are rows of the table, int64 (n, k), -1 where there are
    fewer, with their `cosines`; `thumbnails` are JPEGs by media id.
    """
    names = item_map.names
    columns: dict[str, pa.Array] = {}
    if thumbnails:
        pictures = [(thumbnails.get(name.media_id), name.key) for name in names]
        images = [None if data is None else {"bytes": data, "path": key} for data, key in pictures]
        columns["image"] = pa.array(images, _IMAGE)
    columns |= {
        "text": pa.array([text or name.key for text, name in zip(texts, names, strict=True)], pa.string()),
        "label": pa.array([", ".join(name.labels) for name in names], pa.string()),
        "source": pa.array([name.source for name in names], pa.string()),
        "key": pa.array([name.key for name in names], pa.string()),
        "x": pa.array(item_map.places[:, 0], pa.float32()),
        "y": pa.array(item_map.places[:, 1], pa.float32()),
        "uri": pa.array([name.uri for name in names], pa.string()),
        "neighbors": pa.array(list(map(_neighbors, neighbours, cosines)), _NEIGHBORS),
    }
    return pa.table(columns)


def atlas_command(file: str, *, pictures: bool) -> str:
    """Return the command that opens the table, in an environment of its own."""
    columns = "--x x --y y --text text --neighbors neighbors" + (" --image image" if pictures else "")
    return f"uvx embedding-atlas==0.26.0 {file} {columns} --disable-projection"


def _neighbors(places: np.ndarray, cosines: np.ndarray) -> dict[str, Any]:
    there = places >= 0
    return {"ids": places[there].tolist(), "distances": np.maximum(0, 1 - cosines[there]).tolist()}
