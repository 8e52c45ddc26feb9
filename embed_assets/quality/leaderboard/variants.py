"""Variants of an encoder's vectors that are smaller: fewer dimensions, float16, int8, one bit.

Fewer dimensions are those of Matryoshka models (Kusupati et al., 2022, arXiv:2205.13147): the first ones, at unit
length again. int8 has one scale a dimension, of the sample's largest value; one bit is the sign, which a query in
float32 is compared with.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

_LEAST_DIM = 32


@dataclass(frozen=True, kw_only=True)
class Variant:
    """Vectors in a smaller form, as float32 again; `bytes` of one of them as stored."""

    name: str
    vectors: np.ndarray
    queries: np.ndarray
    bytes: int


def variants(vectors: np.ndarray, queries: np.ndarray) -> Iterator[Variant]:
    """Yield the forms of vectors (segments, dim) and queries (q, dim), the largest first."""
    dim = vectors.shape[1]
    for name, stored, size in (("float16", _half, 2 * dim), ("int8", _bytes, dim), ("1 bit", np.sign, -(-dim // 8))):
        yield Variant(name=name, vectors=_apply(stored, vectors), queries=queries, bytes=size)
    cut = dim // 2
    while cut >= _LEAST_DIM:
        shorter = (_unit(rows[:, :cut]) for rows in (vectors, queries))
        yield Variant(name=f"{cut} dims", vectors=next(shorter), queries=next(shorter), bytes=4 * cut)
        cut //= 2


def _apply(stored: Callable[[np.ndarray], np.ndarray], vectors: np.ndarray) -> np.ndarray:
    return stored(vectors).astype(np.float32)


def _half(vectors: np.ndarray) -> np.ndarray:
    return vectors.astype(np.float16)


def _bytes(vectors: np.ndarray) -> np.ndarray:
    scale = np.maximum(np.abs(vectors).max(axis=0, initial=0.0), 1e-12) / 127
    return np.round(vectors / scale) * scale


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
