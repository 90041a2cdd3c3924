r"""Exact sets of couplings that stay the same, by strongly connected components.

What the rewards of all later times need is closed under one step back, $S \cup A O$. Since every
agent is in its own row of every graph, that step and the union $S \cup A \cup O$ reach the same
agents in the end, so no product is taken. Closed sets contain whole strongly connected components
of the union. Every agent keeps its own state, so the minimal sets and the paper's are the same.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from mastac.structure.boolean import (
    distinct_rows,
    product,
    row_of_entry,
    row_pointers,
    selection,
    sorted_rows,
    union,
)
from mastac.structure.closure import Reach
from mastac.structure.couplings import Couplings
from mastac.structure.memory_limits import (
    Estimate,
    check_fits_memory,
    drawn_agents,
    estimated_total,
)

COUNTED = 3 * 10**7
"""Sizes are counted rather than estimated where closures have no more entries than this."""


class ExactSets:
    """The exact sets of all agents, shared by the agents of a component.

    - `number`: of components; `labels[i]`: the component of agent `i`; `counts`: how many agents
        each has.
    - `below`: which other components one step back from a component enters; it has no cycles.
    - `roots`: row `i` holds the components that the reward of agent `i` reads.
    """

    def __init__(self, couplings: Couplings) -> None:
        self.couplings = couplings
        graph = union(union(couplings.state, couplings.action), couplings.observation)
        number, labels = connected_components(graph, directed=True, connection="strong")
        self.number, self.labels = int(number), labels
        self.counts = np.bincount(labels, minlength=number)
        self.below = Reach(_folded(graph, labels, self.number))
        rewards = union(couplings.reward, couplings.reward_action)
        self.local = rewards.nnz == couplings.num_agents
        self.roots = (
            selection(labels, self.number)
            if self.local
            else product(rewards, selection(labels, self.number))
        )

    def reached(self, agent: int) -> np.ndarray:
        """The components in the set of one agent, by one search."""
        return self.below.reachable_from(
            self.roots.indices[self.roots.indptr[agent] : self.roots.indptr[agent + 1]]
        )

    def members(self, agent: int) -> np.ndarray:
        """The agents in the set of one agent, sorted."""
        order, ends = self._agents_of
        return np.sort(np.concatenate([order[ends[c] : ends[c + 1]] for c in self.reached(agent)]))

    @cached_property
    def _agents_of(self) -> tuple[np.ndarray, np.ndarray]:
        """Agents in order of their components, and where each component starts."""
        return np.argsort(self.labels, kind="stable").astype(np.int32), row_pointers(self.counts)

    @cached_property
    def estimate(self) -> Estimate:
        """The size of the sets as a matrix."""
        number = self.couplings.num_agents
        if self._split.pairs[0] <= COUNTED:
            return Estimate(float(self.sums().sum()), 0.0, number, "components")
        agents = drawn_agents(number, self.below.searches)
        sizes = np.array([self.counts[self.reached(agent)].sum() for agent in agents])
        return Estimate(*estimated_total(sizes, number), len(agents), "components")

    def sums(self, weights: np.ndarray | None = None) -> np.ndarray:
        """The sum of the weights of the agents in each agent's set, `[agents]`.

        Without weights it is the size of the set.

        **Raises:**

        - [`mastac.errors.UserError`][] if the memory does not hold which components reach which.
        """
        totals = self.counts if weights is None else np.bincount(self.labels, weights, self.number)
        split = self._checked_split
        rest = np.where(split.down, 0, totals)
        upper = totals[split.down].sum() + split.times(split.above, rest)
        return np.where(split.up, upper, split.times(split.beside, totals))

    def moved(self) -> np.ndarray:
        """In how many agents' sets each agent is, `[agents]`. Raises as [`ExactSets.sums`][]."""
        split = self._checked_split
        upper = np.where(
            split.down, np.count_nonzero(split.up), split.counted(split.above, split.up)
        )
        return (upper + split.counted(split.beside, ~split.up))[self.labels]

    @property
    def _checked_split(self) -> _Split:
        split = self._split
        total, error = split.pairs
        if total > COUNTED:
            what = "the sizes of all exact sets need sets of components that"
            check_fits_memory(
                what,
                Estimate(total, error, 0, "components"),
                "ask for one agent with members(agent)",
            )
        return split

    @cached_property
    def _split(self) -> _Split:
        """The graph of components, taken apart at the largest one.

        What reaches the largest reaches all below it, which is counted once. What else it reaches
        lies in the graph `above`, which is without these; what does not reach the largest lies in
        the graph `beside`, which is without those that do. In graphs with one giant component both
        have short paths only, while the closure of the whole graph has a pair for each component
        above the giant with each below it.
        """
        largest = np.array([np.argmax(self.counts)], np.int32)
        down, over = np.zeros((2, self.number), bool)
        down[self.below.reachable_from(largest)] = True
        over[self.below.reversed().reachable_from(largest)] = True
        up = np.bincount(row_of_entry(self.roots), over[self.roots.indices], len(self.labels)) > 0
        return _Split(self, up, down, self.below.without(down), self.below.without(over))

    def matrix(self) -> csr_array:
        """The sets of all agents, row depends on column.

        **Raises:**

        - [`mastac.errors.UserError`][] if the memory does not hold them.
        """
        size = self.couplings.num_agents
        fix = "give a kappa, or ask for one agent with members(agent)"
        check_fits_memory(f"the exact sets of these {size} agents", self.estimate, fix)
        if self.local:
            kind, kinds = self.labels, self.below.closure
        else:
            groups, kinds = distinct_rows(product(self.roots, self.below.closure))
            kind = groups.indices
        order, ends = self._agents_of
        belongs = csr_array((np.ones(size, bool), order, ends), shape=(self.number, size))
        return csr_array(sorted_rows(csr_array(kinds @ belongs))[kind])


class _Split(NamedTuple):
    """The parts that [`ExactSets._split`][] describes.

    `up` marks the agents whose sets contain the largest component, and with it all components
    that `down` marks.
    """

    sets: ExactSets
    up: np.ndarray
    down: np.ndarray
    above: Reach
    beside: Reach

    @property
    def pairs(self) -> tuple[float, float]:
        """About how many entries the two closures have, and the standard error."""
        (above, above_error), (beside, beside_error) = self.above.pairs, self.beside.pairs
        return above + beside, float(np.hypot(above_error, beside_error))

    def times(self, part: Reach, totals: np.ndarray) -> np.ndarray:
        """For each agent: the sum of the totals that its reward reaches in a part."""
        if self.sets.local:
            return (part.closure @ totals)[self.sets.labels]
        return product(self.sets.roots, part.closure) @ totals

    def counted(self, part: Reach, agents: np.ndarray) -> np.ndarray:
        """For each component: how many of the marked agents reach it in a part."""
        if self.sets.local:
            return part.closure.T @ np.bincount(self.sets.labels, agents, self.sets.number).astype(
                np.int64
            )
        return product(self.sets.roots, part.closure).T @ agents.astype(np.int64)


def _folded(graph: csr_array, labels: np.ndarray, number: int) -> csr_array:
    """The edges between different components."""
    rows, columns = labels[row_of_entry(graph)], labels[graph.indices]
    apart = rows != columns
    edges = (np.ones(int(apart.sum()), bool), (rows[apart], columns[apart]))
    folded = csr_array(edges, shape=(number, number))
    folded.sum_duplicates()
    return folded
