"""One vector of a query's parts: their weighted sum, each part at the same length where only direction counts."""

from collections.abc import Sequence

import numpy as np

from embed_assets.errors import SettingsError

_NOTHING = 1e-6  # of a vector's length: parts that cancel each other


def combine(vectors: np.ndarray, weights: Sequence[float], *, distance: str) -> np.ndarray:
    """Return the query's vector, float32 (dim,), of its parts' vectors, (parts, dim).

    Under cosine the sum of unit vectors by weight, as word vectors are added and taken away (Mikolov et al., 2013,
    arXiv:1301.3781; composed image queries of clip-retrieval). Else the sum over the sum of the positive weights: a
    query of two equal parts is where each of them is. A single part is its own vector. Raises SettingsError where
    nothing is left of them.
    """
    if len(vectors) == 1:
        return vectors[0].astype(np.float32)
    weighing = np.asarray(weights, dtype=np.float32)[:, None]
    if distance == "cosine":
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        total = (vectors / np.where(lengths > 0, lengths, 1) * weighing).sum(axis=0)
        length = float(np.linalg.norm(total))
        if length < _NOTHING:
            raise SettingsError("The parts of the query cancel each other: nothing is left to look for.")
        return (total / length).astype(np.float32)
    return ((vectors * weighing).sum(axis=0) / float(weighing[weighing > 0].sum())).astype(np.float32)
