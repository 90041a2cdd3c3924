"""How the two sides of a theorem are compared: exact derivatives and relative deviations."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Inexact

STEP = 1e-100  # of complex differentiation: nothing is subtracted, so it may be as small as this


class TheoremCheck(NamedTuple):
    """How far the two sides of a theorem are apart, and whether its sets are needed.

    - `outside`: the deviation, relative to the larger side; zero up to rounding where the theorem
      holds.
    - `inside`: the smallest effect of any member of the sets, also relative; where it is positive,
      no smaller sets would do. NaN where it is not computed.
    """

    outside: float
    inside: float = float("nan")


def complex_slopes(
    function: Callable[[list[np.ndarray]], np.ndarray | np.inexact],
    parameters: Sequence[np.ndarray],
    which: int,
) -> Inexact[np.ndarray, "..."]:
    r"""$\partial f / \partial \theta_k$ by complex steps: exact up to rounding.

    $f(\theta + i h) = f(\theta) + i h f'(\theta) + O(h^2)$ for analytic $f$, so the imaginary part
    over $h$ is the derivative, without the cancellation of finite differences (Squire and Trapp,
    SIAM Review 1998).

    **Arguments:**

    - `function`: analytic in the entries of the tables.
    - `parameters`: the tables $\theta_1, \theta_2, \dots$.
    - `which`: the index $k$ of the table to differentiate by.

    **Returns:**

    One derivative for each entry of the table: the axes of the table, then those of the function's
    result.
    """
    moved = [np.array(table, complex) for table in parameters]
    slopes = []
    for place in np.ndindex(parameters[which].shape):
        moved[which][place] += 1j * STEP
        slopes.append(np.imag(function(moved)) / STEP)
        moved[which][place] -= 1j * STEP
    return np.reshape(slopes, parameters[which].shape + np.shape(slopes[0]))


def relative_deviation(difference: np.ndarray, scale: np.ndarray) -> float:
    """The largest difference over the largest entry of `scale`; zero where both are zero."""
    largest = np.abs(difference).max(initial=0.0)
    return float(largest / max(np.abs(scale).max(initial=0.0), np.finfo(float).tiny))
