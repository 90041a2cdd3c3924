"""Critics of similar width stacked into padded arrays, for one batched matrix product."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from mastac.structure.boolean import row_of_entry, within
from mastac.structure.kinds import Blocks


class Bucket(NamedTuple):
    """Critics of similar input width, stacked into one batch of matrix products.

    A *row* is a feature of the flattened, padded states or actions. A *slot* of a critic is an
    agent that is credited with the critic's value.

    - `terms`: which critics, `[terms]`.
    - `state_rows`, `action_rows`: the rows of states and of actions that each critic reads,
        `[terms, width]`, filled up with the number of all rows (one more row, of zeros).
    - `credit`: like `action_rows`, the weight with which the gradient in each action counts for the
        agent that chose it.
    - `slot_agents`: the agents of the slots, `[terms, slots]`, filled up with the number of agents.
    - `slot_columns`: where in `action_rows` the entries of a slot's action stand, `[terms, slots,
        act]`, filled up with the width.
    - `slot_rows`: the same as rows of the actions, filled up like `action_rows`.
    - `slot_credit`: the weights of the slots, `[terms, slots]`.
    - `fan_in`: the number of inputs without the padding, `[terms]`.
    - `open`: which states and actions, in this order, are read at which time, `[terms, times,
        inputs]`; `None` where all are read always.
    - `distance`: the smallest kappa at which an input is in the set, at least 1 for other agents,
        `[terms, inputs]`; `None` where the layout has no distances.
    - `shared`: which of the critics are one network; `None`: each is its own.
    """

    terms: np.ndarray
    state_rows: np.ndarray
    action_rows: np.ndarray
    credit: np.ndarray
    slot_agents: np.ndarray
    slot_columns: np.ndarray
    slot_rows: np.ndarray
    slot_credit: np.ndarray
    fan_in: np.ndarray
    open: np.ndarray | None = None
    distance: np.ndarray | None = None
    shared: Blocks | None = None

    @property
    def networks(self) -> np.ndarray:
        """For each network of the stack the place of a critic that it is."""
        return np.arange(len(self.terms)) if self.shared is None else self.shared.kinds.first

    @property
    def is_shared(self) -> bool:
        """Whether all critics of the stack read the same rows, as central critics do."""
        same = (self.state_rows == self.state_rows[:1]).all() and (
            self.action_rows == self.action_rows[:1]
        ).all()
        return len(self.terms) > 1 and bool(same)


def grouped_by_width(widths: np.ndarray, max_waste: float) -> list[np.ndarray]:
    """Indices in groups whose widths are at least `1 - max_waste` of the widest in the group."""
    groups: list[list[int]] = []
    for index in np.argsort(-widths, kind="stable"):
        if groups and widths[index] >= (1 - max_waste) * widths[groups[-1][0]]:
            groups[-1].append(int(index))
        else:
            groups.append([int(index)])
    return [np.sort(group) for group in groups]


class Features:
    """The features of states, or of actions, that some critics read: agent by agent, then padded.

    **Arguments:**

    - `agents`: `[terms, agents]`, true where a critic reads an agent; indices sorted.
    - `sizes`: the number of features of each agent, `[agents]`.
    """

    def __init__(self, agents: csr_array, sizes: np.ndarray) -> None:
        self.num_terms, self.num_agents = len(agents.indptr) - 1, len(sizes)
        self.term, self.agent = row_of_entry(agents), agents.indices
        self.sizes, self.size = sizes, int(np.max(sizes))
        counts = sizes[self.agent]
        self.widths = np.bincount(self.term, counts, self.num_terms).astype(np.int64)
        # Where the features of each agent begin among those of the critic.
        self.starts = _places(self.term, counts, self.num_terms)
        rows = np.repeat(self.agent.astype(np.int64) * self.size, counts) + within(counts)
        self.rows = self.padded(rows, self.num_agents * self.size, np.int32)

    def padded(self, values: np.ndarray, fill: float, dtype: type) -> np.ndarray:
        """One value for each feature as an array `[terms, width]`, filled up on the right."""
        return padded(
            values, np.repeat(self.term, self.sizes[self.agent]), self.num_terms, fill, dtype
        )

    def looked_up(self, matrix: csr_array) -> np.ndarray:
        """The entries of a matrix `[terms, agents]` for all features, `[terms, width]`."""
        values = entries_at(matrix, self.term, self.agent)
        return self.padded(np.repeat(values, self.sizes[self.agent]), 0, values.dtype.type)


def padded(
    values: np.ndarray, rows: np.ndarray, num_rows: int, fill: float, dtype: type
) -> np.ndarray:
    """Values, sorted by row, as one array `[rows, longest row]`, filled up on the right."""
    lengths = np.bincount(rows, minlength=num_rows)
    array = np.full((num_rows, int(lengths.max(initial=0))), fill, dtype=dtype)
    array[rows, within(lengths)] = values
    return array


def entries_at(matrix: csr_array, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The entries of a sparse matrix at these places; 0 where nothing is stored.

    Places are looked up by number, so that nothing of the size rows times columns is built.
    """
    matrix = matrix.sorted_indices()
    if not matrix.nnz:
        return np.zeros(len(rows), matrix.dtype)
    size = int(max(matrix.indices.max(), columns.max(initial=0))) + 1
    stored = row_of_entry(matrix).astype(np.int64) * size + matrix.indices
    wanted = np.asarray(rows, np.int64) * size + columns
    index = np.minimum(np.searchsorted(stored, wanted), len(stored) - 1)
    return np.where(stored[index] == wanted, matrix.data[index], matrix.dtype.type(0))


def bucket_of(
    terms: np.ndarray,
    states: Features,
    actions: Features,
    credit: csr_array,
    schedule: Sequence[tuple[csr_array, csr_array]] | None,
    distances: tuple[csr_array, csr_array] | None,
    shared: Blocks | None = None,
) -> Bucket:
    """The arrays of one bucket.

    **Arguments:**

    - `terms`: which critics of the layout; all that follows is of these critics alone.
    - `states`, `actions`: what they read.
    - `credit`: `[terms, agents]`, the weight of each critic for the agents whose actions it reads.
    - `schedule`: for each time which states and actions they read; `None`: all always.
    - `distances`: the kappa at which states and actions enter their sets; `None`: not asked for.
    - `shared`: which of the critics are one network.
    """
    weights = entries_at(credit, actions.term, actions.agent)
    columns, slot_agents, slot_credit = _slots(actions, weights)
    fill = np.full((len(terms), 1), actions.num_agents * actions.size)
    action_rows = np.concatenate([actions.rows, fill], axis=1)

    def of_inputs(of_states: csr_array, of_actions: csr_array) -> np.ndarray:
        """Entries of two matrices `[terms, agents]` for all inputs, states first."""
        entries = [states.looked_up(of_states), actions.looked_up(of_actions)]
        return np.concatenate(entries, axis=1)

    return Bucket(
        terms=terms,
        state_rows=states.rows,
        action_rows=actions.rows,
        credit=actions.padded(np.repeat(weights, actions.sizes[actions.agent]), 0.0, np.float32),
        slot_agents=slot_agents,
        slot_columns=columns,
        slot_rows=action_rows[np.arange(len(terms))[:, None, None], columns].astype(np.int32),
        slot_credit=slot_credit,
        fan_in=states.widths + actions.widths,
        open=None
        if schedule is None
        else np.stack([of_inputs(*pair) for pair in schedule], axis=1).astype(bool),
        distance=None if distances is None else of_inputs(*distances),
        shared=shared,
    )


def _slots(actions: Features, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`slot_columns`, `slot_agents`, `slot_credit` of a bucket; one weight for each agent read."""
    credited = np.flatnonzero(weights)
    term, agent, start = (
        entries[credited] for entries in (actions.term, actions.agent, actions.starts)
    )
    agents = padded(agent, term, actions.num_terms, actions.num_agents, np.int32)
    credit = padded(weights[credited], term, actions.num_terms, 0.0, np.float32)
    width, entry = actions.rows.shape[1], np.arange(actions.size)
    columns = np.full((*agents.shape, actions.size), width, dtype=np.int32)
    slot = within(np.bincount(term, minlength=actions.num_terms))
    is_real = entry < actions.sizes[agent][:, None]
    columns[term, slot] = np.where(is_real, start[:, None] + entry, width)
    return columns, agents, credit


def _places(rows: np.ndarray, counts: np.ndarray, num_rows: int) -> np.ndarray:
    """Where each entry begins within its row, where entries of these lengths follow each other."""
    before = np.cumsum(counts, dtype=np.int64) - counts
    of_rows = np.cumsum(np.bincount(rows, counts, num_rows).astype(np.int64))
    return before - np.concatenate([[0], of_rows])[rows]
