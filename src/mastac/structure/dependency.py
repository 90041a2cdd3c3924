"""What each agent's local action value depends on, by sparse boolean algebra on the coupling graphs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from graphlib import TopologicalSorter
from numbers import Integral

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from mastac.errors import UserError
from mastac.structure.couplings import Couplings, CouplingSequence

BLOCK_CELLS = 2**22
"""Rows are searched in blocks of at most so many (row, agent) marks: 4 MiB however many agents there are."""


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
        actions = states if _shared(couplings, minimal) else actions
    return Dependency(states, actions, couplings, kappa, at, minimal)


def gradient_dependency(dependency: Dependency) -> csr_array:
    r"""$\mathcal{I}_{GD}$: row `i` marks whose local values move when agent `i` acts otherwise.

    The transpose of `dependency.actions`: the policy of `i` enters $Q_j(s(t), a(t))$ through $a_i(t)$.
    """
    return _sorted(csr_array(dependency.actions.T))


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


def product(one: csr_array, other: csr_array) -> csr_array:
    """Boolean matrix product, indices sorted."""
    return _sorted(csr_array(one @ other))


def union(one: csr_array, other: csr_array) -> csr_array:
    """Entrywise or, indices sorted."""
    return one if one is other else _sorted(csr_array(one + other))


def _sorted(matrix: csr_array) -> csr_array:
    matrix.sort_indices()
    return matrix


def _pattern(levels: csr_array) -> csr_array:
    return csr_array((np.ones(levels.nnz, bool), levels.indices, levels.indptr), shape=levels.shape)


def _shared(couplings: Couplings, minimal: bool) -> bool:
    """Whether the sets of states and actions are the same by construction."""
    return not minimal or (couplings.action is couplings.state and couplings.reward_action is couplings.reward)


def reward_needs(couplings: Couplings) -> csr_array:
    r"""The states that the reward of the row agent needs when policies act: $R \cup R^a O$."""
    return union(couplings.reward, product(couplings.reward_action, couplings.observation))


def step_needs(couplings: Couplings) -> csr_array:
    r"""The states that the next state of the row agent needs when policies act: $S \cup A O$."""
    return union(couplings.state, product(couplings.action, couplings.observation))


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
        states, actions = union(states, product(later, now.state)), union(actions, product(later, now.action))
    return (states, states) if _shared(now, minimal) else (states, actions)


def _without_end(couplings: Couplings, minimal: bool) -> tuple[csr_array, csr_array]:
    """The fixed point of the recursion: what the rewards need, closed under one step back."""
    reached = _reached(reward_needs(couplings), step_needs(couplings))
    # The minimal set of states, R | U S, is U itself: every agent keeps its own state, and U is closed under S.
    if _shared(couplings, minimal):
        return reached, reached
    return reached, union(couplings.reward_action, product(reached, couplings.action))


def _reached(start: csr_array, step: csr_array) -> csr_array:
    """`start` times the transitive closure of `step`, by strongly connected components.

    Agents that reach each other reach the same, so the closure is taken on the graph of components, which
    has no cycles. The work is that of writing the answer.
    """
    number, labels = connected_components(step.astype(np.int8), directed=True, connection="strong")
    size = start.shape[0]
    belongs = csr_array((np.ones(size, bool), labels, np.arange(size + 1)), shape=(size, number))
    folded = product(product(csr_array(belongs.T), step), belongs)
    below = [folded.indices[folded.indptr[c] : folded.indptr[c + 1]] for c in range(number)]
    closure: list[np.ndarray] = [np.empty(0, folded.indices.dtype)] * number
    for c in TopologicalSorter({c: [int(d) for d in below[c] if d != c] for c in range(number)}).static_order():
        closure[c] = np.unique(np.concatenate([[c], *(closure[d] for d in below[c] if d != c)]))
    indptr = np.concatenate([[0], np.cumsum([len(each) for each in closure])])
    closed = csr_array((np.ones(indptr[-1], bool), np.concatenate(closure), indptr), shape=(number, number))
    return product(product(product(start, belongs), closed), csr_array(belongs.T))


def first_windows(couplings: Couplings, minimal: bool = True, limit: int | None = None) -> tuple[csr_array, csr_array]:
    """The smallest kappa at which each agent is in each set: (for states, for actions).

    Both are csr matrices of int32, row depends on column, whose stored entries (0 among them) are the sets of
    `kappa = limit`, or the exact ones for `None`. The sets of a smaller kappa are the entries up to it.
    """
    size = couplings.num_agents
    rows = max(1, BLOCK_CELLS // size)
    start, step = reward_needs(couplings), step_needs(couplings)
    states, actions = [], []
    for first in range(0, size, rows):
        block = slice(first, min(first + rows, size))
        in_states, in_actions = _first_windows_of(couplings, start, step, block, minimal, limit)
        states.append(in_states)
        actions.append(in_actions)
    found = _stacked(states, size)
    return found, found if _shared(couplings, minimal) else _stacked(actions, size)


def _first_windows_of(
    couplings: Couplings, start: csr_array, step: csr_array, block: slice, minimal: bool, limit: int | None
) -> tuple[_FirstSeen, _FirstSeen]:
    """Breadth-first search back in time from the rewards of a block of agents."""
    size, rows = couplings.num_agents, block.stop - block.start
    shared = _shared(couplings, minimal)
    walked, states = _FirstSeen(rows, size), _FirstSeen(rows, size)
    actions = states if shared else _FirstSeen(rows, size)
    if minimal:
        states.add(csr_array(couplings.reward[block]), 0)
        if not shared:
            actions.add(csr_array(couplings.reward_action[block]), 0)
    level, frontier = 0, walked.add(csr_array(start[block]), 0)
    while frontier.nnz and (limit is None or level + minimal <= limit):
        if minimal:
            states.add(csr_array(frontier @ couplings.state), level + 1)
            if not shared:
                actions.add(csr_array(frontier @ couplings.action), level + 1)
        level += 1
        if not minimal and limit is not None and level > limit:
            break
        frontier = walked.add(csr_array(frontier @ step), level)
    return (states, actions) if minimal else (walked, walked)


class _FirstSeen:
    """Marks of a block of rows: which (row, agent) was seen, and at which level first."""

    def __init__(self, rows: int, size: int) -> None:
        self.rows, self.size = rows, size
        self.seen = np.zeros(rows * size, bool)
        self.keys: list[np.ndarray] = []
        self.levels: list[np.ndarray] = []

    def add(self, entries: csr_array, level: int) -> csr_array:
        """Marks the entries and returns those that are new."""
        row = np.repeat(np.arange(self.rows, dtype=np.int64), np.diff(entries.indptr))
        keys = row * self.size + entries.indices
        new = ~self.seen[keys]
        keys, row = keys[new], row[new]
        self.seen[keys] = True
        self.keys.append(keys)
        self.levels.append(np.full(len(keys), level, np.int32))
        indptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=self.rows))])
        return csr_array((np.ones(len(keys), bool), entries.indices[new], indptr), shape=(self.rows, self.size))


def _stacked(blocks: list[_FirstSeen], size: int) -> csr_array:
    """Levels of all blocks as one matrix, indices sorted."""
    counts, columns, levels = [], [], []
    for block in blocks:
        keys, level = np.concatenate(block.keys), np.concatenate(block.levels)
        order = np.argsort(keys)
        counts.append(np.bincount(keys // block.size, minlength=block.rows))
        columns.append((keys % block.size)[order].astype(np.int32))
        levels.append(level[order])
    indptr = np.concatenate([[0], np.cumsum(np.concatenate(counts))])
    return csr_array((np.concatenate(levels), np.concatenate(columns), indptr), shape=(size, size))
