import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from mastac.experiments.statistics import iqm, iqm_interval, t_interval

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
