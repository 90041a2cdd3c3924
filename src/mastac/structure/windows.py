"""Sets of a window kappa, block of rows by block of rows: by sparse products, or by breadth-first search.

Both go back in time from the rewards. Products carry the whole set through every step and are quick
where sets are small; the search carries only what is new, marked in a dense block, and is quick
where windows are long.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from mastac.structure.boolean import Factor, product, row_pointers, sorted_rows, stacked, union
from mastac.structure.couplings import Couplings
from mastac.structure.memory_limits import EntryCounter, Estimate, drawn_agents, estimated_total

BLOCK_CELLS = 2**22
"""The search marks blocks of about so many (row, agent) cells: 4 MiB, more where `FEWEST_ROWS` asks for it."""
FEWEST_ROWS = 32
BLOCK_WORK = 2**24
"""Products are taken of blocks of rows with about so many terms."""
MANY = 4096
"""From so many agents on it is asked which way to the levels is quicker."""
SAMPLE_WORK = 10**7
"""An estimate stops drawing agents after so many terms."""
FEWEST_DRAWN, ERROR = 128, 0.005
"""… or once so many are drawn and the standard error is this share of the size."""
SEARCH_SECONDS = (3e-8, 2e-4)
"""Of a search: for each term, and for each block of rows and step. Measured by `benchmarks/structure.py`."""
PRODUCT_SECONDS = (8e-9, 1e-4)
"""Of products: the same."""


def same_sets(couplings: Couplings, minimal: bool) -> bool:
    """Whether the sets of states and actions are the same by construction."""
    return not minimal or (
        couplings.action is couplings.state and couplings.reward_action is couplings.reward
    )


def reward_needs(couplings: Couplings) -> csr_array:
    r"""The states that the reward of the row agent needs when policies act: $R \cup R^a O$."""
    if Factor(couplings.reward_action).is_identity and couplings.reward_action is couplings.reward:
        return couplings.observation
    through = product(couplings.reward_action, couplings.observation)
    # An agent sees itself, so R O holds R.
    return (
        through if couplings.reward_action is couplings.reward else union(couplings.reward, through)
    )


class Steps:
    r"""Steps back in time, from the left: sets times $S \cup A O$ with three sparse factors, never their product."""

    def __init__(self, couplings: Couplings) -> None:
        self.couplings = couplings
        self.state, self.observation = Factor(couplings.state), Factor(couplings.observation)
        self.action = (
            self.state if couplings.action is couplings.state else Factor(couplings.action)
        )

    def back(self, sets: csr_array) -> csr_array:
        """What the states in `sets` need of the states one step before, actions being chosen by the policies."""
        moved = self.state.left_product(sets)
        if self.action is self.state:  # S O holds S
            return self.observation.left_product(moved)
        return csr_array(moved + self.observation.left_product(self.action.left_product(sets)))

    def work(self, sets: csr_array) -> int:
        """About how many terms the products of a step back have."""
        moved = self.action.work(sets)
        return moved + int(moved * self.observation.lengths.mean())


def sets_by_products(
    couplings: Couplings, minimal: bool, kappa: int, rows: int
) -> tuple[csr_array, csr_array]:
    """The sets of a window, (states, actions), by sparse products of blocks of `rows` rows."""
    if minimal and kappa == 0:
        return couplings.reward, couplings.reward_action
    size, steps, start = couplings.num_agents, Steps(couplings), reward_needs(couplings)
    shared = same_sets(couplings, minimal)
    room = EntryCounter("the sets found so far", "take a smaller kappa")
    states, actions = [], []
    for first in range(0, size, rows):
        within = csr_array(start[first : first + rows]) if rows < size else start
        for _ in range(kappa - 1 if minimal else kappa):
            before, within = within.nnz, steps.back(within)
            if within.nnz == before:  # sets only grow, so they stay as they are from here on
                break
        if minimal:
            if not shared:
                actions.append(sorted_rows(steps.action.left_product(within)))
                room.add(actions[-1].nnz)
            within = steps.state.left_product(within)
        states.append(sorted_rows(within))
        room.add(within.nnz)
    found = stacked(states, size)
    return found, found if shared else stacked(actions, size)


def sets_by_search(
    couplings: Couplings, minimal: bool, kappa: int | None
) -> tuple[csr_array, csr_array]:
    """The sets of a window (`None`: the exact ones), (states, actions), by breadth-first search."""
    states, actions = smallest_kappas(couplings, minimal, kappa)
    found = _pattern(states)
    return found, found if actions is states else _pattern(actions)


def smallest_kappas(
    couplings: Couplings, minimal: bool = True, limit: int | None = None
) -> tuple[csr_array, csr_array]:
    """The smallest kappa at which each agent is in each set: (for states, for actions).

    Both are csr matrices of int32, row depends on column, whose stored entries (0 among them) are
    the sets of `kappa = limit`, or the exact ones for `None`. The sets of a smaller kappa are the
    entries up to it.
    """
    size = couplings.num_agents
    if limit is not None and size > MANY:
        expected, rows = plan(couplings, minimal, limit)
        if expected.method == "products":
            return smallest_kappas_by_products(couplings, minimal, limit, rows)
    rows = rows_of_search_block(size)
    search = _Search(couplings, minimal, limit, rows)
    room = EntryCounter("the sets found so far", "take a smaller kappa")
    states, actions = [], []
    for first in range(0, size, rows):
        found = search.from_agents(np.arange(first, min(first + rows, size)))
        states.append(found.states.matrix())
        if found.actions is not found.states:
            actions.append(found.actions.matrix())
            room.add(actions[-1].nnz)
        room.add(states[-1].nnz)
    levels = _levels(states, size)
    return levels, levels if same_sets(couplings, minimal) else _levels(actions, size)


def smallest_kappas_by_products(
    couplings: Couplings, minimal: bool, limit: int, rows: int
) -> tuple[csr_array, csr_array]:
    """The same by products of blocks of rows. Sets only grow: what is in the last `n` of them entered at the first."""
    size, steps, start = couplings.num_agents, Steps(couplings), reward_needs(couplings)
    shared = same_sets(couplings, minimal)
    room = EntryCounter("the sets found so far", "take a smaller kappa")
    blocks: list[list[csr_array]] = []
    for first in range(0, size, rows):
        block = slice(first, first + rows)
        within = csr_array(start[block])
        own = (
            [couplings.reward, couplings.reward_action][: 1 if shared else 2]
            if minimal
            else [start]
        )
        counts = [csr_array(each[block]).astype(np.int32) for each in own]
        for _ in range(limit):
            before = within
            within = steps.back(before)
            sets = [within]
            if minimal:
                sets = [
                    factor.left_product(before)
                    for factor in (steps.state, steps.action)[: len(own)]
                ]
            counts = [
                csr_array(count + each.astype(np.int32))
                for count, each in zip(counts, sets, strict=True)
            ]
        for count in counts:
            count.data = np.int32(limit + 1) - count.data
            room.add(count.nnz)
        blocks.append([sorted_rows(csr_array(count)) for count in counts])
    found = [_levels(list(each), size) for each in zip(*blocks, strict=True)]
    return found[0], found[-1]


def rows_of_search_block(size: int) -> int:
    """Rows of a block of the search."""
    return max(BLOCK_CELLS // size, min(FEWEST_ROWS, 2**26 // size), 1)


def plan(couplings: Couplings, minimal: bool, kappa: int) -> tuple[Estimate, int]:
    """The size of the sets by a search from some of the agents, the cheaper way, and the rows of its blocks."""
    size = couplings.num_agents
    agents, rows = drawn_agents(size), rows_of_search_block(size)
    search = _Search(couplings, minimal, kappa, rows)
    sizes: list[np.ndarray] = []
    work = work_of_products = depth = drawn = 0
    total = error = 0.0
    for first in range(0, len(agents), rows):
        block = np.sort(agents[first : first + rows])
        found = search.from_agents(block)
        counts = found.states.counts()
        sizes.append(counts if found.actions is found.states else counts + found.actions.counts())
        work, work_of_products = work + found.work, work_of_products + found.work_of_products
        depth, drawn = max(depth, found.depth), drawn + len(block)
        total, error = estimated_total(np.concatenate(sizes), size)
        if work > SAMPLE_WORK or (drawn >= FEWEST_DRAWN and error < ERROR * total):
            break
    work, work_of_products = work * size / drawn, work_of_products * size / drawn
    most = int(np.clip(BLOCK_WORK * size / max(work_of_products, 1), 1, size))
    searching = SEARCH_SECONDS[0] * work + SEARCH_SECONDS[1] * depth * size / rows
    products = PRODUCT_SECONDS[0] * work_of_products + PRODUCT_SECONDS[1] * depth * size / most
    return Estimate(total, error, drawn, "search" if searching < products else "products"), most


class _SearchResult(NamedTuple):
    """What a search from a block of agents found, and its work."""

    states: _FirstSeen
    actions: _FirstSeen
    work: int
    """Terms of its products."""
    work_of_products: int
    """The terms that products of whole sets would have had."""
    depth: int


class _Search:
    """Breadth-first search back in time from the rewards of some agents, block after block on the same marks."""

    def __init__(self, couplings: Couplings, minimal: bool, limit: int | None, rows: int) -> None:
        self.couplings, self.minimal, self.limit = couplings, minimal, limit
        self.steps, self.start = Steps(couplings), reward_needs(couplings)
        self.shared = same_sets(couplings, minimal)
        self.walked = _FirstSeen(rows, couplings.num_agents)
        self.states = _FirstSeen(rows, couplings.num_agents) if minimal else self.walked
        self.actions = self.states if self.shared else _FirstSeen(rows, couplings.num_agents)

    def from_agents(self, agents: np.ndarray) -> _SearchResult:
        """What this search finds from a block of agents; it holds until the next block."""
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
            if not (self.minimal and level == limit):
                frontier = walked.add(steps.back(frontier), level)
        return _SearchResult(states, actions, work, work_of_products, level)


class _FirstSeen:
    """Marks of a block of rows: which (row, agent) was seen, and at which level first."""

    def __init__(self, rows: int, size: int) -> None:
        self.rows, self.size = rows, size
        self.seen = np.zeros(rows * size, bool)
        self.keys: list[np.ndarray] = []
        self.levels: list[np.ndarray] = []

    def restart(self, rows: int) -> None:
        """Begins a block of so many rows; clearing what was marked is quicker than a new array."""
        for keys in self.keys:
            self.seen[keys] = False
        self.rows, self.keys, self.levels = rows, [], []

    def add(self, entries: csr_array, level: int) -> csr_array:
        """Marks the entries and returns those that are new."""
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


def _levels(blocks: list[csr_array], size: int) -> csr_array:
    whole = stacked(blocks, size)
    if len(blocks) == 1:
        return whole
    return csr_array(
        (np.concatenate([block.data for block in blocks]), whole.indices, whole.indptr),
        shape=whole.shape,
    )


def _pattern(levels: csr_array) -> csr_array:
    return csr_array((np.ones(levels.nnz, bool), levels.indices, levels.indptr), shape=levels.shape)
