"""Sums over sets as the window grows, from the window at which each entry comes in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array

FIRST_WINDOWS = (0, 1, 2, 3, 4, 6)


def kappa_schedule(last: int, kappa: int | None = None) -> list[int]:
    """The kappas of a table: 0, 1, 2, 3, 4, 6, 8, 12, 16, 24, … below `last`, then `last`; and `kappa` if below."""
    chosen = set(FIRST_WINDOWS)
    power = 8
    while power < last:
        chosen |= {power, power + power // 2}
        power *= 2
    return sorted(
        {each for each in chosen | {kappa if kappa is not None else last} if each < last} | {last}
    )


def window_sums(levels: csr_array, weights: np.ndarray, kappas: Sequence[int]) -> np.ndarray:
    """For each row and kappa: the weights of the columns whose level is at most that kappa, summed."""
    place = np.searchsorted(kappas, levels.data)
    sums = np.bincount(
        rows_of(levels) * len(kappas) + place, weights[levels.indices], len(weights) * len(kappas)
    )
    return sums.reshape(-1, len(kappas)).cumsum(axis=1).astype(np.int64)


def rows_of(matrix: csr_array) -> np.ndarray:
    """The row of each stored entry."""
    return np.repeat(np.arange(len(matrix.indptr) - 1, dtype=np.int64), np.diff(matrix.indptr))


def earlier(one: csr_array, other: csr_array) -> csr_array:
    """The smaller level of two, where an entry may stand in one matrix only."""
    if one is other:
        return one
    size = len(one.indptr) - 1
    keys = np.concatenate([rows_of(each) * size + each.indices for each in (one, other)])
    levels = np.concatenate([one.data, other.data])
    order = np.lexsort((levels, keys))
    first = order[np.concatenate([[True], np.diff(keys[order]) > 0])[: len(order)]]
    rows, columns = np.divmod(keys[first], size)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=size))])
    return csr_array((levels[first], columns, indptr), shape=(size, size))
