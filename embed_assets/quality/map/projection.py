"""Projection: a plane for vectors, fitted once; what is added later gets its place without moving the others.

By UMAP of the first principal components where umap-learn is installed (McInnes, Healy and Melville, 2018,
arXiv:1802.03426), else by the first two principal components, each of variance 1.
"""

import importlib
from importlib.util import find_spec
from typing import Any

import numpy as np

from embed_assets.quality.item_vectors import chosen
from embed_assets.quality.pca_projection import principal_axes
from embed_assets.store.serving.kept_projection import Projection

UMAP, PCA = "umap", "pca"
FITTED = 5000  # items: of more, UMAP takes minutes
_COMPONENTS = 50  # that UMAP is fitted on
_FEWEST = 50  # items that UMAP needs to show anything
_NEAREST = 8  # anchors that give a vector its place
_BLOCK = 4096


def best_method() -> str:
    """Return the method that this environment has: umap where umap-learn is installed."""
    return UMAP if find_spec("umap") is not None else PCA


def fit_projection(vectors: np.ndarray, *, method: str | None = None) -> Projection:
    """Fit a plane to vectors, float (n, dim), or to FITTED of them. Seeded: equal vectors have equal planes.

    `method` is umap or pca, by default the best that is installed; of a few vectors it is always pca.
    """
    sample = _sample(np.asarray(vectors, np.float32))
    mean = sample.mean(axis=0, dtype=np.float64) if len(sample) else np.zeros(sample.shape[1])
    centred = sample - mean
    if (method or best_method()) == UMAP and len(sample) >= _FEWEST:
        axes = principal_axes(centred, _COMPONENTS)
        anchors = (centred @ axes).astype(np.float32)
        places = _umap_places(anchors)
        found: dict[str, Any] = {"method": UMAP, "anchors": anchors, "anchor_places": places}
        scale = np.ones(axes.shape[1])
    else:
        axes = principal_axes(centred, 2) if len(sample) > 1 else np.zeros((sample.shape[1], 0))
        axes = np.pad(axes, ((0, 0), (0, 2 - axes.shape[1])))
        deviations = (centred @ axes).std(axis=0) if len(sample) else np.zeros(2)
        scale = np.where(deviations > 1e-9, 1 / np.maximum(deviations, 1e-9), 0.0)
        found = {"method": PCA}
    return Projection(
        fitted=len(sample),
        mean=mean.astype(np.float32),
        axes=axes.astype(np.float32),
        scale=scale.astype(np.float32),
        **found,
    )


def places_on(projection: Projection, vectors: np.ndarray) -> np.ndarray:
    """Return the places of vectors, float (n, dim), on the plane: float32, (n, 2). Each depends on its vector alone."""
    components = (np.asarray(vectors, np.float32) - projection.mean) @ projection.axes * projection.scale
    if projection.method == PCA:
        return components.astype(np.float32)
    places = [_between_anchors(projection, components[at : at + _BLOCK]) for at in range(0, len(components), _BLOCK)]
    return np.concatenate([np.zeros((0, 2), np.float32), *places])


def _sample(vectors: np.ndarray) -> np.ndarray:
    if len(vectors) <= FITTED:
        return vectors
    places = chosen([f"{place:012}" for place in range(len(vectors))], FITTED)
    return vectors[[int(place) for place in places]]


def _umap_places(components: np.ndarray) -> np.ndarray:
    """Return places of the components by UMAP, centred and of variance 1: float32, (n, 2)."""
    umap: Any = importlib.import_module("umap")
    places = umap.UMAP(n_components=2, random_state=1, n_jobs=1).fit_transform(components)
    places = np.asarray(places, np.float64) - np.mean(places, axis=0)
    return (places / np.maximum(places.std(axis=0), 1e-9)).astype(np.float32)


def _between_anchors(projection: Projection, components: np.ndarray) -> np.ndarray:
    """Return the weighted mean of the places of the nearest anchors; on an anchor it is the anchor's own."""
    anchors = projection.anchors
    squares = np.einsum("ij,ij->i", components, components)[:, None] - 2 * components @ anchors.T
    squares += np.einsum("ij,ij->i", anchors, anchors)
    count = min(_NEAREST, len(anchors))
    nearest = np.argpartition(squares, count - 1, axis=1)[:, :count]
    offsets = components[:, None, :] - anchors[nearest]  # again, exactly: the difference of squares is rounded
    exact = np.einsum("ijk,ijk->ij", offsets, offsets)
    weights = 1 / np.maximum(exact, 1e-12)
    weights /= weights.sum(axis=1, keepdims=True)
    return np.einsum("ij,ijk->ik", weights, projection.anchor_places[nearest]).astype(np.float32)
