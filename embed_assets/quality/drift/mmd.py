"""Maximum mean discrepancy: whether two samples of vectors come from one distribution, by a permutation test.

Gretton, Borgwardt, Rasch, Schölkopf and Smola, 2012, "A kernel two-sample test" (JMLR 13, 723-773): the unbiased
estimate with a Gaussian kernel as wide as the median distance. Permutations hold the level whatever the samples are.
"""

from dataclasses import dataclass

import numpy as np

PERMUTATIONS = 200


@dataclass(frozen=True, kw_only=True)
class MmdTest:
    """Estimate and its p; `width` is the kernel's, the median distance of the pooled sample."""

    mmd2: float  # unbiased: about 0, and below it as often as above, where nothing differs
    p: float
    width: float


def mmd_test(
    reference: np.ndarray, new: np.ndarray, *, permutations: int = PERMUTATIONS, width: float | None = None
) -> MmdTest:
    """Compare two samples, float (m, dim) and (n, dim). Seeded. Raises ValueError below two vectors a side."""
    if min(len(reference), len(new)) < 2:
        raise ValueError(f"{len(reference)} and {len(new)} vectors: each side needs two at least.")
    squares = _squared_distances(np.concatenate([reference, new]).astype(np.float64))
    if width is None:
        width = float(np.sqrt(np.median(squares[np.triu_indices(len(squares), k=1)])))
    if not width:  # more than half of all pairs are equal
        width = float(np.sqrt(squares.mean())) or 1.0
    kernel = np.exp(squares / (-2 * width**2))
    np.fill_diagonal(kernel, 0)  # unbiased: no vector is compared with itself
    sides = np.zeros((permutations + 1, len(kernel)))
    sides[0, : len(reference)] = 1
    random = np.random.default_rng(0)
    for row in sides[1:]:
        row[random.permutation(len(kernel))[: len(reference)]] = 1
    found = _estimates(kernel, sides)
    reached = int((found >= found[0] - 1e-12).sum())  # the samples as they are count as one
    return MmdTest(mmd2=float(found[0]), p=reached / (permutations + 1), width=width)


def _estimates(kernel: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """Return the estimate for each division into two sides: float64 (divisions,); 1 in `sides` is the first side."""
    sums = sides @ kernel
    first = (sums * sides).sum(axis=1)
    across = sums.sum(axis=1) - first
    second = kernel.sum() - first - 2 * across
    m = sides[0].sum()
    n = len(kernel) - m
    return first / (m * (m - 1)) + second / (n * (n - 1)) - 2 * across / (m * n)


def _squared_distances(vectors: np.ndarray) -> np.ndarray:
    vectors = vectors - vectors.mean(axis=0)  # less is lost to rounding
    lengths = np.einsum("ij,ij->i", vectors, vectors)
    return np.maximum(lengths[:, None] + lengths[None, :] - 2 * vectors @ vectors.T, 0)
