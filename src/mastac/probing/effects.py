"""What was seen when one agent's state or action was changed. Imports no JAX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import csr_array

from mastac.probing.points import Points
from mastac.structure import Couplings, CouplingSequence

MOST_BUFFERED = 4_000_000
"""Rows of evidence that are kept before they are summed up."""


class Change(NamedTuple):
    """How far a graph's targets moved when each source was changed alone, at some points.

    `relative`: as a share of the larger of the entry's size and its scale; `size`: in the entry's
    own unit; both [points, sources, targets], the largest over the target's entries.
    """

    relative: Float[np.ndarray, "points sources targets"]
    size: Float[np.ndarray, "points sources targets"]


def change(xp: Any, moved: Any, scale: Any, real: Any) -> Change:
    """Moves of entries as a [`Change`][].

    What is not finite is no evidence: a state that the simulator was not made for may give
    anything.

    **Arguments:**

    - `xp`: numpy or jax.numpy.
    - `moved`, `scale`: how far entries moved, and their scale; [..., targets, entries].
    - `real`: which entries are not padding; [targets, entries].
    """
    usable = real & xp.isfinite(moved) & xp.isfinite(scale)
    moved = xp.where(usable, moved, 0.0)
    relative = xp.where(scale > 0, moved / xp.where(scale > 0, scale, 1.0), 0.0)
    return Change(xp.where(usable, relative, 0.0).max(-1, initial=0.0), moved.max(-1, initial=0.0))


@dataclass(frozen=True)
class Evidence:
    """A table with a row for every edge of one graph that was seen, sorted by target and source.

    - `sources`, `targets`: the agents' numbers.
    - `seen`: at how many points the source moved the target; `reached`: at how many of these the
        state was one that a rollout had reached (the others are widened).
    - `largest`: how far the target moved at most, in its own unit; `example`: the number of that
        point.
    - `points`: how many points were looked at.
    """

    sources: Int[np.ndarray, " edges"]
    targets: Int[np.ndarray, " edges"]
    seen: Int[np.ndarray, " edges"]
    reached: Int[np.ndarray, " edges"]
    largest: Float[np.ndarray, " edges"]
    example: Int[np.ndarray, " edges"]
    points: int

    def matrix(self, num_agents: int) -> csr_array:
        """The edges seen, row depends on column, the diagonal set."""
        own = np.arange(num_agents)
        rows, columns = np.concatenate([self.targets, own]), np.concatenate([self.sources, own])
        matrix = csr_array(
            (np.ones(len(rows), bool), (rows, columns)), shape=(num_agents, num_agents)
        )
        matrix.sum_duplicates()
        matrix.sort_indices()
        return matrix


@dataclass(frozen=True)
class Effects:
    """Who was seen to affect whom, graph by graph.

    - `agents`: their names.
    - `points`: where it was looked, as drawn.
    - `evidence`: for each graph that was probed an entry for all times, or, `by_time`, one for each
        time.
    - `state_sizes`, `action_sizes`: real entries of the agents' rows.
    - `derivatives`: whether derivatives were taken beside the paired changes.
    """

    agents: tuple[str, ...]
    points: Points
    evidence: Mapping[str, Sequence[Evidence]]
    by_time: bool
    derivatives: bool
    state_sizes: Int[np.ndarray, " agents"]
    action_sizes: Int[np.ndarray, " agents"]

    @property
    def num_points(self) -> int:
        """Points at which it was looked."""
        return len(self.points.times)

    def couplings(self) -> Couplings | CouplingSequence:
        """The graphs that were seen; a graph that was not probed has no edges."""
        length = len(next(iter(self.evidence.values())))
        size = len(self.agents)
        entries = [
            Couplings(
                self.agents,
                **{graph: times[time].matrix(size).T for graph, times in self.evidence.items()},
            )
            for time in range(length)
        ]
        return CouplingSequence(entries) if self.by_time else entries[0]


class EvidenceSum:
    """Sums up changes, point by point, as [`Evidence`][]; holds edges, never agents × agents."""

    def __init__(self, num_agents: int, tolerance: float) -> None:
        self.num_agents, self.tolerance = num_agents, tolerance
        self.rows: list[tuple[np.ndarray, ...]] = []
        self.buffered = self.compact = 0

    def add(
        self,
        change: Change,
        points: Int[np.ndarray, " points"],
        sources: Int[np.ndarray, " sources"],
        reached: Bool[np.ndarray, " points"],
    ) -> None:
        """Changes of some sources at some points; `points` are numbers for `Evidence.example`."""
        moved = change.relative > self.tolerance
        moved[:, np.arange(len(sources)), sources] = False  # every agent affects itself
        source, target = np.nonzero(moved.any(0))
        moved, size = moved[:, source, target], change.size[:, source, target]
        size = np.where(moved, size, -1.0)
        best = size.argmax(0)
        key = target.astype(np.int64) * self.num_agents + sources[source]
        largest = size[best, np.arange(len(best))]
        self.rows.append((key, moved.sum(0), moved[reached].sum(0), largest, points[best]))
        self.buffered += len(key)
        if self.buffered > MOST_BUFFERED + 2 * self.compact:
            self.rows = [self._summed()]
            self.buffered = self.compact = len(self.rows[0][0])

    def _summed(self) -> tuple[np.ndarray, ...]:
        if not self.rows:
            nothing = np.zeros(0, np.int64)
            return nothing, nothing, nothing, np.zeros(0), nothing
        columns = [np.concatenate(column) for column in zip(*self.rows, strict=True)]
        order = np.lexsort((-columns[3], columns[0]))  # of each edge, the largest first
        key, seen, reached, largest, example = (column[order] for column in columns)
        first = np.flatnonzero(np.diff(key, prepend=-1))
        if not len(first):
            return key, seen, reached, largest, example
        return (
            key[first],
            np.add.reduceat(seen, first),
            np.add.reduceat(reached, first),
            largest[first],
            example[first],
        )

    def evidence(self, points: int) -> Evidence:
        """What has been collected at so many points."""
        key, seen, reached, largest, example = self._summed()
        target, source = np.divmod(key, self.num_agents)
        return Evidence(source, target, seen, reached, largest, example, points)
