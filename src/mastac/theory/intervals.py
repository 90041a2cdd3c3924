"""Confidence intervals from independent batches: of a mean, and of a ratio of means."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import stats

CONFIDENCE = 0.95


class Interval(NamedTuple):
    """A mean and its 95 % confidence interval."""

    mean: float
    low: float
    high: float


def interval(batches: Float[np.ndarray, " batches"]) -> Interval:
    """The interval of a mean by Student's t; a single batch is taken as exact."""
    mean = float(batches.mean())
    if len(batches) == 1:
        return Interval(mean, mean, mean)
    half = _quantile(len(batches)) * float(stats.sem(batches))
    return Interval(mean, mean - half, mean + half)


def ratio_interval(
    above: Float[np.ndarray, " batches"], below: Float[np.ndarray, " batches"]
) -> Interval:
    """The interval of a ratio of means by the jackknife; a single batch is taken as exact.

    Each batch is left out once. The mean of the pseudovalues removes the bias of order one over the
    number of batches that a ratio of means has (Quenouille 1956; Tukey 1958).
    """
    count, whole = len(above), float(above.sum() / below.sum())
    if count == 1:
        return Interval(whole, whole, whole)
    left_out = (above.sum() - above) / (below.sum() - below)
    mean = float(count * whole - (count - 1) * left_out.mean())
    variance = (count - 1) * np.mean((left_out - left_out.mean()) ** 2)
    half = _quantile(count) * float(np.sqrt(variance))
    return Interval(mean, mean - half, mean + half)


def _quantile(count: int) -> float:
    """Of Student's t: the interval's half width in standard errors."""
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, count - 1))
