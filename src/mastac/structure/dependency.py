"""What each agent's local action value depends on, by sparse boolean algebra on the graphs."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array

from mastac.checks import whole_number
from mastac.errors import UserError
from mastac.structure.boolean import Factor, sorted_rows, union
from mastac.structure.components import ExactSets
from mastac.structure.couplings import Couplings
from mastac.structure.memory_limits import SAMPLE, Estimate, check_fits_memory
from mastac.structure.sequences import CouplingSequence
from mastac.structure.time_varying import TimeVarying, check_product
from mastac.structure.windows import plan, sets_by_products, sets_by_search


@dataclass(frozen=True, eq=False)
class Dependency:
    r"""The value dependency sets of all agents; in every matrix row depends on column.

    - `couplings`, `kappa`, `at`, `minimal`: what they were computed from.
    - `states`: whose states the row agent's local value $Q_i$ depends on.
    - `actions`: whose actions it depends on.
    - `agents`: their union.

    Exact sets of couplings that stay the same are held as components; their matrices are written
    when first asked for, and refused with a [`mastac.errors.UserError`][] that gives their size
    where the memory does not hold them. `members`, and for all agents `sizes` and `moved_sizes`, do
    without the matrices.
    """

    couplings: Couplings | CouplingSequence
    kappa: int | None
    at: int
    minimal: bool
    sets: tuple[csr_array, csr_array] | ExactSets = field(repr=False)
    """The sets of states and actions, or the components that stand for both."""

    @cached_property
    def states(self) -> csr_array:
        """Whose states the row agent's local value depends on."""
        return self.sets.matrix() if isinstance(self.sets, ExactSets) else self.sets[0]

    @property
    def actions(self) -> csr_array:
        """Whose actions the row agent's local value depends on."""
        return self.states if isinstance(self.sets, ExactSets) else self.sets[1]

    @cached_property
    def agents(self) -> csr_array:
        """Whose state or action the row agent's local value depends on."""
        return self.states if self.states is self.actions else union(self.states, self.actions)

    def members(self, agent: str | int) -> tuple[str, ...]:
        """The names in the set of one agent."""
        row = self.couplings.index(agent)
        if isinstance(self.sets, ExactSets) and "states" not in self.__dict__:
            columns = self.sets.members(row)
        else:
            columns = self.agents.indices[self.agents.indptr[row] : self.agents.indptr[row + 1]]
        return tuple(self.couplings.agents[column] for column in columns)

    def sizes(self) -> np.ndarray:
        """How many agents each agent's value depends on, `[agents]`.

        **Raises:**

        - [`mastac.errors.UserError`][] if the memory does not hold which components reach which.
        """
        return self.sets.sums() if isinstance(self.sets, ExactSets) else np.diff(self.agents.indptr)

    def moved_sizes(self) -> np.ndarray:
        """How many agents' values depend on each agent's action, `[agents]`. Raises as `sizes`."""
        if isinstance(self.sets, ExactSets):
            return self.sets.moved()
        return np.bincount(self.actions.indices, minlength=self.couplings.num_agents)

    def input_sizes(self, states: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """How many inputs each agent's critic has, `[agents]`. Raises as `sizes`.

        **Arguments:**

        - `states`, `actions`: the entries of each agent's state and action, `[agents]`.
        """
        if isinstance(self.sets, ExactSets):
            return self.sets.sums(states + actions).astype(np.int64)
        return self.states @ states + self.actions @ actions

    def __repr__(self) -> str:
        number = self.couplings.num_agents
        about = (
            f"Dependency(kappa={self.kappa}, at={self.at}, minimal={self.minimal}; sets of {number}"
        )
        if isinstance(self.sets, ExactSets):
            counts = self.sets.counts
            return f"{about} agents in {len(counts)} components, the largest of {counts.max()})"
        sizes = self.sizes()
        quantiles = f"smallest {sizes.min()}, median {np.median(sizes):g}, largest {sizes.max()}"
        return f"{about} agents: {quantiles})"


def value_dependency(
    couplings: Couplings | CouplingSequence,
    kappa: int | None = None,
    at: int = 0,
    minimal: bool = True,
) -> Dependency:
    r"""For every agent, whose states and actions its local action value at a time depends on.

    With $R, O, S$ the matrices of the reward, observation and state graph, the states that the
    rewards from `t` on need, actions being chosen by the policies, are $U(T) = R_T O_T$ and $U(t) =
    R_t O_t \cup U(t+1) S_t O_t$. This is the paper's set $\mathcal{I}_Q^i(t)$ (Property 3.3). But
    $Q_i(s(t), a(t))$ is a function of $a(t)$ too, which bars the paths through the policies at `t`;
    what remains by d-separation is the minimal set $R_t \cup U(t+1) S_t$. Where actions couple
    through graphs of their own ($A$, $R^a$), $R O$ becomes $R \cup R^a O$, $S O$ becomes $S \cup A
    O$, and the minimal set of actions is $R^a_t \cup U(t+1) A_t$.

    **Arguments:**

    - `couplings`: the same at all times, or a sequence.
    - `kappa`: rewards of the times `at`, …, `at + kappa` count. `None`: all of them, without end
        for couplings that stay the same (the fixed point of the recursion), else to the end of the
        sequence.
    - `at`: the time of the value, of interest for a sequence only.
    - `minimal`: `False` gives the paper's set, for states and actions alike.

    **Raises:**

    - [`mastac.errors.UserError`][] if `kappa` or `at` is negative or no integer, or `at` is past
        the end, or the memory does not hold the sets (see [`estimate`][mastac.structure.estimate]).

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
    kappa = None if kappa is None else whole_number("kappa", kappa)
    at = whole_number("at", at)
    if isinstance(couplings, CouplingSequence):
        if at > couplings.horizon:
            end = couplings.horizon
            raise UserError(
                f"at = {at} is past the end of the coupling sequence, whose last time is {end}"
            )
        return Dependency(
            couplings, kappa, at, minimal, TimeVarying(couplings, minimal).window(at, kappa)
        )
    if _is_exact(couplings, kappa):
        return Dependency(couplings, kappa, at, minimal, ExactSets(couplings))
    assert kappa is not None
    return Dependency(couplings, kappa, at, minimal, _windowed(couplings, kappa, minimal))


def value_dependencies(
    sequence: CouplingSequence, kappa: int | None = None, minimal: bool = True
) -> tuple[Dependency, ...]:
    """The sets of every time of a sequence, each as [`value_dependency`][] gives it.

    All windows that reach the end of the sequence, so all of them for `kappa = None`, share one
    pass backward in time; windows over equal couplings (a schedule that repeats, the times without
    a failure) share their matrices.

    **Arguments:** as those of [`value_dependency`][].

    **Returns:**

    One [`Dependency`][] for each time, the first time first.

    **Raises:**

    - [`mastac.errors.UserError`][] if `kappa` is negative or no integer, or the memory does not
        hold the sets.
    """
    kappa = None if kappa is None else whole_number("kappa", kappa)
    recursion = TimeVarying(sequence, minimal)
    backward = [recursion.window(at, kappa) for at in range(sequence.horizon, -1, -1)]
    return tuple(
        Dependency(sequence, kappa, at, minimal, sets) for at, sets in enumerate(reversed(backward))
    )


def gradient_dependency(dependency: Dependency) -> csr_array:
    r"""The gradient dependency sets $\mathcal{I}_{GD}$, `[agents, agents]`.

    Row `i` marks the agents whose local values depend on the action of agent `i`.

    The transpose of `dependency.actions`: the policy of `i` enters $Q_j(s(t), a(t))$ through
    $a_i(t)$.
    """
    return sorted_rows(csr_array(dependency.actions.T))


def aggregate_dependency(dependency: Dependency) -> csr_array:
    r"""The sets $\mathcal{I}_{\hat Q}$, `[agents, agents]`: what $\hat Q_i$ (eq. 11) depends on.

    $\hat Q_i$ is the sum of the local values that depend on the action of agent `i`.

    **Raises:**

    - [`mastac.errors.UserError`][] if the memory does not hold it.
    """
    gradient, agents = gradient_dependency(dependency), Factor(dependency.agents)
    check_product(gradient, agents.left_product, agents.work(gradient))
    return sorted_rows(agents.left_product(gradient))


def estimate(couplings: Couplings, kappa: int | None = None, minimal: bool = True) -> Estimate:
    """The size of the sets before they are computed, and the method that will compute them.

    Up to 1024 agents, the same ones at every call, stand for all where there are more; the standard
    error says how far that may be off. Windows count the entries of `states` and, where these
    differ, of `actions`.

    **Raises:**

    - [`mastac.errors.UserError`][] if `kappa` is negative or no integer.

    !!! example

        >>> from mastac.structure import ring
        >>> print(estimate(ring(100_000), kappa=2))
        900000 entries, 4.5 MB
    """
    kappa = None if kappa is None else whole_number("kappa", kappa)
    if _is_exact(couplings, kappa):
        return ExactSets(couplings).estimate
    assert kappa is not None
    return plan(couplings, minimal, kappa)[0]


def _is_exact(couplings: Couplings, kappa: int | None) -> bool:
    return kappa is None or kappa >= couplings.num_agents  # no path is longer


def _windowed(couplings: Couplings, kappa: int, minimal: bool) -> tuple[csr_array, csr_array]:
    """The sets of a window, by the cheaper way; a few agents are searched without asking."""
    if couplings.num_agents <= SAMPLE // 4:
        return sets_by_search(couplings, minimal, kappa)
    expected, rows = plan(couplings, minimal, kappa)
    what = f"the sets of these {couplings.num_agents} agents at kappa = {kappa}"
    check_fits_memory(what, expected, "take a smaller kappa")
    if expected.method == "search":
        return sets_by_search(couplings, minimal, kappa)
    return sets_by_products(couplings, minimal, kappa, rows)
