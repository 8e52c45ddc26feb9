"""Items with neighbours, of vectors without a table."""

from typing import Any

import numpy as np
import pyarrow as pa

from embed_assets.quality.inspection.inspection_report import ItemName
from embed_assets.quality.inspection.item_neighbours import ItemNeighbours, nearest_others


def compared(vectors: np.ndarray, **columns: Any) -> ItemNeighbours:
    """Items m000, m001 …; `columns` replace what is made up."""
    count = len(vectors)
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    names = [f"m{number:03d}" for number in range(count)]
    made: dict[str, Any] = {
        "media_id": names,
        "source": ["notes"] * count,
        "key": [f"{name}.txt" for name in names],
        "uri": [f"/notes/{name}.txt" for name in names],
        "modality": ["text"] * count,
        "labels": pa.array([[]] * count, pa.list_(pa.string())),
        "media_hash": names,
        "modified": [None] * count,
    }
    cosines, places = nearest_others(unit)
    return ItemNeighbours(items=pa.table(made | columns), total=count, vectors=unit, places=places, cosines=cosines)


def clusters(*, topics: int, each: int, dim: int = 16, spread: float = 0.1, seed: int = 0) -> np.ndarray:
    """Vectors of topics one after another: float64 (topics * each, dim)."""
    random = np.random.default_rng(seed)
    return np.repeat(random.standard_normal((topics, dim)), each, axis=0) + spread * random.standard_normal(
        (topics * each, dim)
    )


def keys(members: tuple[ItemName, ...]) -> list[str]:
    return [member.media_id for member in members]
