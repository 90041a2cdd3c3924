"""The smallest window at which each agent enters each set, by breadth-first search back from the rewards."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from mastac.structure.boolean import product, union
from mastac.structure.couplings import Couplings

BLOCK_CELLS = 2**22
"""Rows are searched in blocks of at most so many (row, agent) marks: 4 MiB however many agents there are."""


def same_sets(couplings: Couplings, minimal: bool) -> bool:
    """Whether the sets of states and actions are the same by construction."""
    return not minimal or (couplings.action is couplings.state and couplings.reward_action is couplings.reward)


def reward_needs(couplings: Couplings) -> csr_array:
    r"""The states that the reward of the row agent needs when policies act: $R \cup R^a O$."""
    return union(couplings.reward, product(couplings.reward_action, couplings.observation))


def step_needs(couplings: Couplings) -> csr_array:
    r"""The states that the next state of the row agent needs when policies act: $S \cup A O$."""
    return union(couplings.state, product(couplings.action, couplings.observation))


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
    return found, found if same_sets(couplings, minimal) else _stacked(actions, size)


def _first_windows_of(
    couplings: Couplings, start: csr_array, step: csr_array, block: slice, minimal: bool, limit: int | None
) -> tuple[_FirstSeen, _FirstSeen]:
    """Breadth-first search back in time from the rewards of a block of agents."""
    size, rows = couplings.num_agents, block.stop - block.start
    shared = same_sets(couplings, minimal)
    walked, states = _FirstSeen(rows, size), _FirstSeen(rows, size)
    actions = states if shared else _FirstSeen(rows, size)
    if minimal:
        states.add(csr_array(couplings.reward[block]), 0)
        if not shared:
            actions.add(csr_array(couplings.reward_action[block]), 0)
    level, frontier = 0, walked.add(csr_array(start[block]), 0)
    while frontier.nnz and (limit is None or level < limit):
        level += 1
        if minimal:
            states.add(product(frontier, couplings.state), level)
            if not shared:
                actions.add(product(frontier, couplings.action), level)
        if not (minimal and level == limit):
            frontier = walked.add(product(frontier, step), level)
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
