"""Which agents are of one kind, and the order in which critics of one kind read their sets."""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Int
from scipy.sparse import csr_array

from mastac.structure.boolean import row_of_entry, within
from mastac.structure.buckets import entries_at
from mastac.structure.couplings import GRAPHS, Couplings
from mastac.structure.kinds import Kinds, from_own, kinds_of_rows
from mastac.structure.layout import CriticLayout


def critic_kinds(
    layout: CriticLayout,
    labels: Int[np.ndarray, " agents"],
    couplings: Couplings | None,
    names: Int[np.ndarray, " agents"] | None = None,
) -> Kinds:
    """Critics that one network can stand for: what they read corresponds place by place.

    Seen from the own agent on ([`from_own`][mastac.structure.kinds.from_own]), the agents at the
    same place have equal labels, are read alike (states, actions, distance), credited alike and
    counted alike in what is predicted, and the coupling graphs among them are the same.

    **Arguments:**

    - `layout`: of as many critics as agents, critic `i` that of agent `i`.
    - `labels`: equal where what is read of two agents can stand for each other.
    - `couplings`: who affects whom; where that changes with the time, the union. `None`: graphs are
        not compared.
    - `names`: what is equal besides for critics of one kind.
    """
    read = from_own(csr_array(layout.states + layout.actions))
    row, agent, slot = row_of_entry(read), read.indices, within(np.diff(read.indptr))
    flags = [entries_at(matrix, row, agent) for matrix in (layout.states, layout.actions)]
    flags.append(entries_at(csr_array(layout.useful_credit().T), row, agent))
    flags += [entries_at(matrix, row, agent) for matrix in layout.distances or ()]
    if len(layout.rewards.indptr) > 2:  # not one row for all
        flags.append(entries_at(layout.rewards, row, agent))
    if names is not None:
        flags.append(names[row])
    parts = [(row, _numbered([slot, labels[agent], *flags]))]
    if couplings is not None:
        parts += _among(read, slot, couplings)
    rows, codes = (np.concatenate(entries) for entries in zip(*parts, strict=True))
    order = np.lexsort((codes, rows))
    ends = np.cumsum(np.bincount(rows, minlength=len(labels)))[:-1]
    return kinds_of_rows([part.tobytes() for part in np.split(codes[order], ends)])


def _numbered(columns: Sequence[np.ndarray]) -> Int[np.ndarray, " rows"]:
    """A number for each row of several columns, from 0 on; equal rows have equal ones."""
    number = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        values, which = np.unique(column, return_inverse=True)
        _, number = np.unique(number * len(values) + which.ravel(), return_inverse=True)
    return number.ravel()


def _among(
    read: csr_array, slot: Int[np.ndarray, " entries"], couplings: Couplings
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For each graph the edges among the agents that a critic reads: its row, and a number.

    Numbers are below zero, and equal where both ends stand at the same places.
    """
    row, agent = row_of_entry(read), read.indices
    place = csr_array((slot + 1, agent, read.indptr), shape=read.shape).sorted_indices()
    widest = int(slot.max(initial=0)) + 2
    for number, graph in enumerate(GRAPHS):
        matrix = getattr(couplings, graph)
        lengths = np.diff(matrix.indptr)[agent]
        target, here = np.repeat(slot, lengths), np.repeat(row, lengths)
        source = matrix.indices[np.repeat(matrix.indptr[agent], lengths) + within(lengths)]
        other = entries_at(place, here, source)
        is_in = other > 0
        code = (target[is_in].astype(np.int64) * widest + other[is_in]) * len(GRAPHS) + number
        yield here[is_in], -1 - code
