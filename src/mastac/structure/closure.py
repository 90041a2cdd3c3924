"""What the nodes of an acyclic graph reach: of one by a search, of all by transitive closure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order

from mastac.structure.boolean import row_of_entry, selection, sorted_rows
from mastac.structure.memory_limits import SAMPLE, drawn_agents, estimated_total

WIDE = 16
"""Levels of at least so many nodes are closed by one matrix product."""
SEARCH_WORK = 10**8
"""An estimate visits about so many nodes and edges at most."""


class Reach:
    """An acyclic graph; row `c` of `below` marks the nodes that an edge leads to from `c`."""

    def __init__(self, below: csr_array) -> None:
        self.below = below
        self.number = len(below.indptr) - 1

    def without(self, nodes: np.ndarray) -> Reach:
        """The graph whose marked nodes have no edges."""
        rows = row_of_entry(self.below)
        kept = ~(nodes[rows] | nodes[self.below.indices])
        edges = (np.ones(int(kept.sum()), bool), (rows[kept], self.below.indices[kept]))
        return Reach(csr_array(edges, shape=(self.number, self.number)))

    def reversed(self) -> Reach:
        """The graph with every edge reversed."""
        return Reach(csr_array(self.below.T))

    def reachable_from(self, roots: np.ndarray) -> np.ndarray:
        """The nodes that the roots reach, themselves among them."""
        # One more node with an edge to every root makes a single search of it.
        indices, indptr = self.below.indices, self.below.indptr
        columns, ends = np.concatenate([indices, roots]), np.append(indptr, indptr[-1] + len(roots))
        graph = csr_array(
            (np.ones(len(columns)), columns, ends), shape=(self.number + 1, self.number + 1)
        )
        return breadth_first_order(graph, self.number, return_predecessors=False)[1:]

    @property
    def searches(self) -> int:
        """How many searches an estimate may make."""
        return int(np.clip(SEARCH_WORK // (self.number + self.below.nnz), 16, SAMPLE))

    @cached_property
    def pairs(self) -> tuple[float, float]:
        """About how many entries the closure has, and the standard error."""
        if not self.below.nnz:
            return self.number, 0.0
        drawn = drawn_agents(self.number, self.searches)
        return estimated_total(
            np.array([len(self.reachable_from(np.array([node], np.int32))) for node in drawn]),
            self.number,
        )

    @cached_property
    def closure(self) -> csr_array:
        """Which nodes each node reaches, itself among them, `[nodes, nodes]`.

        Level by level, the lowest first: the row of a node is the union of the rows below it, and
        these are complete by then.
        """
        levels = list(_levels(self.below))
        order = np.concatenate(levels)
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        below = csr_array(self.below[order])
        columns = rank[below.indices].astype(np.int32)
        written = _Rows(self.number)
        for level in levels:
            first, last = written.rows, written.rows + len(level)
            ends = below.indptr[first : last + 1]
            if len(level) < WIDE:  # a product of so few rows costs more than it saves
                for row, (start, end) in enumerate(pairwise(ends), first):
                    written.add([*(written.row(column) for column in columns[start:end]), [row]])
                continue
            part = columns[ends[0] : ends[-1]]
            block = csr_array(
                (np.ones(len(part), bool), part, ends - ends[0]), shape=(len(level), self.number)
            )
            own = selection(np.arange(first, last), self.number)
            written.extend(csr_array(block @ written.matrix()) + own)
        closed = csr_array(written.matrix()[rank])
        return sorted_rows(
            csr_array(
                (closed.data, order[closed.indices].astype(np.int32), closed.indptr), closed.shape
            )
        )


class _Rows:
    """A square boolean matrix that is written row by row.

    The arrays double when they are full, so that writing costs linear time.
    """

    def __init__(self, size: int) -> None:
        self.size, self.rows, self.used = size, 0, 0
        self.columns, self.ends = np.empty(size, np.int32), np.zeros(size + 1, np.int32)
        self.ones = np.ones(size, bool)

    def row(self, place: int) -> np.ndarray:
        """The columns of a row."""
        return self.columns[self.ends[place] : self.ends[place + 1]]

    def add(self, parts: Sequence[Any]) -> None:
        """Add one row, the union of these columns."""
        columns = np.concatenate(parts)
        if len(parts) > 2:  # one row and the node itself have no column in common
            columns = np.unique(columns)
        self._write(columns, np.array([len(columns)]))

    def extend(self, block: csr_array) -> None:
        """Add rows."""
        self._write(block.indices, np.diff(block.indptr))

    def matrix(self) -> csr_array:
        """All rows; those that are not written are empty."""
        self.ends[self.rows + 1 :] = self.used
        return csr_array(
            (self.ones[: self.used], self.columns[: self.used], self.ends),
            shape=(self.size, self.size),
        )

    def _write(self, columns: np.ndarray, counts: np.ndarray) -> None:
        used, rows = self.used + len(columns), self.rows + len(counts)
        if used > len(self.columns):
            self.columns = np.concatenate(
                [self.columns[: self.used], np.empty(2 * used - self.used, np.int32)]
            )
            self.ones = np.ones(2 * used, bool)
        if used >= 2**31:
            self.ends, self.columns = self.ends.astype(np.int64), self.columns.astype(np.int64)
        self.columns[self.used : used] = columns
        self.ends[self.rows + 1 : rows + 1] = self.used + np.cumsum(counts)
        self.used, self.rows = used, rows


def _levels(below: csr_array) -> Iterator[np.ndarray]:
    """The nodes with nothing below them, then those with only these below, and so on."""
    above = csr_array(below.T)
    waiting = np.diff(below.indptr).astype(np.int64)
    level = np.flatnonzero(waiting == 0)
    while len(level):
        yield level
        parents, times = np.unique(csr_array(above[level]).indices, return_counts=True)
        waiting[parents] -= times
        level = parents[waiting[parents] == 0].astype(np.int64)
