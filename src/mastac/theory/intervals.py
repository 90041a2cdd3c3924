"""Intervals from independent batches: of a mean, and of a ratio of means."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import stats


class Interval(NamedTuple):
    """A mean and its 95 % interval."""

    mean: float
    low: float
    high: float


def interval(batches: Float[np.ndarray, " batches"]) -> Interval:
    """The interval of a mean by Student's t; a single batch is taken as exact."""
    mean, count = float(batches.mean()), len(batches)
    half = 0.0 if count == 1 else float(_factor(count) * batches.std(ddof=1) / np.sqrt(count))
    return Interval(mean, mean - half, mean + half)


def ratio_interval(
    above: Float[np.ndarray, " batches"], below: Float[np.ndarray, " batches"]
) -> Interval:
    """The interval of a ratio of means by the jackknife over batches; a single batch is taken as exact."""
    count, whole = len(above), float(above.sum() / below.sum())
    if count == 1:
        return Interval(whole, whole, whole)
    left_out = (above.sum() - above) / (below.sum() - below)
    mean = float(count * whole - (count - 1) * left_out.mean())
    half = float(_factor(count) * np.sqrt((count - 1) * np.mean((left_out - left_out.mean()) ** 2)))
    return Interval(mean, mean - half, mean + half)


def _factor(count: int) -> float:
    return float(stats.t.ppf(0.975, count - 1))
