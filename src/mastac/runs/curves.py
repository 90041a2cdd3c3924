"""Curves with no more points than a picture can show."""

import numpy as np
from jaxtyping import Float


def windowed(
    at: Float[np.ndarray, " epochs"], values: Float[np.ndarray, "seeds epochs"], points: int
) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, "seeds points"], int]:
    """Means over windows of epochs for each seed; NaN stays out of the mean.

    **Arguments:**

    - `at`: where the values are, in epochs or environment steps.
    - `values`: NaN where a seed has none.
    - `points`: about how many points remain.

    **Returns:** the middles of the windows, the means, and how many epochs went into each.
    """
    window = max(1, round(len(at) / points))
    if window == 1:
        return at, values, 1
    starts = np.arange(0, len(at), window)
    known = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        means = np.add.reduceat(np.where(known, values, 0.0), starts, axis=1) / np.add.reduceat(
            known, starts, axis=1
        )
    middles = np.add.reduceat(at, starts) / np.add.reduceat(np.ones(len(at)), starts)
    return middles, means, window
