"""What every critic reads, whose rewards it predicts and which actors it advises: an algorithm as data."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from mastac.errors import UserError


class Bucket(NamedTuple):
    """Critics of similar input width, stacked into one batch of matrix products.

    `terms`: which critics. `state_rows`, `action_rows` `[terms, width]`: the rows of the flattened,
    padded states and actions that each reads, filled up with `num_…_rows` (a row of zeros).
    `credit` like `action_rows`: the weight with which each action's gradient counts for the agent
    that chose it. A slot is an agent that a critic advises: `slot_agents` `[terms, slots]`, filled
    with `num_agents`; `slot_columns` `[terms, slots, act]`: where in `action_rows` its action's
    entries stand, filled with the width; `slot_rows` alike: which rows of the actions these are;
    `slot_credit` `[terms, slots]`: with what weight. `fan_in`: the true number of inputs. `open`
    `[terms, times, inputs]`: which states and actions, in this order, are in the set at which time;
    `None`: all. `distance` `[terms, inputs]`: the smallest kappa at which each of them is in the
    set, at least 1 for
        others; `None` where nobody asked.
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

    @property
    def is_shared(self) -> bool:
        """Whether all critics of the stack read the same rows, as central critics do."""
        same = (self.state_rows == self.state_rows[:1]).all() and (
            self.action_rows == self.action_rows[:1]
        ).all()
        return len(self.terms) > 1 and bool(same)


@dataclass(frozen=True, eq=False)
class CriticLayout:
    r"""Term `m` reads `states[m]` and `actions[m]`; a value predicts `rewards[v]` and advises actors by `credit[:, v]`.

    A term is a network. Without `mix` every term is a value of its own, a critic; with it value `v`
    is made of the terms of row `v`, and only values have a temporal-difference target.

    **Arguments:**

    - `states`, `actions`: `[terms, agents]`, true where term `m` reads agent `j`'s state or action.
    - `rewards`: `[values, agents]`, weight of agent `j`'s reward in value `v`.
    - `credit`: `[agents, values]`, weight of value `v` in what actor `i` climbs ($\hat Q_i$, eq.
        11).
    - `mix`: `[values, terms]`, weight of term `m` in value `v`; `None` where terms are values.
    - `schedule`: for each time which of `states` and `actions` are read then; `None` where it is
        all of them always. An input that is not read at a time is zero to the critic, and no actor
        hears of its slope.
    - `distances`: the smallest kappa at which term `m` reads agent `j`'s state, and its action, at
        least 1 for others; `None`: nobody asked.

    **Raises:**

    - `UserError` if shapes disagree.
    """

    agents: tuple[str, ...]
    states: csr_array
    actions: csr_array
    rewards: csr_array
    credit: csr_array
    mix: csr_array | None = None
    schedule: tuple[tuple[csr_array, csr_array], ...] | None = None
    distances: tuple[csr_array, csr_array] | None = None

    def __post_init__(self) -> None:
        num_agents = len(self.agents)
        terms, values = self.num_terms, self.num_values
        expected = {
            "states": (terms, num_agents),
            "actions": (terms, num_agents),
            "rewards": (values, num_agents),
            "credit": (num_agents, values),
        }
        if self.mix is not None:
            expected["mix"] = (values, terms)
        for name, shape in expected.items():
            matrix = csr_array(
                getattr(self, name), dtype=bool if name in ("states", "actions") else np.float64
            )
            if matrix.shape != shape:
                raise UserError(
                    f"{name} of the critic layout has shape {matrix.shape}; expected {shape}"
                )
            matrix.eliminate_zeros()
            matrix.sort_indices()
            object.__setattr__(self, name, matrix)
        for time, entry in enumerate(self.schedule or ()):
            for name, matrix in zip(("states", "actions"), entry, strict=True):
                if csr_array(matrix > getattr(self, name)).nnz:
                    raise UserError(
                        f"the schedule of the critic layout reads {name} at time {time} that are not in {name}"
                    )

    @property
    def num_agents(self) -> int:
        return len(self.agents)

    @property
    def num_terms(self) -> int:
        return len(self.states.indptr) - 1

    @property
    def num_values(self) -> int:
        return self.num_terms if self.mix is None else len(self.mix.indptr) - 1

    def without_actions(self) -> "CriticLayout":
        """The layout of critics of states alone, which advise the same actors."""

        def none(actions: csr_array) -> csr_array:
            return csr_array(actions.shape, dtype=bool)

        schedule = (
            None
            if self.schedule is None
            else tuple((states, none(acts)) for states, acts in self.schedule)
        )
        return replace(self, actions=none(self.actions), schedule=schedule)

    def credit_of_terms(self) -> csr_array:
        """`[agents, terms]`: `credit`, handed down to the terms that the values are made of."""
        return self.credit if self.mix is None else csr_array(self.credit @ self.mix)

    def useful_credit(self) -> csr_array:
        """`credit_of_terms` where the term reads the actor's action; elsewhere its gradient is exactly zero."""
        return csr_array(self.credit_of_terms().multiply(self.actions.T.tocsr()))

    def buckets(
        self, state_sizes: np.ndarray, action_sizes: np.ndarray, max_waste: float = 0.25
    ) -> tuple[Bucket, ...]:
        """Critics sorted into stacks whose padding wastes at most `max_waste` of the first layer's width."""
        widths = self.states @ np.asarray(state_sizes) + self.actions @ np.asarray(action_sizes)
        order = np.argsort(-widths, kind="stable")
        groups: list[list[int]] = []
        for term in order:
            if groups and widths[term] >= (1 - max_waste) * widths[groups[-1][0]]:
                groups[-1].append(int(term))
            else:
                groups.append([int(term)])
        return tuple(self._bucket(np.sort(group), state_sizes, action_sizes) for group in groups)

    def _bucket(
        self, terms: np.ndarray, state_sizes: np.ndarray, action_sizes: np.ndarray
    ) -> Bucket:
        states, actions = self.states[terms], self.actions[terms]
        by_agent = self.credit_of_terms().T.tocsr()[terms]
        state_width, action_width = int(np.max(state_sizes)), int(np.max(action_sizes))
        state_rows, action_rows, credit, slot_agents, slot_columns, slot_credit = (
            [],
            [],
            [],
            [],
            [],
            [],
        )
        for m in range(len(terms)):
            readable = states.indices[states.indptr[m] : states.indptr[m + 1]]
            chosen = actions.indices[actions.indptr[m] : actions.indptr[m + 1]]
            state_rows.append(
                [j * state_width + f for j in readable for f in range(state_sizes[j])]
            )
            action_rows.append(
                [j * action_width + f for j in chosen for f in range(action_sizes[j])]
            )
            row = slice(by_agent.indptr[m], by_agent.indptr[m + 1])
            weight = dict(
                zip(by_agent.indices[row].tolist(), by_agent.data[row].tolist(), strict=True)
            )
            credit.append([weight.get(int(j), 0.0) for j in chosen for _ in range(action_sizes[j])])
            starts = np.cumsum([0, *action_sizes[chosen]])
            advised = [
                (int(j), a, b)
                for j, (a, b) in zip(chosen, pairwise(starts), strict=True)
                if int(j) in weight
            ]
            slot_agents.append([j for j, _, _ in advised])
            slot_columns.append([list(range(a, b)) for _, a, b in advised])
            slot_credit.append([weight[j] for j, _, _ in advised])
        filled_states = _filled(state_rows, self.num_agents * state_width)
        filled_actions = _filled(action_rows, self.num_agents * action_width)
        columns = _slots(slot_columns, filled_actions.shape[1], action_width)
        padded = np.concatenate(
            [filled_actions, np.full((len(terms), 1), self.num_agents * action_width)], axis=1
        )
        return Bucket(
            terms=terms,
            state_rows=filled_states,
            action_rows=filled_actions,
            credit=_filled(credit, 0.0).astype(np.float32),
            slot_agents=_filled(slot_agents, self.num_agents),
            slot_columns=columns,
            slot_rows=padded[np.arange(len(terms))[:, None, None], columns].astype(np.int32),
            slot_credit=_filled(slot_credit, 0.0).astype(np.float32),
            fan_in=np.array(
                [len(s) + len(a) for s, a in zip(state_rows, action_rows, strict=True)]
            ),
            open=self._open(terms, (filled_states, state_width), (filled_actions, action_width)),
            distance=self._distance(
                terms, (filled_states, state_width), (filled_actions, action_width)
            ),
        )

    def _open(self, terms: np.ndarray, *reads: tuple[np.ndarray, int]) -> np.ndarray | None:
        """`Bucket.open`, from the rows that are read and how many of them an agent has, of states and of actions."""
        if self.schedule is None:
            return None
        times = [
            np.concatenate(
                [_at(each[terms], read) for each, read in zip(entry, reads, strict=True)], axis=1
            )
            for entry in self.schedule
        ]
        return np.stack(times, axis=1).astype(bool)

    def _distance(self, terms: np.ndarray, *reads: tuple[np.ndarray, int]) -> np.ndarray | None:
        """`Bucket.distance`, from the same."""
        if self.distances is None:
            return None
        return np.concatenate(
            [_at(each[terms], read) for each, read in zip(self.distances, reads, strict=True)],
            axis=1,
        )


