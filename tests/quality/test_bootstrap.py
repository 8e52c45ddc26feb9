"""Bootstrap: intervals that hold what they promise, and a verdict that is wrong no more often than its level."""

import numpy as np
import pytest

from embed_assets.quality.metrics.bootstrap import (
    BETTER,
    NOT_APART,
    WORSE,
    Interval,
    holm,
    interval,
    paired_difference,
    shown_p,
)


def test_an_interval_repeats_and_is_that_of_a_normal_mean():
    values = np.random.default_rng(0).normal(0.5, 0.2, 400)
    found = interval(values)
    assert found == interval(values)
    half = 1.96 * values.std() / 20
    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.004)
    assert interval([]).mean == 0.0
    assert interval([0.25]).low == interval([0.25]).high == 0.25


def test_long_samples_are_drawn_in_parts_with_the_same_result(monkeypatch: pytest.MonkeyPatch):
    values = np.random.default_rng(0).random(1000)
    whole = interval(values)
    monkeypatch.setattr("embed_assets.quality.metrics.bootstrap._CHUNK", 10_000)
    assert interval(values) == whole


def test_95_of_100_intervals_hold_the_mean_that_they_are_about():
    random = np.random.default_rng(1)
    found = [interval(random.beta(0.3, 0.3, 100), draws=500) for _ in range(200)]
    held = sum(each.low <= 0.5 <= each.high for each in found)
    assert 180 <= held <= 199


def test_equal_systems_are_told_apart_no_more_often_than_the_level():
    random = np.random.default_rng(2)
    alarms = 0
    for _ in range(200):
        pair = random.random((2, 60))
        alarms += paired_difference(*pair, draws=400).verdict() != NOT_APART
    assert alarms <= 20  # 10 on average


def test_a_difference_beyond_noise_has_a_direction():
    random = np.random.default_rng(3)
    base = random.random(300)
    better = np.clip(base + random.normal(0.05, 0.1, 300), 0, 1)
    found = paired_difference(better, base)
    assert found.verdict() == BETTER and found.p < 0.001
    assert found.difference.low > 0
    assert paired_difference(base, better).verdict() == WORSE
    assert found.verdict(p=0.2) == NOT_APART, "an adjusted p decides where one is given"


def test_how_many_queries_would_be_needed_shrinks_with_the_square_of_the_difference():
    random = np.random.default_rng(4)
    noise = random.normal(0, 0.2, 1000)
    noise -= noise.mean()
    small = paired_difference(noise + 0.01, np.zeros(1000)).queries_needed
    large = paired_difference(noise + 0.02, np.zeros(1000)).queries_needed
    assert small is not None and large is not None
    assert small == pytest.approx(4 * large, rel=0.01)
    assert large == pytest.approx((2.8 * 0.2 / 0.02) ** 2, rel=0.1)


def test_no_difference_at_all_is_not_told_apart():
    same = paired_difference([0.5] * 30, [0.5] * 30)
    assert (same.p, same.verdict(), same.queries_needed) == (1.0, NOT_APART, None)
    assert paired_difference([], []).queries == 0
    with pytest.raises(ValueError, match="broadcast"):
        paired_difference([1.0, 2.0, 3.0], [1.0, 2.0])


def test_p_is_shown_with_three_digits_and_never_as_zero():
    assert [shown_p(each) for each in (1.0, 0.0316, 0.001, 0.0004)] == ["1.000", "0.032", "0.001", "< 0.001"]


def test_an_interval_that_an_adjusted_p_contradicts_is_explained():
    spread = Interval(mean=-0.137, low=-0.262, high=-0.028)
    figures = "-0.137, 95 % from -0.262 to -0.028"
    assert spread.in_words(0.0001) == f"{figures}, p < 0.001"
    assert spread.in_words(0.04, adjusted=True) == f"{figures}, p 0.040"
    assert spread.in_words(0.16, adjusted=True) == (
        f"{figures}, p 0.160 adjusted for several comparisons, the interval not"
    )
    assert "adjusted" not in Interval(mean=0.1, low=-0.1, high=0.3).in_words(0.3, adjusted=True)


def test_holm_multiplies_by_what_is_left_and_never_falls():
    """Worked out by hand: 0.01 * 4, 0.02 * 3, max(0.06, 0.03 * 2), 0.9."""
    assert holm([0.03, 0.01, 0.9, 0.02]) == pytest.approx([0.06, 0.04, 0.9, 0.06])
    assert holm([]) == []
