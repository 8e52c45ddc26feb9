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
    weights = _axes(centred.astype(np.float64))
    if weights.shape[1] < 2:
        weights = np.pad(weights, ((0, 0), (0, 2 - weights.shape[1])))
    signs = np.sign(weights[np.abs(weights).argmax(axis=0), range(2)])
    return ((values - mean) @ (weights * np.where(signs == 0, 1, signs))).astype(np.float32)


def _axes(centred: np.ndarray) -> np.ndarray:
    """Return the two principal axes of centred rows, (dim, 2 at most), of the smaller of their two products."""
    rows, dim = centred.shape
    if rows >= dim:
        return np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, :2]
    values, vectors = np.linalg.eigh(centred @ centred.T)
    axes = centred.T @ vectors[:, ::-1][:, :2]
    lengths = np.linalg.norm(axes, axis=0)
    return np.where(lengths > 1e-9 * np.sqrt(max(values[-1], 1e-300)), axes / np.maximum(lengths, 1e-300), 0.0)
