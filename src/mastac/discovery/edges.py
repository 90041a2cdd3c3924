"""Edges with the evidence for them, what they start from, and scores against a known truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple


class Source(NamedTuple):
    """What an edge starts from: an agent's `kind`, "state" or "action"; the agent by name."""

    kind: str
    agent: str

    def __str__(self) -> str:
        return f"the {self.kind} of '{self.agent}'"


@dataclass(frozen=True)
class Edge:
    """An edge and its evidence.

    - `graph`, `source`, `target`: the edge, agents by name.
    - `confidence`: of a log $1 - q$, where `q` is the false discovery rate at which the edge is
        still accepted (the p-value as Benjamini and Hochberg 1995 adjust it); of queries 1: what
        was seen is there, up to rounding.
    - `effect`: of a log the standard deviation of what the source alone adds, in those of the
        target; of queries how far the target moved at most, in its own unit.
    - `p_value`: of a log, before it is adjusted.
    - `share`: of queries, the share of points at which the edge showed; `least_share`: its lower
        bound, exceeded with confidence 95 % (Clopper and Pearson 1934).
    - `alternatives`: of an undecided edge, what explains the target as well as its source does;
        evidence is then that of all of them together.
    """

    graph: str
    source: str
    target: str
    confidence: float
    effect: float
    p_value: float | None = None
    share: float | None = None
    least_share: float | None = None
    alternatives: tuple[Source, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """What is known of the edge, ready for JSON."""
        known = {key: value for key, value in vars(self).items() if value not in (None, ())}
        if self.alternatives:
            known["alternatives"] = [source._asdict() for source in self.alternatives]
        return known


class Score(NamedTuple):
    """Edges `found` of a graph, edges that it has in truth, and how many were found `right`."""

    found: int
    true: int
    right: int

    @property
    def precision(self) -> float | None:
        """The share of found edges that are true; `None` if none was found."""
        return self.right / self.found if self.found else None

    @property
    def recall(self) -> float | None:
        """The share of true edges that were found; `None` if there are none."""
        return self.right / self.true if self.true else None

    def __add__(self, other: Any) -> Score:
        """Of two graphs together."""
        return Score(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))
