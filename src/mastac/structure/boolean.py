"""Sparse boolean matrices: product and union, with sorted indices and no stored zeros; blocks of rows put together."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array

GROUPING_WORK = 10**7
"""A matrix product with more terms than this first merges equal rows of the right factor."""


class Factor:
    """A matrix by which many others are multiplied from the right."""

    def __init__(self, matrix: csr_array) -> None:
        self.matrix = matrix
        self.lengths = np.diff(matrix.indptr)
        self.is_identity = len(self.lengths) == matrix.nnz and np.array_equal(
            matrix.indices, np.arange(matrix.nnz)
        )

    def work(self, left: csr_array) -> int:
        """How many products of entries `left` times this matrix sums: its work, and a bound of its entries."""
        return left.nnz if self.is_identity else int(self.lengths[left.indices].sum(dtype=np.int64))

    def left_product(self, left: csr_array) -> csr_array:
        """The boolean product of `left` with this matrix; indices are not sorted."""
        if self.is_identity:
            return left
        if self.work(left) > GROUPING_WORK and len(self._grouped[1].indptr) <= len(self.lengths):
            groups, kinds = self._grouped
            return csr_array(csr_array(left @ groups) @ kinds)
        return csr_array(left @ self.matrix)

    @cached_property
    def _grouped(self) -> tuple[csr_array, csr_array]:
        return distinct_rows(self.matrix)


def distinct_rows(matrix: csr_array) -> tuple[csr_array, csr_array]:
    """`matrix` as (which kind each row is) times (the distinct rows): dense couplings have few kinds of rows."""
    kinds: dict[bytes, int] = {}
    ends = matrix.indptr
    rows = [matrix.indices[ends[row] : ends[row + 1]].tobytes() for row in range(len(ends) - 1)]
    kind = np.array([kinds.setdefault(row, len(kinds)) for row in rows])
    _, first = np.unique(kind, return_index=True)
    return selection(kind, len(kinds)), csr_array(matrix[first])


def selection(columns: np.ndarray, size: int) -> csr_array:
    """The matrix whose row `i` has one entry, in the column `columns[i]`, of `size` columns."""
    number = len(columns)
    index = np.asarray(columns, np.int32)
    return csr_array(
        (np.ones(number, bool), index, np.arange(number + 1, dtype=np.int32)), shape=(number, size)
    )


def product(one: csr_array, other: csr_array) -> csr_array:
    """Boolean matrix product, indices sorted."""
    return sorted_rows(Factor(other).left_product(one))


def union(one: csr_array, other: csr_array) -> csr_array:
    """Entrywise or, indices sorted."""
    return one if one is other else sorted_rows(csr_array(one + other))


def sorted_rows(matrix: csr_array) -> csr_array:
    """The same matrix, its indices sorted in place."""
    matrix.sort_indices()
    return matrix


def row_of_entry(matrix: csr_array) -> np.ndarray:
    """The row of each stored entry."""
    lengths = np.diff(matrix.indptr)
    return np.repeat(np.arange(len(lengths), dtype=matrix.indices.dtype), lengths)


def stacked(blocks: Sequence[csr_array], size: int) -> csr_array:
    """Blocks of rows, one below the other, as one boolean matrix of `size` columns."""
    if len(blocks) == 1:
        return blocks[0]
    counts = np.concatenate([np.diff(block.indptr) for block in blocks])
    indices = np.concatenate([block.indices for block in blocks])
    return csr_array(
        (np.ones(len(indices), bool), indices, row_pointers(counts)), shape=(len(counts), size)
    )


def row_pointers(counts: np.ndarray) -> np.ndarray:
    """The ends of rows with so many entries, as narrow as they fit: wide ones would widen the columns beside them."""
    ends = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
    return ends.astype(np.int32) if ends[-1] < 2**31 else ends
