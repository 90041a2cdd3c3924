"""Edges in any form that users have, as sparse matrices; the checks of names and graphs."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from numbers import Integral
from typing import Any

import networkx as nx
import numpy as np
import scipy.sparse as sp
from scipy.sparse import csr_array

from mastac.errors import UserError, nearest
from mastac.text import echoed, shortened

Edges = Any
"""Pairs (source, target) of names or indices, a networkx graph, a 0-1 matrix [source, target]."""

MOST_AGENTS = 10**7
"""More than this is taken for a typing error, and refused before it fills the memory."""


class Names:
    """The names of the agents, and which agent the end of an edge means.

    **Arguments:**

    - `names`: the names, in the order of the agents.
    - `labels`: what the user gave as names, text or integers; `None` where only the number of
        agents was given.
    """

    def __init__(self, names: tuple[str, ...], labels: Sequence[str | int] | None) -> None:
        self.names = names
        self.generated = labels is None
        # An integer in an edge is an index, unless the agents themselves were named by integers.
        self.numbered = {
            label: row for row, label in enumerate(labels or ()) if isinstance(label, int)
        }

    @cached_property
    def rows(self) -> dict[str, int]:
        """The index of each name."""
        return {name: row for row, name in enumerate(self.names)}

    @cached_property
    def _misplaced(self) -> str | None:
        """A name that is an integer in text but not the agent's index, as `"2"` of agent 0."""
        if self.generated or self.numbered:
            return None
        integers = ((row, name) for row, name in enumerate(self.names) if name.strip().isdecimal())
        return next((name for row, name in integers if int(name) != row), None)

    def row(self, end: Any) -> int | None:
        """The index of the agent that the end of an edge means; `None` if there is no such agent.

        **Raises:**

        - [`mastac.errors.UserError`][] for an integer that could be a name as well as an index.
        """
        if isinstance(end, str):
            return self.rows.get(end)
        if not isinstance(end, Integral) or isinstance(end, bool):
            return None
        if self._misplaced is not None:
            raise UserError(
                f"the integer {int(end)} in an edge could be an index or the name of an agent, "
                f"since agent number {self.rows[self._misplaced]} is named '{self._misplaced}'; "
                "write the ends of edges as text, exactly like the names"
            )
        if self.numbered:
            return self.numbered.get(int(end))
        return int(end) if 0 <= int(end) < len(self.names) else None

    def check_nodes(self, nodes: Sequence[Any], graph: str) -> None:
        """Refuse a node that is no agent, and integers that may be indices or places in the order.

        Integer nodes of a networkx graph are indices. Where agents have names of text, these may
        have been made from the nodes one by one; then the k-th node is agent k, and the two
        readings must agree.
        """
        meaning: dict[int, Any] = {}
        for place, node in enumerate(nodes):
            row = self.row(node)
            if row is None:
                raise UserError(
                    f"the {graph} graph has a node for an unknown agent {_near(node, self.names)}"
                )
            if row in meaning:
                raise UserError(
                    f"the nodes {meaning[row]!r} and {node!r} of the {graph} graph are the same "
                    "agent; give every agent one node"
                )
            meaning[row] = node
            is_clear = self.generated or self.numbered or self.names[row] == str(node)
            if not is_clear and row != place:
                raise UserError(
                    f"node {node} of the {graph} graph is number {place} in the order of its "
                    f"nodes, so it could be agent '{self.names[row]}' (by index) or "
                    f"'{self.names[place]}' (by order); name the nodes as the agents "
                    "(networkx.relabel_nodes)"
                )


def agent_names(agents: Any) -> Names:
    """The names of the agents, checked.

    **Arguments:**

    - `agents`: how many there are, or their names, text or integers.

    **Raises:**

    - [`mastac.errors.UserError`][] for no agent, too many, and an empty or repeated name.
    """
    if agents is None or isinstance(agents, bool | str | float | dict):
        raise _no_names(agents)
    if isinstance(agents, Integral):
        if int(agents) < 1:
            raise UserError(f"there must be at least one agent, got agents={shortened(agents)}")
        if int(agents) > MOST_AGENTS:
            given = shortened(agents)
            raise UserError(f"there can be at most {MOST_AGENTS} agents, got agents={given}")
        return Names(tuple([f"agent-{number}" for number in range(int(agents))]), None)
    if not isinstance(agents, Iterable):
        raise _no_names(agents)
    labels = [label.item() if isinstance(label, np.generic) else label for label in agents]
    if not labels:
        raise UserError("there must be at least one agent, got an empty list")
    for number, label in enumerate(labels):
        if isinstance(label, bool) or not isinstance(label, str | int) or not str(label).strip():
            raise UserError(
                f"agent number {number} is named {echoed(label)}; a name must be text that is not "
                "empty"
            )
        if isinstance(label, str) and not label.isprintable():
            raise UserError(
                f"agent number {number} is named '{shortened(label)}'; a name must be one line of "
                "printable text"
            )
    names = Names(tuple(str(label) for label in labels), labels)
    if len(names.rows) < len(labels):
        repeated = next(name for row, name in enumerate(names.names) if names.rows[name] != row)
        raise UserError(f"two agents are named '{repeated}'; names must differ")
    return names


