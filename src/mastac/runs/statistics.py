"""The statistics over seeds that figures and tables quote.

The bootstraps draw by generators of their own with a fixed state rather than by
`scipy.stats.bootstrap`, whose draws are others: the intervals of stored tables stay as they are.
"""

import numpy as np
from jaxtyping import Float
from scipy.special import stdtrit

LEVEL = 0.95


def t_interval(
    values: Float[np.ndarray, "seeds ..."], level: float = LEVEL
) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    r"""Mean over seeds and half the width of its interval by Student's t distribution.

    With the three to fifteen seeds of such experiments a percentile bootstrap of the mean is far
    too narrow (five seeds: about 84 % instead of 95 %); the t interval is exact for normal returns
    at any number. NaN entries are left out. Where fewer than two seeds are known the half width is
    NaN.
    """
    values = np.asarray(values, float)
    known = np.isfinite(values)
    count = known.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(known, values, 0.0).sum(0) / count
        variance = np.where(known, (values - mean) ** 2, 0.0).sum(0) / (count - 1)
        half = stdtrit(np.maximum(count - 1, 1), (1 + level) / 2) * np.sqrt(variance / count)
    return np.asarray(mean), np.where(count > 1, half, np.nan)


def iqm(values: Float[np.ndarray, "... seeds"]) -> Float[np.ndarray, "..."]:
    """Interquartile mean: the mean without the lowest and the highest quarter.

    A quarter that is no whole number of seeds is rounded down (of five seeds one is cut off at
    either end).

    >>> float(iqm(np.array([1.0, 2.0, 3.0, 4.0, 1000.0])))
    3.0
    """
    from scipy.stats import trim_mean

    return np.asarray(trim_mean(values, 0.25, axis=-1))


def iqm_interval(
    values: Float[np.ndarray, " seeds"], level: float = LEVEL, resamples: int = 10_000
) -> tuple[float, float]:
    """Percentile bootstrap interval of the interquartile mean; the generator is fixed.

    Few seeds make it too narrow; it is what the field reports beside the interquartile mean.
    """
    values = np.asarray(values, float)
    if len(values) < 2:
        return (float("nan"), float("nan"))
    picks = np.random.default_rng(0).integers(len(values), size=(resamples, len(values)))
    low, high = np.quantile(iqm(values[picks]), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def difference_interval(
    x: Float[np.ndarray, " n"],
    y: Float[np.ndarray, " m"],
    level: float = LEVEL,
    resamples: int = 10_000,
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean of `x` less that of `y`; the generator is fixed.

    Either side is resampled on its own. Seeds without a figure (NaN) are left out. NaN where either
    side has fewer than two seeds.
    """
    x, y = (values[np.isfinite(values)] for values in (np.asarray(x, float), np.asarray(y, float)))
    if min(len(x), len(y)) < 2:
        return (float("nan"), float("nan"))
    generator = np.random.default_rng(0)
    means = (
        values[generator.integers(len(values), size=(resamples, len(values)))].mean(1)
        for values in (x, y)
    )
    low, high = np.quantile(next(means) - next(means), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def probability_of_improvement(x: Float[np.ndarray, " n"], y: Float[np.ndarray, " m"]) -> float:
    """How often a seed of `x` does better than a seed of `y`, over all pairs; ties count half.

    A seed without a figure (NaN: it stopped) counts as worse than any that has one. NaN where
    either is empty.

    >>> probability_of_improvement(np.array([1.0, 3.0]), np.array([0.0, 3.0]))
    0.625
    """
    wins = _wins(x, y)
    return float(wins.mean()) if wins.size else float("nan")


def improvement_interval(
    x: Float[np.ndarray, " n"],
    y: Float[np.ndarray, " m"],
    level: float = LEVEL,
    resamples: int = 10_000,
) -> tuple[float, float]:
    """Percentile bootstrap interval of [`probability_of_improvement`][].

    The seeds of either side are resampled, with a fixed generator. NaN where either side has fewer
    than two seeds.
    """
    wins = _wins(x, y)
    if min(wins.shape) < 2:
        return (float("nan"), float("nan"))
    generator = np.random.default_rng(0)
    n, m = wins.shape
    # How often each seed is drawn is all that a resample says.
    of_x = generator.multinomial(n, np.full(n, 1 / n), size=resamples)
    of_y = generator.multinomial(m, np.full(m, 1 / m), size=resamples)
    drawn = np.einsum("ri,ij,rj->r", of_x, wins, of_y) / wins.size
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _wins(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """1, ½ or 0 for each pair: whether `x` is the better."""
    x, y = (
        np.nan_to_num(np.asarray(returns, float), nan=-np.inf, posinf=np.inf, neginf=-np.inf)
        for returns in (x, y)
    )
    return (x[:, None] > y) + 0.5 * (x[:, None] == y)


def steps_to_reach(
    at: Float[np.ndarray, " points"],
    values: Float[np.ndarray, " points"],
    target: float,
    window: int = 3,
) -> float:
    """The first of `at` at which the mean of the last `window` values reaches `target`, or NaN.

    One lucky evaluation is not enough, so nothing is said before `window` values are known (all of
    them, where there are fewer). An unknown value breaks the window.

    >>> steps_to_reach(np.arange(6.0), np.array([0, 5, 0, 3, 3, 3.0]), 3.0)
    5.0
    """
    if not len(at):
        return float("nan")
    window = min(window, len(at))
    means = np.convolve(np.asarray(values, float), np.ones(window), mode="valid") / window
    # Sums of equal numbers may fall short of them by the last bit.
    reached = np.flatnonzero(means >= target - 1e-12 * abs(target))
    return float(at[window - 1 + reached[0]]) if len(reached) else float("nan")
