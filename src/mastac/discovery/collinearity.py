"""Which states and actions a log moves alike, so that no test can tell their effects apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from mastac.discovery.samples import CONSTANT, Block, center_by_time

ALIKE = 0.01
"""A column follows another if no more than this share of its variance is left over."""
COMBINED = 1e-3
"""It follows from several others together below this share: variance inflation above 1000."""
SIMILAR = 0.2
"""Below this share either may stand in for the other in a sparse regression: test both."""
MOST_FREE = 3
"""Columns that the others of a relation follow from, at the most.

A total of many that never changes, as in a closed ring of stocks, makes each follow from all the
others; that so many act at once, as one alone would, is taken to be impossible.
"""
SAME_RELATION = 0.1
"""Partial correlation from which two columns take part in the same linear relation.

In a relation of m copies of one column it is 1 / (m - 1), in any single relation it is 1, and
between relations that have no column in common it is 0 up to sampling.
"""
FEWEST_LEFT = 8
"""Rows beyond the columns, or neighbours, that a share is measured with, at the least."""
SMALLEST_EIGENVALUE = 1e-10
"""Of a correlation matrix; what is smaller is rounding."""


@dataclass(frozen=True)
class Collinearity:
    """What a log moves alike.

    - `constant`: columns that never vary beyond what the time alone makes of them.
    - `groups`: columns of several blocks of which some follow from a few others.
    - `totals`: columns of which each follows from the many others together.
    - `similar`: for each block those that it might be taken for.
    """

    constant: frozenset[int]
    groups: tuple[frozenset[int], ...]
    totals: tuple[frozenset[int], ...]
    similar: dict[Block, tuple[Block, ...]]

    @property
    def shared(self) -> frozenset[int]:
        """All columns of groups."""
        return frozenset().union(*self.groups)

    def with_similar(self, chosen: Sequence[Block]) -> list[Block]:
        """Blocks, each followed by those that it might have been taken for."""
        several = [[block, *self.similar.get(block, ())] for block in chosen]
        return list(dict.fromkeys(block for blocks in several for block in blocks))


def collinearity(
    values: Float[np.ndarray, "rows columns"],
    blocks: Sequence[Block],
    steps: int,
    kinds: Sequence[str],
) -> Collinearity:
    """The collinearity of the columns of some kinds of blocks.

    Pairs are compared by [`unexplained_by_one`][], which finds any function of one column; linear
    relations of several by the variance inflation of each and the partial correlations of those
    that are inflated (Belsley, Kuh and Welsch 1980, section 3.2). Relations within one block make
    no source ambiguous and are left out.

    **Arguments:**

    - `values`: whole episodes, one after the other.
    - `blocks`: the block that each column belongs to.
    - `steps`: steps of each episode.
    - `kinds`: "state", "action" or both: what may enter the target.
    """
    centered = center_by_time(values, steps)
    std = centered.std(0)
    asked = np.array([block.kind in kinds for block in blocks], bool)
    constant = frozenset(np.flatnonzero(asked & (std <= CONSTANT)).tolist())
    varies = np.flatnonzero(asked & (std > CONSTANT))
    if not len(varies):
        return Collinearity(constant, (), (), {})
    centered = centered[:, varies] / std[varies]
    by_one = unexplained_by_one(values[:, varies] / std[varies], centered, steps)
    by_one = np.minimum(by_one, by_one.T)
    few, many = _linear_relations(centered, steps)
    linked = by_one < ALIKE
    for relation in few:
        linked[np.ix_(relation, relation)] = True
    groups = [frozenset(varies[group].tolist()) for group in _components(linked)]
    groups = tuple(group for group in groups if len({blocks[k] for k in group}) > 1)
    totals = tuple(frozenset(varies[relation].tolist()) for relation in many)
    similar: dict[Block, dict[Block, None]] = {}
    for first, second in zip(*np.nonzero((by_one < SIMILAR) & ~linked), strict=True):
        block, near = (blocks[int(varies[column])] for column in (first, second))
        if block != near:
            similar.setdefault(block, {})[near] = None
    return Collinearity(
        constant, groups, totals, {block: tuple(near) for block, near in similar.items()}
    )


def unexplained_by_one(
    values: Float[np.ndarray, "rows columns"],
    centered: Float[np.ndarray, "rows columns"],
    steps: int,
) -> Float[np.ndarray, "columns columns"]:
    r"""The share of column `k`'s variance that no function of column `j` explains, at [j, k].

    In the order of $x_j$ neighbours have nearly the same $x_j$, so what a smooth function of it
    cannot explain is how far $x_k$ lies from the line between its two neighbours: the variance of
    the noise is the mean of $r^2 / (1 + a^2 + b^2)$, where $r = x_k - a x_k^- - b x_k^+$ (Gasser,
    Sroka and Jennen-Steinmetz 1986, equation 3). Only neighbours of other episodes count, since
    rows of one episode are alike because they follow one another. The share is of the variance at
    a time, so that a season that all follow does not make them alike. Of straight lines $1 - r^2$
    is more exact where rows are few; the smaller one counts.

    **Arguments:**

    - `values`: columns, in units of their standard deviation at a time.
    - `centered`: the same less their mean at each time.
    - `steps`: steps of each episode.
    """
    rows, size = values.shape
    unexplained = 1 - (centered.T @ centered / rows) ** 2
    time, episode = np.arange(rows) % steps, np.arange(rows) // steps
    for j in range(size):
        order = np.lexsort((time, values[:, j]))  # equal values: neighbours at the same time
        other_episode = np.diff(episode[order]) != 0
        middle = np.flatnonzero(other_episode[:-1] & other_episode[1:]) + 1
        if len(middle) < FEWEST_LEFT:
            continue
        x, y = values[order, j], values[order]
        width = x[middle + 1] - x[middle - 1]
        after = np.where(
            width > 0, (x[middle] - x[middle - 1]) / np.where(width > 0, width, 1), 0.5
        )
        before = 1 - after
        residual = y[middle] - before[:, None] * y[middle - 1] - after[:, None] * y[middle + 1]
        share = (residual**2 / (1 + before**2 + after**2)[:, None]).mean(0)
        unexplained[j] = np.minimum(unexplained[j], share)
    np.fill_diagonal(unexplained, 1.0)
    return unexplained


def _linear_relations(
    centered: Float[np.ndarray, "rows columns"], steps: int
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The columns of linear relations among a few, and of those among many."""
    rows, size = centered.shape
    left = rows - steps - size
    if left < FEWEST_LEFT:  # so few rows fit everything
        return [], []
    correlation = centered.T @ centered / rows
    eigenvalues, vectors = np.linalg.eigh(correlation)
    inverse = (vectors / np.maximum(eigenvalues, SMALLEST_EIGENVALUE)) @ vectors.T
    inflation = np.diag(inverse) * left / (rows - steps)
    partial = np.abs(inverse) / np.sqrt(np.outer(np.diag(inverse), np.diag(inverse)))
    inflated = np.flatnonzero(inflation > 1 / COMBINED)
    few, many = [], []
    for places in _components(partial[np.ix_(inflated, inflated)] > SAME_RELATION):
        relation = inflated[places]
        free = np.linalg.eigvalsh(correlation[np.ix_(relation, relation)]) > COMBINED
        (few if free.sum() <= MOST_FREE else many).append(relation)
    return few, many


def _components(linked: np.ndarray) -> list[np.ndarray]:
    """The places that links join, in groups."""
    if not len(linked):
        return []
    count, label = connected_components(csr_array(linked), directed=False)
    return [np.flatnonzero(label == number) for number in range(count)]
