"""The classifier agrees with scikit-learn, is 0.5 without a difference, and finds what is new."""

import numpy as np
import pytest

from embed_assets.quality.drift import domain_classifier as module
from embed_assets.quality.drift.domain_classifier import auc, domain_classifier
from tests.quality.drift.synthetic import ADDED, EVEN, drawn


def test_the_area_under_the_curve_is_that_of_scikit_learn():
    from sklearn.metrics import roc_auc_score

    random = np.random.default_rng(0)
    lower, higher = random.integers(0, 5, 30), random.integers(1, 7, 20)  # with ties
    labels = np.repeat([0, 1], [30, 20])
    assert auc(lower, higher) == pytest.approx(roc_auc_score(labels, np.concatenate([lower, higher])))


def test_the_regression_is_that_of_scikit_learn():
    from sklearn.linear_model import LogisticRegression

    vectors = np.concatenate([drawn(EVEN, 150, seed=0), drawn(ADDED, 150, seed=1)])
    features, labels = module._features(vectors.astype(float)), np.arange(300) >= 150
    ours = module._weights(features, labels)
    theirs = LogisticRegression(C=1 / module._RIDGE, tol=1e-9, max_iter=1000).fit(features[:, :-1], labels)
    np.testing.assert_allclose(ours[:-1], theirs.coef_[0], atol=1e-5)


def test_samples_of_one_kind_are_not_distinguished():
    found = [domain_classifier(drawn(EVEN, 200, seed=i), drawn(EVEN, 200, seed=100 + i)).auc for i in range(10)]
    assert 0.47 < np.mean(found) < 0.53


def test_what_is_new_has_the_highest_scores():
    new = np.concatenate([drawn(EVEN, 100, seed=1), drawn([0.0] * 8 + [1.0], 100, seed=2)])
    found = domain_classifier(drawn(EVEN, 200, seed=0), new)
    assert found.auc > 0.65
    assert np.mean(np.argsort(-found.scores)[:50] >= 100) > 0.9


@pytest.mark.parametrize("count", [100, 400])
def test_long_vectors_are_projected(count: int):
    random = np.random.default_rng(0)
    shift = np.zeros(700)
    shift[0] = 3
    found = domain_classifier(random.standard_normal((count, 700)), random.standard_normal((count, 700)) + shift)
    assert found.auc > 0.75


def test_too_few_are_refused():
    with pytest.raises(ValueError, match="each side needs 5"):
        domain_classifier(np.ones((4, 3)), np.ones((9, 3)))
