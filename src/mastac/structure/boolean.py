"""Sparse boolean matrices: product, union and transitive closure, all with sorted indices and no stored zeros."""

from __future__ import annotations

from graphlib import TopologicalSorter

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from mastac.errors import UserError

GROUPING_WORK = 10**7
"""A matrix product with more terms than this first merges equal rows."""
ENTRIES_LIMIT = 10**9
"""Exact sets with more entries than this, some 5 GB, are refused."""


def product(one: csr_array, other: csr_array) -> csr_array:
    """Boolean matrix product, indices sorted."""
    if np.diff(other.indptr)[one.indices].sum() > GROUPING_WORK:
        groups, kinds = _grouped_rows(other)
        return sorted_rows(csr_array(csr_array(one @ groups) @ kinds))
    return sorted_rows(csr_array(one @ other))


def _grouped_rows(matrix: csr_array) -> tuple[csr_array, csr_array]:
    """`matrix` as (which kind each row is) times (the distinct rows): dense couplings have few kinds of rows."""
    kinds: dict[bytes, int] = {}
    ends = matrix.indptr
    rows = [matrix.indices[ends[row] : ends[row + 1]].tobytes() for row in range(len(ends) - 1)]
    kind = np.array([kinds.setdefault(row, len(kinds)) for row in rows])
    _, first = np.unique(kind, return_index=True)
    groups = csr_array((np.ones(len(kind), bool), kind, np.arange(len(kind) + 1)), shape=(len(kind), len(kinds)))
    return groups, csr_array(matrix[first])


def union(one: csr_array, other: csr_array) -> csr_array:
    """Entrywise or, indices sorted."""
    return one if one is other else sorted_rows(csr_array(one + other))


def sorted_rows(matrix: csr_array) -> csr_array:
    """The same matrix, its indices sorted in place."""
    matrix.sort_indices()
    return matrix


def product_with_closure(start: csr_array, step: csr_array) -> csr_array:
    """`start` times the transitive closure of `step`, by strongly connected components.

    Agents that reach each other reach the same, so the closure is taken on the graph of components, which
    has no cycles. The work is that of writing the answer.
    """
    number, labels = connected_components(step.astype(np.int8), directed=True, connection="strong")
    size = len(start.indptr) - 1
    belongs = csr_array((np.ones(size, bool), labels, np.arange(size + 1)), shape=(size, number))
    folded = product(product(csr_array(belongs.T), step), belongs)
    below = [folded.indices[folded.indptr[c] : folded.indptr[c + 1]] for c in range(number)]
    closure: list[np.ndarray] = [np.empty(0, folded.indices.dtype)] * number
    for c in TopologicalSorter({c: [int(d) for d in below[c] if d != c] for c in range(number)}).static_order():
        closure[c] = np.unique(np.concatenate([[c], *(closure[d] for d in below[c] if d != c)]))
    indptr = np.concatenate([[0], np.cumsum([len(each) for each in closure])])
    closed = csr_array((np.ones(indptr[-1], bool), np.concatenate(closure), indptr), shape=(number, number))
    reached = product(product(start, belongs), closed)
    entries = int((reached @ np.bincount(labels)).sum())
    if entries > ENTRIES_LIMIT:
        raise UserError(
            f"the exact sets of these {size} agents have {entries:.1e} entries, too many to hold; give a kappa"
        )
    return product(reached, csr_array(belongs.T))
