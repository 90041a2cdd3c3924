"""Sparse boolean matrices with sorted indices and no stored zeros: product, union, stacking."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array

GROUPING_WORK = 10**7
"""A matrix product of more work than this first merges equal rows of the right factor."""


class Factor:
    """The right factor of many matrix products."""

    def __init__(self, matrix: csr_array) -> None:
        self.matrix = matrix
        self.lengths = np.diff(matrix.indptr)
        self.is_identity = len(self.lengths) == matrix.nnz and np.array_equal(
            matrix.indices, np.arange(matrix.nnz)
        )

    def work(self, left: csr_array) -> int:
        """How many products of two entries `left` times this matrix sums.

        This is also a bound on the entries of the result.
        """
        return left.nnz if self.is_identity else int(self.lengths[left.indices].sum(dtype=np.int64))

    def left_product(self, left: csr_array) -> csr_array:
        """The boolean product `left` times this matrix; indices are not sorted."""
        if self.is_identity:
            return left
        # Dense couplings have few distinct rows: through these the product costs far less.
        if self.work(left) > GROUPING_WORK and len(self._grouped[1].indptr) <= len(self.lengths):
            groups, rows = self._grouped
            return csr_array(csr_array(left @ groups) @ rows)
        return csr_array(left @ self.matrix)

    @cached_property
    def _grouped(self) -> tuple[csr_array, csr_array]:
        return distinct_rows(self.matrix)


def distinct_rows(matrix: csr_array) -> tuple[csr_array, csr_array]:
    """Two factors of `matrix`: which of its distinct rows each row is, and the distinct rows."""
    numbers: dict[bytes, int] = {}
    starts = matrix.indptr
    rows = [matrix.indices[starts[i] : starts[i + 1]].tobytes() for i in range(len(starts) - 1)]
    number = np.array([numbers.setdefault(row, len(numbers)) for row in rows])
    _, first = np.unique(number, return_index=True)
    return selection(number, len(numbers)), csr_array(matrix[first])


def selection(columns: np.ndarray, size: int) -> csr_array:
    """The matrix of `size` columns whose row `i` has one entry, in the column `columns[i]`."""
    number = len(columns)
    index = np.asarray(columns, np.int32)
    return csr_array(
        (np.ones(number, bool), index, np.arange(number + 1, dtype=np.int32)), shape=(number, size)
    )


def product(left: csr_array, right: csr_array) -> csr_array:
    """The boolean matrix product, indices sorted."""
    return sorted_rows(Factor(right).left_product(left))


def union(first: csr_array, second: csr_array) -> csr_array:
    """Entrywise or, indices sorted."""
    return first if first is second else sorted_rows(csr_array(first + second))


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
    lengths = np.concatenate([np.diff(block.indptr) for block in blocks])
    indices = np.concatenate([block.indices for block in blocks])
    return csr_array(
        (np.ones(len(indices), bool), indices, row_pointers(lengths)), shape=(len(lengths), size)
    )


def row_pointers(lengths: np.ndarray) -> np.ndarray:
    """`indptr` of a csr matrix whose rows have these lengths.

    In 32 bits where they suffice: scipy would widen the column indices to the type of the pointers.
    """
    pointers = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    return pointers.astype(np.int32) if pointers[-1] < 2**31 else pointers


def within(counts: np.ndarray) -> np.ndarray:
    """0, 1, … `counts[0] - 1`, then 0, 1, … `counts[1] - 1`, and so on."""
    ends = np.cumsum(counts, dtype=np.int64)
    return np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - counts, counts)