def _no_names(agents: Any) -> UserError:
    given = echoed(agents)
    return UserError(f"agents must be a number of agents or a list of names, got {given}")


def edge_matrix(edges: Edges, graph: str, names: Names) -> csr_array:
    """Edges as a matrix of bool, row depends on column, diagonal set, indices sorted.

    **Raises:**

    - [`mastac.errors.UserError`][] naming the graph, for an unknown agent, an integer that could
        be two agents, a matrix of another shape and entries other than 0 and 1.
    """
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
            f"the matrix of the {graph} graph has shape {tuple(matrix.shape)}, expected "
            f"({num_agents}, {num_agents}) for [source, target]; pairs are given as a list of "
            "tuples"
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
    """Refuse an entry that is neither 0 nor 1 as the user wrote it; edges given twice are fine."""
    values = sp.coo_array(matrix).data
    wrong = values if values.dtype.kind not in "biuf" else values[~np.isin(values, (0, 1))]
    if len(wrong):
        raise UserError(
            f"the matrix of the {graph} graph holds {wrong.flat[0]}; entries must be 0 or 1 "
            "(`matrix != 0` takes every non-zero weight as an edge)"
        )


def _from_pairs(edges: Edges, graph: str, names: Names) -> tuple[np.ndarray, np.ndarray]:
    """The indices of the sources and of the targets of pairs or of a networkx graph."""
    if isinstance(edges, nx.classes.reportviews.OutEdgeView):  # `network.edges`
        # Only the graph tells whether its edges are undirected, and the order of its nodes.
        try:
            edges = edges._graph
        except ReferenceError:  # from networkx 3.7 on, a view does not keep its graph alive
            raise UserError(
                f"the networkx graph of the {graph} edges no longer exists; pass the graph itself"
            ) from None
    if isinstance(edges, nx.Graph):
        names.check_nodes(list(edges.nodes), graph)
        pairs = [(source, target) for source, target, *_ in edges.edges]
        edges = pairs if edges.is_directed() else pairs + [(end, start) for start, end in pairs]
    if isinstance(edges, str | dict) or not isinstance(edges, Iterable):
        raise UserError(
            f"the {graph} graph must be a list of pairs (source, target), a networkx graph or a "
            f"matrix, got {type(edges).__name__}"
        )
    rows: list[tuple[int, int]] = []
    for pair in edges:
        if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
            raise UserError(
                f"the {graph} graph holds {echoed(pair)}, which is not a pair (source, target)"
            )
        source, target = names.row(pair[0]), names.row(pair[1])
        if source is None or target is None:
            end = pair[0] if source is None else pair[1]
            raise UserError(
                f"the edge {shortened(pair[0])} -> {shortened(pair[1])} of the {graph} graph names "
                f"an unknown agent {_near(end, names.names)}"
            )
        rows.append((source, target))
    sources, targets = np.array(rows, np.int64).reshape(-1, 2).T
    return sources, targets


def _near(end: Any, names: tuple[str, ...]) -> str:
    """The unknown end of an edge with the nearest known name, for a message."""
    shown = shortened(end)
    if isinstance(end, Integral) and not isinstance(end, bool):
        ends = f"'{shortened(names[0])}' to '{shortened(names[-1])}'"
        return f"{shown}; agents are numbered 0 to {len(names) - 1} ({ends})"
    known = ", ".join(shortened(name) for name in names[:10]) + (", …" if len(names) > 10 else "")
    return f"'{shown}'" + (nearest(str(end), names) or f" (known: {known})")


def same_matrix(first: csr_array, second: csr_array) -> bool:
    """Whether two boolean matrices with sorted indices are equal."""
    if first is second:
        return True
    same_lengths = np.array_equal(first.indptr, second.indptr)
    return same_lengths and np.array_equal(first.indices, second.indices)
