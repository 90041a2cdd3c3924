"""Dependency sets as small dense tables, for exact computations with a few agents."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from mastac.structure import Couplings, value_dependency


class DependencySets(NamedTuple):
    """Whose states and whose actions each agent's value reads; row depends on column."""

    states: Bool[np.ndarray, "agents agents"]
    actions: Bool[np.ndarray, "agents agents"]

    @property
    def gradient(self) -> Bool[np.ndarray, "agents agents"]:
        r"""$I_{GD}$: row `i` marks the agents whose values depend on the action of agent `i`."""
        return self.actions.T

    @property
    def aggregate(self) -> "DependencySets":
        r"""$I_{\hat Q}$: what the sum of the values in an agent's gradient set reads."""
        return DependencySets(self.gradient @ self.states, self.gradient @ self.actions)

    def without(self, agent: int, member: int) -> "DependencySets":
        """The same sets with one member taken out of one agent's: a check must notice it."""
        states, actions = self.states.copy(), self.actions.copy()
        states[agent, member] = actions[agent, member] = False
        return DependencySets(states, actions)


def dependency_sets(
    couplings: Couplings, kappa: int | None = None, minimal: bool = True
) -> DependencySets:
    """The sets of [`mastac.value_dependency`][] as dense tables.

    **Arguments:**

    - `couplings`: who depends directly on whom.
    - `kappa`: steps ahead after which the sets are truncated; `None` gives the exact sets.
    - `minimal`: whether to take the minimal sets (d-separation) or the larger ones of the paper.
    """
    sets = value_dependency(couplings, kappa, minimal=minimal)
    return DependencySets(sets.states.toarray(), sets.actions.toarray())
