import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from mastac.runs.statistics import (
    difference_interval,
    improvement_interval,
    iqm,
    iqm_interval,
    probability_of_improvement,
    steps_to_reach,
    t_interval,
)

SAMPLES = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=15).map(np.array)


@given(SAMPLES)
def test_t_interval_is_that_of_scipy(values: np.ndarray) -> None:
    mean, half = t_interval(values)
    expected = scipy.stats.t(len(values) - 1).ppf(0.975) * values.std(ddof=1) / np.sqrt(len(values))
    assert mean == pytest.approx(values.mean(), abs=1e-9)
    assert half == pytest.approx(expected, abs=1e-9)


def test_t_interval_leaves_out_what_is_not_known() -> None:
    values = np.array([[1.0, 1.0, np.nan], [2.0, np.nan, np.nan], [4.0, 3.0, np.nan]])
    mean, half = t_interval(values)
    np.testing.assert_allclose(mean, [7 / 3, 2.0, np.nan])
    np.testing.assert_allclose(half[1], t_interval(np.array([1.0, 3.0]))[1])
    assert np.isnan(half[2])
    assert np.isnan(t_interval(np.array([5.0]))[1])


def test_t_interval_covers_the_mean_as_often_as_it_says() -> None:
    samples = np.random.default_rng(0).normal(size=(5, 4000))
    mean, half = t_interval(samples)
    assert np.mean(np.abs(mean) < half) == pytest.approx(0.95, abs=0.012)


@given(SAMPLES)
def test_iqm_is_the_trimmed_mean(values: np.ndarray) -> None:
    assert iqm(values) == pytest.approx(scipy.stats.trim_mean(values, 0.25), abs=1e-9)


def test_iqm_interval_repeats_and_holds_the_iqm() -> None:
    values = np.random.default_rng(1).normal(size=15)
    low, high = iqm_interval(values)
    assert (low, high) == iqm_interval(values)
    assert values.min() <= low < iqm(values) < high <= values.max()
    assert all(np.isnan(iqm_interval(values[:1])))


@given(
    st.lists(st.integers(-3, 3), min_size=1, max_size=8),
    st.lists(st.integers(-3, 3), min_size=1, max_size=8),
)
def test_probability_of_improvement_is_the_mann_whitney_statistic(
    x: list[int], y: list[int]
) -> None:
    found = probability_of_improvement(np.array(x, float), np.array(y, float))
    statistic, _ = scipy.stats.mannwhitneyu(x, y, method="asymptotic")
    expected = statistic / (len(x) * len(y))
    assert found == pytest.approx(expected)
    assert probability_of_improvement(np.array(y, float), np.array(x, float)) == pytest.approx(
        1 - found
    )


def test_a_seed_that_stopped_is_worse_than_any_other() -> None:
    nan = np.nan
    assert probability_of_improvement(np.array([1.0, nan]), np.array([-1e9, nan])) == pytest.approx(
        (1 + 1 + 0 + 0.5) / 4
    )
    assert np.isnan(probability_of_improvement(np.zeros(0), np.zeros(3)))


def test_improvement_interval_is_that_of_resampling_one_by_one() -> None:
    generator = np.random.default_rng(3)
    x, y = generator.normal(0.5, 1, 5), generator.normal(0, 1, 6)
    drawn = [
        probability_of_improvement(generator.choice(x, len(x)), generator.choice(y, len(y)))
        for _ in range(4000)
    ]
    np.testing.assert_allclose(
        improvement_interval(x, y), np.quantile(drawn, [0.025, 0.975]), atol=0.05
    )
    assert improvement_interval(x, y) == improvement_interval(x, y)
    assert improvement_interval(x, x - 100) == (1.0, 1.0)
    assert all(np.isnan(improvement_interval(x, y[:1])))


def test_difference_interval_is_that_of_resampling_by_scipy() -> None:
    generator = np.random.default_rng(3)
    x, y = generator.normal(0.5, 1, 9), generator.normal(0, 1, 6)
    expected = scipy.stats.bootstrap(
        (x, y),
        lambda x, y, axis: x.mean(axis) - y.mean(axis),
        vectorized=True,
        method="percentile",
        rng=generator,
    ).confidence_interval
    found = difference_interval(x, np.append(y, np.nan))
    np.testing.assert_allclose(found, (expected.low, expected.high), atol=0.1)
    assert difference_interval(x + 100, y) == pytest.approx(np.add(found, 100))
    assert all(np.isnan(difference_interval(x, y[:1])))


@given(st.lists(st.integers(-5, 5), max_size=12), st.integers(-5, 5), st.integers(1, 4))
def test_steps_to_reach_is_the_first_window_that_is_good_enough(
    values: list[int], target: int, window: int
) -> None:
    at = 10.0 * np.arange(1, len(values) + 1)
    size = min(window, len(values))
    ends = [
        k
        for k in range(size, len(values) + 1)
        if size and sum(values[k - size : k]) >= target * size
    ]
    expected = at[ends[0] - 1] if ends else np.nan
    np.testing.assert_equal(steps_to_reach(at, np.array(values, float), target, window), expected)


def test_steps_to_reach_waits_for_what_is_known() -> None:
    values = np.array([9.0, np.nan, 9.0, 9.0, 9.0])
    assert steps_to_reach(np.arange(5.0), values, 1.0) == 4.0
