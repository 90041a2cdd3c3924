"""The windows of a report, resolved once: where sets become exact, and the kappas of the table.

A window is a number kappa: rewards up to kappa steps ahead count for a set.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from mastac.analysis.window_sums import kappa_schedule
from mastac.structure import Couplings, CouplingSequence
from mastac.structure.dependency import estimate
from mastac.structure.windows import smallest_kappas

LARGE = 4000
"""With more agents the table stops early: exact sets may have agents x agents entries."""
EARLY, EARLY_ENTRIES = (16, 12, 8, 6, 4, 3, 2, 1), 3 * 10**7
"""It then ends with the largest of these windows whose sets have no more entries than that."""
BLOCK_TERMS = 2**24
"""Terms that the search through a schedule holds at once."""


class Windows(NamedTuple):
    """From which kappa on each agent is in each set, and from which kappa on all sets are exact.

    - `union`: the couplings; of a sequence, every edge that is there at some step.
    - `levels`: the smallest kappa at which each agent enters each set of the union, for states and
        for actions ([`smallest_kappas`][mastac.structure.windows.smallest_kappas]).
    - `exact_from`: the smallest kappa at which all sets are exact, of a sequence at all steps;
        `None` where it lies past the end of the table.
    - `kappa`: the window asked for; `None` for the exact sets.
    - `window`: the window of the union whose sets are reported; `None` for its exact sets.
    - `kappas`: those of the table.
    """

    union: Couplings
    levels: tuple[csr_array, csr_array]
    exact_from: int | None
    kappa: int | None
    window: int | None
    kappas: list[int]

    def is_exact(self, kappa: int | None) -> bool:
        """Whether the sets of this window are the exact ones."""
        return kappa is None or (self.exact_from is not None and kappa >= self.exact_from)


def windows_of(couplings: Couplings | CouplingSequence, kappa: int | None) -> Windows:
    """Resolve the windows of a report.

    **Arguments:**

    - `couplings`: the same at all times, or a sequence.
    - `kappa`: the window asked for; `None` for the exact sets.
    """
    if isinstance(couplings, CouplingSequence):
        return _of_sequence(couplings, kappa)
    complete = couplings.num_agents <= LARGE or (kappa or 0) >= couplings.num_agents
    limit = None if complete else max(_early(couplings), kappa or 0)
    levels = smallest_kappas(couplings, limit=limit)
    last = _last(levels)
    # The sets of kappa + 1 follow from those of kappa, so they are exact once they stop growing.
    exact_from = last if limit is None or last < limit else None
    return Windows(couplings, levels, exact_from, kappa, kappa, kappa_schedule(last, kappa))


def _of_sequence(sequence: CouplingSequence, kappa: int | None) -> Windows:
    """The windows of the union, up to the one at which the sets of the sequence are exact."""
    union = sequence.union()
    if union.num_agents > LARGE:
        return windows_of(union, kappa)._replace(exact_from=None)
    exact_from = exact_window(sequence)
    levels = smallest_kappas(union, limit=exact_from)
    window = exact_from if kappa is None else min(kappa, exact_from)
    # Sets of the union that have stopped growing are its exact ones.
    window = None if _last(levels) < exact_from and window >= _last(levels) else window
    return Windows(union, levels, exact_from, kappa, window, kappa_schedule(exact_from, kappa))


def _last(levels: tuple[csr_array, csr_array]) -> int:
    return max(int(matrix.data.max()) for matrix in levels)


def exact_window(sequence: CouplingSequence) -> int:
    r"""The smallest kappa at which the sets of all steps of a sequence are exact.

    One pass back in time. With $D_t[i, j]$ the smallest delay of a reward of agent i that needs the
    state of agent j at time t when policies act, a state enters the value at t after
    $V_t = \min(0 \text{ on } R_t,\; 1 + D_{t+1} \otimes S_t)$ steps, an action likewise by $R^a_t$
    and $A_t$, and $D_t$ is the smaller of what states and, through observations, actions need. The
    product takes minima over the stored entries; the largest entry of all $V_t$ is the answer.
    """
    kinds = sequence.kinds
    columns = {kind: _Columns.of(sequence[kind]) for kind in set(kinds)}
    size = sequence.num_agents
    terms = max(matrix.nnz for step in columns.values() for matrix in step.matrices)
    rows = max(1, BLOCK_TERMS // terms)
    largest, never = 0, np.iinfo(np.int32).max - 1
    for first in range(0, size, rows):
        block = slice(first, first + rows)
        needed = np.full((min(rows, size - first), size), never, np.int32)
        for kind in reversed(kinds):
            now, step = sequence[kind], columns[kind]
            later = np.where(needed < never, needed + 1, never)
            states, actions = (_smallest(later, matrix) for matrix in (step.state, step.action))
            states[csr_array(now.reward[block]).nonzero()] = 0
            actions[csr_array(now.reward_action[block]).nonzero()] = 0
            for delays in (states, actions):
                largest = max(largest, int(delays[delays < never].max()))
            needed = np.minimum(states, _smallest(actions, step.observation))
    return largest


class _Columns(NamedTuple):
    """The graphs of one step, transposed: row enters column."""

    state: csr_array
    action: csr_array
    observation: csr_array

    @staticmethod
    def of(couplings: Couplings) -> _Columns:
        graphs = (couplings.state, couplings.action, couplings.observation)
        return _Columns(*(csr_array(graph.T.tocsr()) for graph in graphs))

    @property
    def matrices(self) -> tuple[csr_array, ...]:
        return (self.state, self.action, self.observation)


def _smallest(delays: np.ndarray, entering: csr_array) -> np.ndarray:
    """For each column the smallest delay over what it enters; no column is empty."""
    return np.minimum.reduceat(delays[:, entering.indices], entering.indptr[:-1], axis=1)


def _early(couplings: Couplings) -> int:
    """The last window of the table where agents are many."""
    fits = (window for window in EARLY if estimate(couplings, window).entries <= EARLY_ENTRIES)
    return next(fits, 0)
