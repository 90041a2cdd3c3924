"""The sets of a window of kappa steps, by sparse products or by breadth-first search.

Both go back in time from the rewards, for one block of rows after the other. Products carry the
whole set through every step and are quick where sets are small; the search carries only what is
new, marked in a dense block, and is quick where windows are long.
"""

import numpy as np
from scipy.sparse import csr_array

from mastac.structure.boolean import sorted_rows, stacked
from mastac.structure.couplings import Couplings
from mastac.structure.memory_limits import EntryCounter, Estimate, drawn_agents, estimated_total
from mastac.structure.search import Search
from mastac.structure.steps import Steps, reward_needs, same_sets

BLOCK_CELLS = 2**22
"""The search marks blocks of about so many (row, agent) cells, which is 4 MiB."""
FEWEST_ROWS = 32
"""… but of no fewer rows than this, unless the memory asks for it."""
BLOCK_WORK = 2**24
"""Products are taken of blocks of rows with about so much work (see `Factor.work`)."""
MANY = 4096
"""From so many agents on, the quicker way to the smallest kappas is chosen."""
SAMPLE_WORK = 10**7
"""An estimate stops drawing agents after so much work."""
FEWEST_DRAWN, ERROR = 128, 0.005
"""… or once so many are drawn and the standard error is this share of the size."""
SEARCH_SECONDS = (3e-8, 2e-4)
"""Of a search, for each unit of work, and for each step of a block (`benchmarks/structure.py`)."""
PRODUCT_SECONDS = (8e-9, 1e-4)
"""The same of products."""


def sets_by_products(
    couplings: Couplings, minimal: bool, kappa: int, rows: int
) -> tuple[csr_array, csr_array]:
    """The sets of a window by sparse products of blocks of `rows` rows.

    See [`mastac.value_dependency`][] for the recursion $U(t)$ and the minimal set.

    **Returns:**

    The sets of states and of actions, `[agents, agents]`, row depends on column.
    """
    if minimal and kappa == 0:
        return couplings.reward, couplings.reward_action
    size, steps, start = couplings.num_agents, Steps(couplings), reward_needs(couplings)
    shared = same_sets(couplings, minimal)
    counter = EntryCounter("the sets found so far", "take a smaller kappa")
    states, actions = [], []
    for first in range(0, size, rows):
        within = csr_array(start[first : first + rows]) if rows < size else start
        for _ in range(kappa - 1 if minimal else kappa):
            before, within = within.nnz, steps.back(within)
            if within.nnz == before:  # sets only grow: this is the fixed point
                break
        if minimal:
            if not shared:
                actions.append(sorted_rows(steps.action.left_product(within)))
                counter.add(actions[-1].nnz)
            within = steps.state.left_product(within)
        states.append(sorted_rows(within))
        counter.add(within.nnz)
    result = stacked(states, size)
    return result, result if shared else stacked(actions, size)


def sets_by_search(
    couplings: Couplings, minimal: bool, kappa: int | None
) -> tuple[csr_array, csr_array]:
    """The sets of states and of actions of a window (`None`: the exact ones), by search."""
    states, actions = smallest_kappas(couplings, minimal, kappa)
    result = _pattern(states)
    return result, result if actions is states else _pattern(actions)