def _at(matrix: csr_array, read: tuple[np.ndarray, int]) -> np.ndarray:
    """What a matrix `[terms, agents]` says of the agent of every row that is read; 0 for the row of zeros.

    Entries are looked up by number, so that nothing of terms times agents is built.
    """
    rows, width = read
    matrix = matrix.sorted_indices()
    terms = np.arange(len(rows), dtype=np.int64)
    beyond = max(int(matrix.indices.max(initial=0)), int(rows.max(initial=0)) // width) + 1
    stored = np.repeat(terms, np.diff(matrix.indptr)) * beyond + matrix.indices
    wanted = (
        terms[:, None] * beyond + rows // width
    )  # the row of zeros belongs to an agent that nobody is
    place = np.minimum(np.searchsorted(stored, wanted), max(len(stored) - 1, 0))
    return (
        np.where(stored[place] == wanted, matrix.data[place], 0)
        if len(stored)
        else np.zeros(rows.shape, int)
    )


def _slots(columns: Sequence[Sequence[Sequence[int]]], fill: int, width: int) -> np.ndarray:
    """Ragged lists of lists as one array `[terms, slots, width]`, filled up."""
    slots = max(map(len, columns), default=0)
    array = np.full((len(columns), slots, width), fill, dtype=np.int32)
    for m, row in enumerate(columns):
        for place, slot in enumerate(row):
            array[m, place, : len(slot)] = slot
    return array


def _filled(rows: Sequence[Sequence[float]], fill: float) -> np.ndarray:
    """Ragged rows as one array, filled up on the right."""
    width = max(map(len, rows), default=0)
    array = np.full(
        (len(rows), width), fill, dtype=np.float64 if isinstance(fill, float) else np.int32
    )
    for i, row in enumerate(rows):
        array[i, : len(row)] = row
    return array
