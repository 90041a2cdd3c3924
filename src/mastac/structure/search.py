"""Breadth-first search back in time, from the rewards of a block of agents at once."""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from mastac.structure.boolean import row_pointers
from mastac.structure.couplings import Couplings
from mastac.structure.steps import Steps, reward_needs, same_sets


class FirstSeen:
    """Marks of a block of rows: which (row, agent) was seen, and at which level first."""

    def __init__(self, rows: int, size: int) -> None:
        self.rows, self.size = rows, size
        self.seen = np.zeros(rows * size, bool)
        self.keys: list[np.ndarray] = []
        self.levels: list[np.ndarray] = []

    def restart(self, rows: int) -> None:
        """Begin a block of so many rows; clearing the marks is quicker than a new array."""
        for keys in self.keys:
            self.seen[keys] = False
        self.rows, self.keys, self.levels = rows, [], []

    def add(self, entries: csr_array, level: int) -> csr_array:
        """Mark the entries and return those that are new."""
        row = np.repeat(np.arange(self.rows, dtype=np.int64), np.diff(entries.indptr))
        keys = row * self.size + entries.indices
        new = ~self.seen[keys]
        keys, row = keys[new], row[new]
        self.seen[keys] = True
        self.keys.append(keys)
        self.levels.append(np.full(len(keys), level, np.int32))
        ends = row_pointers(np.bincount(row, minlength=self.rows))
        return csr_array(
            (np.ones(len(keys), bool), entries.indices[new], ends), shape=(self.rows, self.size)
        )

    def counts(self) -> np.ndarray:
        """How many entries each row has."""
        return np.bincount(np.concatenate(self.keys) // self.size, minlength=self.rows)

    def matrix(self) -> csr_array:
        """The levels, indices sorted."""
        keys, levels = np.concatenate(self.keys), np.concatenate(self.levels)
        order = np.argsort(keys)
        ends = row_pointers(self.counts())
        return csr_array(
            (levels[order], (keys[order] % self.size).astype(np.int32), ends),
            shape=(self.rows, self.size),
        )


class SearchResult(NamedTuple):
    """What a search from a block of agents has reached, and what it cost.

    - `states`, `actions`: the marked sets.
    - `work`: of its products; `work_of_products`: of products of whole sets, had they been taken.
    - `depth`: how many steps it went.
    """

    states: FirstSeen
    actions: FirstSeen
    work: int
    work_of_products: int
    depth: int


class Search:
    """Breadth-first search back in time from the rewards of one block of agents after another."""

    def __init__(self, couplings: Couplings, minimal: bool, limit: int | None, rows: int) -> None:
        self.couplings, self.minimal, self.limit = couplings, minimal, limit
        self.steps, self.start = Steps(couplings), reward_needs(couplings)
        self.shared = same_sets(couplings, minimal)
        self.walked = FirstSeen(rows, couplings.num_agents)
        self.states = FirstSeen(rows, couplings.num_agents) if minimal else self.walked
        self.actions = self.states if self.shared else FirstSeen(rows, couplings.num_agents)

    def from_agents(self, agents: np.ndarray) -> SearchResult:
        """Search from a block of agents; the result holds until the next block."""
        couplings, steps, limit = self.couplings, self.steps, self.limit
        walked, states, actions = self.walked, self.states, self.actions
        for marks in {id(marks): marks for marks in (walked, states, actions)}.values():
            marks.restart(len(agents))
        if self.minimal:
            states.add(csr_array(couplings.reward[agents]), 0)
            if not self.shared:
                actions.add(csr_array(couplings.reward_action[agents]), 0)
        level = work = work_of_products = 0
        frontier = walked.add(csr_array(self.start[agents]), 0)
        while frontier.nnz and (limit is None or level < limit):
            level += 1
            if self.minimal:
                states.add(steps.state.left_product(frontier), level)
                if not self.shared:
                    actions.add(steps.action.left_product(frontier), level)
            work += steps.work(frontier)
            work_of_products += work
            # The minimal set of the last step needs no policy, so nothing further is carried.
            if not (self.minimal and level == limit):
                frontier = walked.add(steps.back(frontier), level)
        return SearchResult(states, actions, work, work_of_products, level)
