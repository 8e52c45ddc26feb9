"""Kept projections: the plane of an encoder version's map, fitted once and kept as a file beside its vectors."""

import base64
import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from embed_assets.store.open_database import Database

FOLDER = "maps"  # of the store: a file a vector table, replaced as a whole
_NUMBERS = np.dtype("<f4")


@dataclass(frozen=True, kw_only=True)
class Projection:
    """How vectors get their place on a plane. Arrays are float32.

    By PCA a place is `scale` times the principal components. By UMAP it is the mean of the places of the nearest
    `anchors`, weighted by nearness: those are the components of the vectors that it was fitted on.
    """

    method: str  # pca, umap
    fitted: int  # items that it was fitted on
    mean: np.ndarray  # (dim,)
    axes: np.ndarray  # (dim, components)
    scale: np.ndarray  # (components,)
    anchors: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))  # (fitted, components)
    anchor_places: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), np.float32))  # (fitted, 2)


_ARRAYS = ("mean", "axes", "scale", "anchors", "anchor_places")


def projection_file(table: str) -> str:
    """Return the path of a table's file below the store."""
    return f"{FOLDER}/{table}.json"


def read_projection(database: Database, table: str) -> Projection | None:
    """Return the kept projection of a vector table; None where there is none, or it can't be read."""
    fs, path = _place(database, table)
    try:
        document = json.loads(fs.cat_file(path))
        arrays: dict[str, Any] = {name: _array(document.pop(name)) for name in _ARRAYS}
        return Projection(**document, **arrays)
    except (OSError, ValueError, TypeError, KeyError):  # it is another release's: the map is fitted again
        return None


def keep_projection(database: Database, table: str, projection: Projection) -> None:
    """Keep it, where the store can be written."""
    if not database.writable:
        return
    arrays = {name: _document(getattr(projection, name)) for name in _ARRAYS}
    plain = {"method": projection.method, "fitted": projection.fitted}
    database.write_file(projection_file(table), json.dumps(plain | arrays))


def forget_projection(database: Database, table: str) -> None:
    """Remove what is kept of a table."""
    fs, path = _place(database, table)
    if fs.exists(path):
        fs.rm_file(path)


def _place(database: Database, table: str) -> tuple[Any, str]:
    fs, folder = database.files()
    return fs, f"{folder.rstrip('/')}/{projection_file(table)}"


def _document(values: np.ndarray) -> dict[str, Any]:
    data = np.ascontiguousarray(values, _NUMBERS).tobytes()
    return {"shape": list(values.shape), "float32": base64.b64encode(data).decode()}


def _array(document: dict[str, Any]) -> np.ndarray:
    data = base64.b64decode(document["float32"])
    return np.frombuffer(data, _NUMBERS).reshape(document["shape"]).astype(np.float32)
