"""What each agent's local action value depends on, by sparse boolean algebra on the coupling graphs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from numbers import Integral

import numpy as np
from scipy.sparse import csr_array

from mastac.errors import UserError
from mastac.structure.boolean import product, product_with_closure, sorted_rows, union
from mastac.structure.couplings import Couplings, CouplingSequence
from mastac.structure.windows import first_windows, reward_needs, same_sets, step_needs


@dataclass(frozen=True, eq=False)
class Dependency:
    r"""The value dependency sets of all agents; in every matrix row depends on column.

    - `states`: whose states the row agent's local value $Q_i$ depends on.
    - `actions`: whose actions it depends on.
    - `agents`: their union.
    - `couplings`, `kappa`, `at`, `minimal`: what they were computed from.
    """

    states: csr_array
    actions: csr_array
    couplings: Couplings | CouplingSequence
    kappa: int | None
    at: int
    minimal: bool

    @cached_property
    def agents(self) -> csr_array:
        """Whose state or action the row agent's local value depends on."""
        return self.states if self.states is self.actions else union(self.states, self.actions)

    def members(self, agent: str | int) -> tuple[str, ...]:
        """The names in the set of one agent."""
        row = self.couplings.index(agent)
        found = self.agents.indices[self.agents.indptr[row] : self.agents.indptr[row + 1]]
        return tuple(self.couplings.agents[column] for column in found)

    def __repr__(self) -> str:
        sizes = np.diff(self.agents.indptr)
        return (
            f"Dependency(kappa={self.kappa}, at={self.at}, minimal={self.minimal}; sets of {len(sizes)} agents: "
            f"smallest {sizes.min()}, median {np.median(sizes):g}, largest {sizes.max()})"
        )


def value_dependency(
    couplings: Couplings | CouplingSequence, kappa: int | None = None, at: int = 0, minimal: bool = True
) -> Dependency:
    r"""For every agent, whose states and actions its local action value at a time depends on.

    With $R, O, S$ the matrices of the reward, observation and state graph, the states that the rewards from
    `t` on need, actions being chosen by the policies, are $U(T) = R_T O_T$ and
    $U(t) = R_t O_t \cup U(t+1) S_t O_t$. This is the paper's set $\mathcal{I}_Q^i(t)$ (Property 3.3).
    But $Q_i(s(t), a(t))$ is a function of $a(t)$ too, which bars the paths through the policies at `t`; what
    remains by d-separation is the minimal set $R_t \cup U(t+1) S_t$. Where actions couple through graphs of
    their own ($A$, $R^a$), $R O$ becomes $R \cup R^a O$, $S O$ becomes $S \cup A O$, and the minimal set of
    actions is $R^a_t \cup U(t+1) A_t$.

    **Arguments:**

    - `couplings`: the same at all times, or a sequence.
    - `kappa`: rewards of the times `at`, …, `at + kappa` count. `None`: all of them, without end for
        couplings that stay the same (the fixed point of the recursion), else to the end of the sequence.
    - `at`: the time of the value, of interest for a sequence only.
    - `minimal`: `False` gives the paper's set, for states and actions alike.

    **Raises:**

    - [`mastac.errors.UserError`][] if `kappa` or `at` is negative or no integer, or `at` is past the end.

    !!! example "Three in a row, each fed by the one before it"

        >>> line = Couplings(3, state=[(0, 1), (1, 2)])
        >>> value_dependency(line).states.toarray().astype(int)
        array([[1, 0, 0],
               [1, 1, 0],
               [1, 1, 1]])
        >>> value_dependency(line, kappa=1).states.toarray().astype(int)
        array([[1, 0, 0],
               [1, 1, 0],
               [0, 1, 1]])
    """
    kappa = None if kappa is None else checked_count("kappa", kappa)
    at = checked_count("at", at)
    if isinstance(couplings, CouplingSequence):
        states, actions = _over_sequence(couplings, kappa, at, minimal)
    elif kappa is None or kappa >= couplings.num_agents:  # no path is longer
        states, actions = _without_end(couplings, minimal)
    else:
        states, actions = (_pattern(each) for each in first_windows(couplings, minimal, kappa))
        actions = states if same_sets(couplings, minimal) else actions
    return Dependency(states, actions, couplings, kappa, at, minimal)


def gradient_dependency(dependency: Dependency) -> csr_array:
    r"""$\mathcal{I}_{GD}$: row `i` marks whose local values move when agent `i` acts otherwise.

    The transpose of `dependency.actions`: the policy of `i` enters $Q_j(s(t), a(t))$ through $a_i(t)$.
    """
    return sorted_rows(csr_array(dependency.actions.T))


def aggregate_dependency(dependency: Dependency) -> csr_array:
    r"""$\mathcal{I}_{\hat Q}$: row `i` marks what $\hat Q_i$, the sum of the values that `i` moves, depends on."""
    return product(gradient_dependency(dependency), dependency.agents)


def checked_count(name: str, value: object) -> int:
    """`value` as an int, if it is an integer of at least 0."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise UserError(f"{name} must be an integer of at least 0 or left out, got {value!r}")
    if value < 0:
        raise UserError(f"{name} must be at least 0, got {value}")
    return int(value)


def _pattern(levels: csr_array) -> csr_array:
    return csr_array((np.ones(levels.nnz, bool), levels.indices, levels.indptr), shape=levels.shape)


def _over_sequence(
    sequence: CouplingSequence, kappa: int | None, at: int, minimal: bool
) -> tuple[csr_array, csr_array]:
    """The recursion of [`value_dependency`][], from the end of the window back to `at`."""
    if at > sequence.horizon:
        raise UserError(f"at = {at} is past the end of the coupling sequence, whose last time is {sequence.horizon}")
    end = sequence.horizon if kappa is None else min(at + kappa, sequence.horizon)
    later: csr_array | None = None
    for time in range(end, at if minimal else at - 1, -1):
        now = sequence[time]
        needs = reward_needs(now)
        later = needs if later is None else union(needs, product(later, step_needs(now)))
    if not minimal:
        assert later is not None  # the loop has run for `at`
        return later, later
    now = sequence[at]
    states, actions = now.reward, now.reward_action
    if later is not None:
        states, actions = union(now.reward, product(later, now.state)), union(actions, product(later, now.action))
    return (states, states) if same_sets(now, minimal) else (states, actions)


def _without_end(couplings: Couplings, minimal: bool) -> tuple[csr_array, csr_array]:
    """The fixed point of the recursion: what the rewards need, closed under one step back."""
    reached = product_with_closure(reward_needs(couplings), step_needs(couplings))
    # The minimal set of states, R | U S, is U itself: every agent keeps its own state, and U is closed under S.
    if same_sets(couplings, minimal):
        return reached, reached
    return reached, union(couplings.reward_action, product(reached, couplings.action))
