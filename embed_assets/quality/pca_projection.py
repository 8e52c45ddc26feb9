"""Projection: vectors on a plane by PCA, deterministic, fit on a sample."""

import numpy as np


def pca_plane(vectors: np.ndarray, *, sample: int = 5000) -> np.ndarray:
    """Return coordinates on the first two principal components: float32, (len(vectors), 2).

    The axes are fit on an even sample; each is turned so that its largest weight is positive, so that
    equal input gives an equal picture.
    """
    values = np.asarray(vectors, dtype=np.float32)
    if len(values) < 3:
        return np.zeros((len(values), 2), dtype=np.float32)
    chosen = values[:: max(1, len(values) // sample)]
    mean = chosen.mean(axis=0)
    centred = chosen - mean
    weights = principal_axes(centred.astype(np.float64), 2)
    if weights.shape[1] < 2:
        weights = np.pad(weights, ((0, 0), (0, 2 - weights.shape[1])))
    return ((values - mean) @ weights).astype(np.float32)


def principal_axes(centred: np.ndarray, count: int) -> np.ndarray:
    """Return the first principal axes of centred rows, float (n, dim): (dim, count) or fewer, of unit length.

    Of the smaller of the two products; each is turned so that its largest weight is positive. Without variance an axis
    is zero.
    """
    rows, dim = centred.shape
    if rows >= dim:
        axes = np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, :count]
    else:
        values, vectors = np.linalg.eigh(centred @ centred.T)
        axes = centred.T @ vectors[:, ::-1][:, :count]
        lengths = np.linalg.norm(axes, axis=0)
        least = 1e-9 * np.sqrt(max(values[-1], 1e-300))
        axes = np.where(lengths > least, axes / np.maximum(lengths, 1e-300), 0.0)
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), range(axes.shape[1])])
    return axes * np.where(signs == 0, 1, signs)
