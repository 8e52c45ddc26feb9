"""Domain classifier: how well new vectors are distinguished from the reference, as the AUC of a logistic regression.

The size of a drift, which no p shows: of enough vectors every difference is significant. Lopez-Paz and Oquab, 2017,
"Revisiting classifier two-sample tests" (arXiv:1610.06545).
"""

from dataclasses import dataclass

import numpy as np

_FOLDS = 5
_STEPS = 25  # of the regression, which is so regular that the last ones move nothing
_RIDGE = 1000.0  # on the squared weights, of features of variance 1: the figures of 500 vectors a side are steady
_MOST_DIMS = 512  # longer vectors are projected on so many principal components


@dataclass(frozen=True, kw_only=True)
class DomainClassifier:
    """AUC on vectors that were left out in training: 0.5 cannot distinguish the two, 1 always does.

    `scores` are those of the new vectors, float64 (n,): the higher, the less of the reference is like them.
    """

    auc: float
    scores: np.ndarray


def domain_classifier(reference: np.ndarray, new: np.ndarray) -> DomainClassifier:
    """Train on four fifths, score the rest, five times; vectors are float (m, dim) and (n, dim). Seeded.

    Raises ValueError below five vectors a side.
    """
    if min(len(reference), len(new)) < _FOLDS:
        raise ValueError(f"{len(reference)} and {len(new)} vectors: each side needs {_FOLDS} at least.")
    features = _features(np.concatenate([reference, new]).astype(np.float64))
    is_new = np.arange(len(features)) >= len(reference)
    folds = np.concatenate([_folds(len(reference), seed=0), _folds(len(new), seed=1)])
    scores, found = np.empty(len(features)), []
    for fold in range(_FOLDS):
        left_out = folds == fold
        weights = _weights(features[~left_out], is_new[~left_out])
        scores[left_out] = features[left_out] @ weights
        found.append(auc(scores[left_out & ~is_new], scores[left_out & is_new]))
    return DomainClassifier(auc=float(np.mean(found)), scores=scores[is_new])


def auc(lower: np.ndarray, higher: np.ndarray) -> float:
    """Return the share of pairs in which the second's score is the higher one; ties count a half."""
    values = np.sort(lower)
    below, equal_or_below = (np.searchsorted(values, higher, side=side) for side in ("left", "right"))
    return float((below + equal_or_below).sum() / (2 * len(lower) * len(higher)))


def _folds(count: int, *, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).permutation(count) % _FOLDS


def _features(vectors: np.ndarray) -> np.ndarray:
    """Return centred vectors, of variance 1 on average, and a constant."""
    vectors = vectors - vectors.mean(axis=0)
    if vectors.shape[1] > _MOST_DIMS:
        vectors = _principal(vectors, _MOST_DIMS)
    return np.column_stack([vectors / (vectors.std() or 1.0), np.ones(len(vectors))])


def _principal(vectors: np.ndarray, count: int) -> np.ndarray:
    """Return the first principal components, (n, count) or (n, n) of fewer vectors."""
    if len(vectors) < vectors.shape[1]:
        values, axes = np.linalg.eigh(vectors @ vectors.T)
        return (axes * np.sqrt(np.maximum(values, 0)))[:, -count:]
    return vectors @ np.linalg.eigh(vectors.T @ vectors)[1][:, -count:]


def _weights(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Fit a logistic regression; both labels weigh the same.

    By steps of Newton's method with the curvature's upper bound, which is inverted once (Böhning and Lindsay, 1988,
    doi:10.1007/BF00049423).
    """
    weights = np.zeros(features.shape[1])
    share = np.where(labels, 0.5 / labels.mean(), 0.5 / (1 - labels.mean()))
    ridge = np.full(len(weights), _RIDGE)
    ridge[-1] = 1e-6  # the constant is free
    bound = (features * (share / 4)[:, None]).T @ features + np.diag(ridge)
    inverse = np.linalg.inv(bound)
    for _ in range(_STEPS):
        likely = 1 / (1 + np.exp(-np.clip(features @ weights, -30, 30)))
        weights = weights - inverse @ (features.T @ (share * (likely - labels)) + ridge * weights)
    return weights
