"""Dependency sets as small dense tables, and what a check of a theorem gives back."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from mastac.structure import Couplings, value_dependency

STEP = 1e-100  # of complex differentiation: nothing is subtracted, so it may be as small as this


class Sets(NamedTuple):
    """Whose states and whose actions each agent's value reads; row depends on column."""

    states: Bool[np.ndarray, "agents agents"]
    actions: Bool[np.ndarray, "agents agents"]

    @property
    def moved(self) -> Bool[np.ndarray, "agents agents"]:
        r"""$I_{GD}$: row `i` marks whose values move when agent `i` acts otherwise."""
        return self.actions.T

    @property
    def aggregate(self) -> "Sets":
        r"""$I_{\hat Q}$: what the sum of the values that an agent moves reads."""
        return Sets(self.moved @ self.states, self.moved @ self.actions)

    def without(self, agent: int, member: int) -> "Sets":
        """The same with one member taken out of one agent's set: what a check must notice."""
        states, actions = self.states.copy(), self.actions.copy()
        states[agent, member] = actions[agent, member] = False
        return Sets(states, actions)


class Check(NamedTuple):
    """How far the two sides of a theorem are apart, relative to the larger side; and whether the sets are needed.

    `outside` is zero up to rounding where the theorem holds. `inside` is the smallest effect of a
    member, also relative: where it is positive no smaller sets would do. NaN where it is not asked.
    """

    outside: float
    inside: float = float("nan")


def sets_of(couplings: Couplings, kappa: int | None = None, minimal: bool = True) -> Sets:
    """The sets of [`mastac.value_dependency`][], written out; `minimal=False` gives the paper's."""
    found = value_dependency(couplings, kappa, minimal=minimal)
    return Sets(found.states.toarray(), found.actions.toarray())


def complex_slopes(
    function: Callable[[list[np.ndarray]], np.ndarray], parameters: Sequence[np.ndarray], which: int
) -> np.ndarray:
    r"""$\partial f / \partial \theta_k$ for every entry of one of the tables, by a complex step: exact up to rounding.

    $f(\theta + i h) = f(\theta) + i h f'(\theta) + O(h^2)$ for analytic $f$. Returns the shape of
    the table, then that of the function's result.
    """
    moved = [np.array(table, complex) for table in parameters]
    slopes = []
    for place in np.ndindex(parameters[which].shape):
        moved[which][place] += 1j * STEP
        slopes.append(np.imag(function(moved)) / STEP)
        moved[which][place] -= 1j * STEP
    return np.reshape(slopes, parameters[which].shape + np.shape(slopes[0]))


def relative(difference: np.ndarray, scale: np.ndarray) -> float:
    """The largest difference over the largest of what is compared; zero where both are zero."""
    largest = np.abs(difference).max(initial=0.0)
    return float(largest / max(np.abs(scale).max(initial=0.0), np.finfo(float).tiny))
