"""Sums over sets as the window grows, from the window at which each entry enters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array

FIRST_WINDOWS = (0, 1, 2, 3, 4, 6)


def kappa_schedule(last: int, kappa: int | None = None) -> list[int]:
    """The kappas of a table: 0, 1, 2, 3, 4, 6, 8, 12, 16, 24, … below `last`, then `last`.

    `kappa` is added if it is below `last`.
    """
    chosen = set(FIRST_WINDOWS) | ({kappa} if kappa is not None else set())
    power = 8
    while power < last:
        chosen |= {power, power + power // 2}
        power *= 2
    return [*sorted(window for window in chosen if window < last), last]


def window_sums(levels: csr_array, weights: np.ndarray, kappas: Sequence[int]) -> np.ndarray:
    """The summed weights of each row's members, for each window.

    **Arguments:**

    - `levels`: the smallest kappa at which the column is in the set of the row.
    - `weights`: of the columns, `[agents]`, integers.
    - `kappas`: ascending; the last one is at least the largest level.

    **Returns:** `[agents, kappas]`.
    """
    place = np.searchsorted(kappas, levels.data)
    cells = rows_of(levels) * len(kappas) + place
    sums = np.bincount(cells, weights[levels.indices], len(weights) * len(kappas))
    return sums.reshape(-1, len(kappas)).cumsum(axis=1).astype(np.int64)


def rows_of(matrix: csr_array) -> np.ndarray:
    """The row of each stored entry."""
    return np.repeat(np.arange(len(matrix.indptr) - 1, dtype=np.int64), np.diff(matrix.indptr))


def earlier(first: csr_array, second: csr_array) -> csr_array:
    """The entrywise smaller level of two matrices; an entry may be stored in one of them only."""
    if first is second:
        return first
    size = len(first.indptr) - 1
    keys = np.concatenate([rows_of(matrix) * size + matrix.indices for matrix in (first, second)])
    levels = np.concatenate([first.data, second.data])
    order = np.lexsort((levels, keys))
    smallest = order[np.concatenate([[True], np.diff(keys[order]) > 0])[: len(order)]]
    rows, columns = np.divmod(keys[smallest], size)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=size))])
    return csr_array((levels[smallest], columns, indptr), shape=(size, size))
