"""MMD: the estimate is Gretton's, false alarms keep the level, and each kind of drift is found."""

import numpy as np
import pytest

from embed_assets.quality.drift.mmd import mmd_test
from tests.quality.drift.synthetic import ADDED, DOUBLED, EVEN, VANISHED, drawn


def test_the_estimate_is_the_sum_over_pairs():
    random = np.random.default_rng(0)
    one, other = random.standard_normal((5, 3)), random.standard_normal((7, 3)) + 0.5
    found = mmd_test(one, other, width=1.5)

    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.exp(-((a - b) ** 2).sum() / (2 * 1.5**2)))

    within = [
        sum(kernel(a, b) for i, a in enumerate(side) for j, b in enumerate(side) if i != j)
        / (len(side) * (len(side) - 1))
        for side in (one, other)
    ]
    across = sum(kernel(a, b) for a in one for b in other) / (len(one) * len(other))
    assert found.mmd2 == pytest.approx(sum(within) - 2 * across, abs=1e-12)


def test_the_kernel_is_as_wide_as_the_median_distance():
    vectors = np.array([[0.0], [1.0], [3.0], [7.0]])  # distances 1, 2, 3, 4, 6, 7
    assert mmd_test(vectors[:2], vectors[2:]).width == pytest.approx(np.sqrt((9 + 16) / 2))


def test_equal_vectors_are_no_difference():
    assert mmd_test(np.ones((10, 4)), np.ones((12, 4))).p == 1.0


def test_a_side_of_one_is_refused():
    with pytest.raises(ValueError, match="each side needs two"):
        mmd_test(np.ones((1, 4)), np.ones((5, 4)))


@pytest.mark.slow
def test_false_alarms_keep_the_level():
    alarms = [
        mmd_test(drawn(EVEN, 60, seed=2 * seed), drawn(EVEN, 60, seed=2 * seed + 1)).p <= 0.05 for seed in range(200)
    ]
    assert np.mean(alarms) <= 0.09


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shares", "power"), [(DOUBLED, 0.7), (VANISHED, 0.9), (ADDED, 0.95)], ids=["doubled", "vanished", "new"]
)
def test_a_drift_of_one_topic_in_eight_is_found(shares: list[float], power: float):
    found = [
        mmd_test(drawn(EVEN, 500, seed=2 * seed), drawn(shares, 500, seed=2 * seed + 1)).p <= 0.05 for seed in range(40)
    ]
    assert np.mean(found) >= power, np.mean(found)
