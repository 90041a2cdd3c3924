"""Edges in any form that users have them, as sparse matrices; the checks and messages of a graph's construction."""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Iterable, Sequence
from functools import cached_property
from numbers import Integral
from typing import Any

import networkx as nx
import numpy as np
import scipy.sparse as sp
from scipy.sparse import csr_array

from mastac.errors import UserError

Edges = Any
"""Pairs (source, target) of names or indices, a networkx graph, or a matrix [source, target] of 0 and 1."""

MOST_AGENTS = 10**7
"""More than this is a slip of the pen, answered before it fills the memory."""


class Names:
    """The names of agents, and from the ends of edges to rows; the tables are made when first needed."""

    def __init__(self, names: tuple[str, ...], labels: list[Hashable] | None) -> None:
        self.names = names
        # Numbers in edges are rows, unless the agents themselves were named by numbers.
        self.numbered = {
            label: place for place, label in enumerate(labels or ()) if isinstance(label, int)
        }

    @cached_property
    def places(self) -> dict[str, int]:
        """The row of each name."""
        return {name: place for place, name in enumerate(self.names)}

    def place(self, end: Any) -> int | None:
        """The row of an edge's end, as the user wrote it; `None` if there is no such agent."""
        if isinstance(end, str):
            return self.places.get(end)
        if not isinstance(end, Integral) or isinstance(end, bool):
            return None
        number = int(end)
        return (
            self.numbered.get(number)
            if self.numbered
            else number
            if 0 <= number < len(self.names)
            else None
        )


def named(agents: Any) -> Names:
    """The names of the agents, checked."""
    if agents is None or isinstance(agents, bool | str | float | dict):
        raise UserError(f"agents must be a number of agents or a list of names, got {agents!r}")
    if isinstance(agents, Integral):
        if int(agents) < 1:
            raise UserError(f"there must be at least one agent, got agents={agents}")
        if int(agents) > MOST_AGENTS:
            raise UserError(f"there can be at most {MOST_AGENTS} agents, got agents={agents}")
        return Names(tuple([f"agent-{number}" for number in range(int(agents))]), None)
    if not isinstance(agents, Iterable):
        raise UserError(f"agents must be a number of agents or a list of names, got {agents!r}")
    labels: list[Hashable] = [
        label.item() if isinstance(label, np.generic) else label for label in agents
    ]
    if not labels:
        raise UserError("there must be at least one agent, got an empty list")
    for number, label in enumerate(labels):
        if isinstance(label, bool) or not isinstance(label, str | int) or not str(label).strip():
            raise UserError(
                f"agent number {number} is named {label!r}; a name must be text that is not empty"
            )
    found = Names(tuple(str(label) for label in labels), labels)
    if len(found.places) < len(found.names):
        repeated = next(
            name for place, name in enumerate(found.names) if found.places[name] != place
        )
        raise UserError(f"two agents are named '{repeated}'; names must differ")
    return found


def edge_matrix(edges: Edges, graph: str, names: Names) -> csr_array:
    """Edges of any form as a matrix of bool, row depends on column, diagonal set, indices sorted."""
    size = len(names.names)
    if isinstance(edges, np.ndarray) or sp.issparse(edges):
        transposed = _from_matrix(edges, graph, size)
    else:
        sources, targets = _from_pairs(edges, graph, names)
        transposed = csr_array(
            (np.ones(len(sources), bool), (targets, sources)), shape=(size, size)
        )
        transposed.sum_duplicates()
    matrix = csr_array(transposed + sp.eye_array(size, dtype=bool, format="csr"))
    matrix.sort_indices()
    return matrix


def _from_matrix(matrix: Any, graph: str, num_agents: int) -> csr_array:
    """A matrix [source, target] of 0 and 1 as a canonical one of bool, [target, source]."""
    if matrix.shape != (num_agents, num_agents):
        raise UserError(
            f"the matrix of the {graph} graph has shape {tuple(matrix.shape)}, expected ({num_agents}, {num_agents}) "
            "for [source, target]; pairs are given as a list of tuples"
        )
    compressed = sp.csc_array(matrix, copy=True)  # what follows works in place
    values = compressed.data
    if values.dtype != bool and (
        values.dtype.kind not in "biuf" or not ((values == 0) | (values == 1)).all()
    ):
        _refuse_entries(matrix, graph)
    # Columns of [source, target] are the rows of the transpose.
    transposed = csr_array(
        (values.astype(bool), compressed.indices, compressed.indptr), shape=(num_agents, num_agents)
    )
    transposed.sum_duplicates()
    transposed.eliminate_zeros()
    return transposed


def _refuse_entries(matrix: Any, graph: str) -> None:
    """Raises if an entry, as the user wrote it, is neither 0 nor 1 (the same edge given twice adds up to more)."""
    values = sp.coo_array(matrix).data
    wrong = values if values.dtype.kind not in "biuf" else values[~np.isin(values, (0, 1))]
    if len(wrong):
        raise UserError(
            f"the matrix of the {graph} graph holds {wrong.flat[0]}; entries must be 0 or 1 "
            "(`matrix != 0` takes every non-zero weight as an edge)"
        )


def _from_pairs(edges: Edges, graph: str, known: Names) -> tuple[np.ndarray, np.ndarray]:
    names, place = known.names, known.place
    if isinstance(edges, nx.Graph):
        for node in edges.nodes:
            if place(node) is None:
                raise UserError(
                    f"the {graph} graph has a node for an unknown agent {_near(node, names)}"
                )
        both = (
            [] if edges.is_directed() else [(target, source) for source, target, *_ in edges.edges]
        )
        edges = [(source, target) for source, target, *_ in edges.edges] + both
    if isinstance(edges, str | dict) or not isinstance(edges, Iterable):
        raise UserError(
            f"the {graph} graph must be a list of pairs (source, target), a networkx graph or a matrix, "
            f"got {type(edges).__name__}"
        )
    found: list[tuple[int, int]] = []
    for pair in edges:
        if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
            raise UserError(
                f"the {graph} graph holds {pair!r}, which is not a pair (source, target)"
            )
        source, target = place(pair[0]), place(pair[1])
        if source is None or target is None:
            end = pair[0] if source is None else pair[1]
            raise UserError(
                f"the edge {pair[0]} -> {pair[1]} of the {graph} graph names an unknown agent {_near(end, names)}"
            )
        found.append((source, target))
    sources, targets = np.array(found, np.int64).reshape(-1, 2).T
    return sources, targets


def _near(end: Any, names: tuple[str, ...]) -> str:
    """The unknown end of an edge with the nearest known name, for a message."""
    if isinstance(end, Integral) and not isinstance(end, bool):
        return f"{end}; agents are numbered 0 to {len(names) - 1} ('{names[0]}' to '{names[-1]}')"
    near = difflib.get_close_matches(str(end), names, n=1, cutoff=0.5)
    known = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
    return f"'{end}'" + (f"; did you mean '{near[0]}'?" if near else f" (known: {known})")


def same_matrix(one: csr_array, other: csr_array) -> bool:
    """Whether two boolean matrices with sorted indices are equal."""
    if one is other:
        return True
    return bool(
        np.array_equal(one.indptr, other.indptr) and np.array_equal(one.indices, other.indices)
    )