def smallest_kappas(
    couplings: Couplings, minimal: bool = True, limit: int | None = None
) -> tuple[csr_array, csr_array]:
    """The smallest kappa at which each agent is in each set, for states and for actions.

    **Arguments:**

    - `couplings`: the same at all times.
    - `minimal`: as in [`mastac.value_dependency`][].
    - `limit`: the largest kappa that is looked at; `None` for the exact sets.

    **Returns:**

    Two csr matrices of int32, `[agents, agents]`, row depends on column. Their stored entries, 0
    among them, are the sets of `kappa = limit`; the sets of a smaller kappa are the entries up to
    it.
    """
    size = couplings.num_agents
    if limit is not None and size > MANY:
        expected, rows = plan(couplings, minimal, limit)
        if expected.method == "products":
            return smallest_kappas_by_products(couplings, minimal, limit, rows)
    rows = rows_of_search_block(size)
    search = Search(couplings, minimal, limit, rows)
    counter = EntryCounter("the sets found so far", "take a smaller kappa")
    states, actions = [], []
    for first in range(0, size, rows):
        result = search.from_agents(np.arange(first, min(first + rows, size)))
        states.append(result.states.matrix())
        if result.actions is not result.states:
            actions.append(result.actions.matrix())
            counter.add(actions[-1].nnz)
        counter.add(states[-1].nnz)
    levels = _levels(states, size)
    return levels, levels if same_sets(couplings, minimal) else _levels(actions, size)


def smallest_kappas_by_products(
    couplings: Couplings, minimal: bool, limit: int, rows: int
) -> tuple[csr_array, csr_array]:
    """As [`smallest_kappas`][], by products of blocks of `rows` rows.

    Sets only grow: what is in the last `n` of `limit + 1` sets entered at `limit + 1 - n`.
    """
    size, steps, start = couplings.num_agents, Steps(couplings), reward_needs(couplings)
    shared = same_sets(couplings, minimal)
    counter = EntryCounter("the sets found so far", "take a smaller kappa")
    blocks: list[list[csr_array]] = []
    for first in range(0, size, rows):
        block = slice(first, first + rows)
        within = csr_array(start[block])
        own = (
            [couplings.reward, couplings.reward_action][: 1 if shared else 2]
            if minimal
            else [start]
        )
        counts = [csr_array(matrix[block]).astype(np.int32) for matrix in own]
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
                csr_array(count + matrix.astype(np.int32))
                for count, matrix in zip(counts, sets, strict=True)
            ]
        for count in counts:
            count.data = np.int32(limit + 1) - count.data
            counter.add(count.nnz)
        blocks.append([sorted_rows(csr_array(count)) for count in counts])
    result = [_levels(list(rows_of_one), size) for rows_of_one in zip(*blocks, strict=True)]
    return result[0], result[-1]


def rows_of_search_block(size: int) -> int:
    """Rows of a block of the search."""
    return max(BLOCK_CELLS // size, min(FEWEST_ROWS, 2**26 // size), 1)


def plan(couplings: Couplings, minimal: bool, kappa: int) -> tuple[Estimate, int]:
    """How to compute the sets of a window, by a trial on some of the agents.

    **Returns:**

    The size of the sets with the cheaper method, and the rows of a block of products.
    """
    size = couplings.num_agents
    agents, rows = drawn_agents(size), rows_of_search_block(size)
    search = Search(couplings, minimal, kappa, rows)
    sizes: list[np.ndarray] = []
    work = work_of_products = depth = drawn = 0
    total = error = 0.0
    for first in range(0, len(agents), rows):
        block = np.sort(agents[first : first + rows])
        result = search.from_agents(block)
        counts = result.states.counts()
        sizes.append(
            counts if result.actions is result.states else counts + result.actions.counts()
        )
        work, work_of_products = work + result.work, work_of_products + result.work_of_products
        depth, drawn = max(depth, result.depth), drawn + len(block)
        total, error = estimated_total(np.concatenate(sizes), size)
        if work > SAMPLE_WORK or (drawn >= FEWEST_DRAWN and error < ERROR * total):
            break
    work, work_of_products = work * size / drawn, work_of_products * size / drawn
    most = int(np.clip(BLOCK_WORK * size / max(work_of_products, 1), 1, size))
    searching = SEARCH_SECONDS[0] * work + SEARCH_SECONDS[1] * depth * size / rows
    products = PRODUCT_SECONDS[0] * work_of_products + PRODUCT_SECONDS[1] * depth * size / most
    return Estimate(total, error, drawn, "search" if searching < products else "products"), most


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
