"""Topics of synthetic vectors: unit-length clusters, drawn by their shares."""

from collections.abc import Sequence

import numpy as np

DIM, TOPICS = 24, 8


def drawn(shares: Sequence[float], count: int, *, seed: int) -> np.ndarray:
    """Vectors of TOPICS + 1 fixed topics, float32 (count, DIM); the shares need not add up to 1."""
    centres = np.random.default_rng(99).standard_normal((TOPICS + 1, DIM))
    random, weights = np.random.default_rng(seed), np.asarray(shares, float)
    topics = random.choice(len(weights), size=count, p=weights / weights.sum())
    vectors = centres[topics] + 0.8 * random.standard_normal((count, DIM))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


EVEN = [1.0] * TOPICS + [0.0]
DOUBLED = [2.0] + [1.0] * (TOPICS - 1) + [0.0]
VANISHED = [0.0] + [1.0] * (TOPICS - 1) + [0.0]
ADDED = [1.0] * TOPICS + [3.0]
