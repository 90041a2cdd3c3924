"""What every critic reads, whose rewards it predicts and which actors it advises: an algorithm as data."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array, eye_array

from mastac.errors import UserError
from mastac.structure.dependency import Dependency, gradient_dependency


class Bucket(NamedTuple):
    """Critics of similar input width, stacked into one batch of matrix products.

    `terms`: which critics. `state_rows`, `action_rows` `[terms, width]`: the rows of the flattened, padded states
    and actions that each reads, filled up with `num_…_rows` (a row of zeros). `credit` like `action_rows`: the
    weight with which each action's gradient counts for the agent that chose it. `slot_agents` `[terms, slots]`: the
    agents whose actions are read, filled with `num_agents`; `slot_columns` `[terms, slots, act]`: where in
    `action_rows` their entries stand, filled with the width. `fan_in`: the true number of inputs.
    """

    terms: np.ndarray
    state_rows: np.ndarray
    action_rows: np.ndarray
    credit: np.ndarray
    slot_agents: np.ndarray
    slot_columns: np.ndarray
    fan_in: np.ndarray


@dataclass(frozen=True, eq=False)
class CriticLayout:
    r"""Critic `m` reads `states[m]` and `actions[m]`, predicts `rewards[m]`, and advises actors by `credit[:, m]`.

    **Arguments:**

    - `states`, `actions`: `[terms, agents]`, true where critic `m` reads agent `j`'s state or action.
    - `rewards`: `[terms, agents]`, weight of agent `j`'s reward in what critic `m` predicts.
    - `credit`: `[agents, terms]`, weight of critic `m` in what actor `i` climbs ($\hat Q_i$, eq. 11).

    **Raises:**

    - `UserError` if shapes disagree, or if an actor climbs only critics that do not read its action.
    """

    agents: tuple[str, ...]
    states: csr_array
    actions: csr_array
    rewards: csr_array
    credit: csr_array

    def __post_init__(self) -> None:
        num_agents = len(self.agents)
        terms = self.num_terms
        expected = {
            "states": (terms, num_agents),
            "actions": (terms, num_agents),
            "rewards": (terms, num_agents),
            "credit": (num_agents, terms),
        }
        for name, shape in expected.items():
            matrix = csr_array(getattr(self, name), dtype=bool if name in ("states", "actions") else np.float64)
            if matrix.shape != shape:
                raise UserError(f"{name} of the critic layout has shape {matrix.shape}; expected {shape}")
            matrix.eliminate_zeros()
            matrix.sort_indices()
            object.__setattr__(self, name, matrix)

    @property
    def num_agents(self) -> int:
        return len(self.agents)

    @property
    def num_terms(self) -> int:
        return len(self.states.indptr) - 1

    def useful_credit(self) -> csr_array:
        """`credit` where the critic reads the actor's action; elsewhere its gradient is exactly zero."""
        return csr_array(self.credit.multiply(self.actions.T.tocsr()))

    def buckets(self, state_sizes: np.ndarray, action_sizes: np.ndarray, max_waste: float = 0.25) -> tuple[Bucket, ...]:
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

    def _bucket(self, terms: np.ndarray, state_sizes: np.ndarray, action_sizes: np.ndarray) -> Bucket:
        states, actions = self.states[terms], self.actions[terms]
        by_agent = self.credit.T.tocsr()[terms]
        state_width, action_width = int(np.max(state_sizes)), int(np.max(action_sizes))
        state_rows, action_rows, credit, slot_agents, slot_columns = [], [], [], [], []
        for m in range(len(terms)):
            readable = states.indices[states.indptr[m] : states.indptr[m + 1]]
            chosen = actions.indices[actions.indptr[m] : actions.indptr[m + 1]]
            state_rows.append([j * state_width + f for j in readable for f in range(state_sizes[j])])
            action_rows.append([j * action_width + f for j in chosen for f in range(action_sizes[j])])
            row = slice(by_agent.indptr[m], by_agent.indptr[m + 1])
            weight = dict(zip(by_agent.indices[row].tolist(), by_agent.data[row].tolist(), strict=True))
            credit.append([weight.get(int(j), 0.0) for j in chosen for _ in range(action_sizes[j])])
            starts = np.cumsum([0, *action_sizes[chosen]])
            slot_agents.append(chosen.tolist())
            slot_columns.append([list(range(a, b)) for a, b in pairwise(starts)])
        filled_actions = _filled(action_rows, self.num_agents * action_width)
        columns = [
            [slot + [filled_actions.shape[1]] * (action_width - len(slot)) for slot in row] for row in slot_columns
        ]
        slots = max(map(len, columns), default=0)
        empty = [filled_actions.shape[1]] * action_width
        return Bucket(
            terms=terms,
            state_rows=_filled(state_rows, self.num_agents * state_width),
            action_rows=filled_actions,
            credit=_filled(credit, 0.0).astype(np.float32),
            slot_agents=_filled(slot_agents, self.num_agents),
            slot_columns=np.array([row + [empty] * (slots - len(row)) for row in columns], dtype=np.int32).reshape(
                len(terms), slots, action_width
            ),
            fan_in=np.array([len(s) + len(a) for s, a in zip(state_rows, action_rows, strict=True)]),
        )


def _filled(rows: Sequence[Sequence[float]], fill: float) -> np.ndarray:
    """Ragged rows as one array, filled up on the right."""
    width = max(map(len, rows), default=0)
    array = np.full((len(rows), width), fill, dtype=np.float64 if isinstance(fill, float) else np.int32)
    for i, row in enumerate(rows):
        array[i, : len(row)] = row
    return array


def structured(dependency: Dependency) -> CriticLayout:
    """MAStAC: critic `i` reads $I_Q^i$, predicts agent `i`'s reward, and advises every agent in its set ($I_{GD}$)."""
    num_agents = dependency.couplings.num_agents
    return CriticLayout(
        agents=dependency.couplings.agents,
        states=dependency.states,
        actions=dependency.actions,
        rewards=csr_array(eye_array(num_agents)),
        credit=gradient_dependency(dependency),
    )
