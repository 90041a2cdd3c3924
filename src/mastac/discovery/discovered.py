"""What was discovered: edges with the evidence for them, and the couplings that they make up. Imports no JAX."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np

from mastac.errors import UserError
from mastac.probing import Effects, miss_probability
from mastac.probing.checking import SHARES
from mastac.probing.findings import Declared, in_order
from mastac.structure import Couplings, CouplingSequence, value_dependency


@dataclass(frozen=True)
class Edge:
    """An edge and its evidence.

    - `graph`, `source`, `target`: the edge, agents by name.
    - `confidence`: of a log $1 - q$, where `q` is the false discovery rate at which the edge is
        still found (the p-value as Benjamini and Hochberg adjust it); of queries 1: what was seen
        is there, up to rounding.
    - `effect`: of a log the standard deviation of what the source alone adds, in those of the
        target; of queries how far the target moved at most, in its own unit.
    - `p_value`: of a log, before it is adjusted. `share`: of queries, the share of points at which
        the edge showed; `least_share`: its lower bound, exceeded with confidence 95 % (Clopper and
        Pearson).
    """

    graph: str
    source: str
    target: str
    confidence: float
    effect: float
    p_value: float | None = None
    share: float | None = None
    least_share: float | None = None


class Score(NamedTuple):
    """How many edges of a graph were `found`, how many there are in truth, and how many were found `right`."""

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
        return Score(*(one + two for one, two in zip(self, other, strict=True)))


@dataclass(frozen=True)
class Discovered:
    """What [`mastac.discover`][] found; printed, it is the report.

    - `name`, `agents`: of what. `source`: "queries" or "log". `samples`: points, or transitions.
    - `graphs`: those that were looked for; without observations there is no observation graph.
    - `edges`: every edge for which there is evidence, weak evidence too; sorted by graph and
        agents.
    - `least_confidence`: what an edge needs to be taken for true, unless `couplings` is told
        otherwise.
    - `state_sizes`, `action_sizes`: real entries of the agents' rows.
    - `notes`: what could not be told, in words.
    - `effects`: of queries, all that was seen.
    """

    name: str
    agents: tuple[str, ...]
    source: str
    samples: int
    graphs: tuple[str, ...]
    edges: tuple[Edge, ...] = field(repr=False)
    least_confidence: float
    state_sizes: np.ndarray = field(repr=False)
    action_sizes: np.ndarray = field(repr=False)
    notes: tuple[str, ...] = ()
    effects: Effects | None = field(default=None, repr=False)

    def found(self, confidence: float | None = None, least_share: float = 0.0) -> list[Edge]:
        """The edges that have the confidence and, of queries, show at no less than a share of the points.

        **Raises:** `UserError` for a number outside 0 … 1, or a share asked of a log.
        """
        confidence = self.least_confidence if confidence is None else confidence
        for name, value in (("confidence", confidence), ("least_share", least_share)):
            if not 0 <= value <= 1:
                raise UserError(f"{name} is {value}; give a number from 0 to 1")
        if least_share and self.source == "log":
            raise UserError(
                "least_share is of edges found by queries; ask for more confidence of those from a log"
            )
        return [
            each
            for each in self.edges
            if each.confidence >= confidence and (each.least_share or 0) >= least_share
        ]

    def couplings(self, confidence: float | None = None, least_share: float = 0.0) -> Couplings:
        """The graphs; of changing couplings the union over all times. A graph not looked for has no edges."""
        edges: dict[str, list[tuple[str, str]]] = {"action": [], "reward_action": []}
        for each in self.found(confidence, least_share):
            edges.setdefault(each.graph, []).append((each.source, each.target))
        return Couplings(self.agents, **edges)

    def sequence(self) -> CouplingSequence:
        """The graphs of each time.

        **Raises:** `UserError` unless times were told apart.
        """
        found = None if self.effects is None else self.effects.couplings()
        if not isinstance(found, CouplingSequence):
            raise UserError(
                f"the times of '{self.name}' were not told apart; discover by queries with by_time=True"
            )
        return found

    def score(self, true: Declared, confidence: float | None = None) -> dict[str, Score]:
        """Found against true edges, for each graph that was looked for; self-loops do not count.

        Couplings that change with the time count as their union.

        **Raises:** `UserError` if the couplings are of other agents.
        """
        true = in_order(true, self.agents, self.name)
        true = true.union() if isinstance(true, CouplingSequence) else true
        found = self.couplings(confidence)
        scores = {}
        for graph in self.graphs:
            mine, theirs = set(found.edges(graph)), set(true.edges(graph))
            scores[graph] = Score(len(mine), len(theirs), len(mine & theirs))
        return scores

    def misses(self) -> dict[float, float]:
        """Of queries: for some shares of points at which an edge shows, the probability that it was missed."""
        if self.effects is None:
            return {}
        points = min(each.points for row in self.effects.evidence.values() for each in row)
        return {share: miss_probability(share, points) for share in SHARES}

    def set_sizes(self, kappa: int | None = None) -> dict[str, float]:
        """What `mastac graph` would say of the couplings: agents in a critic's set, and numbers it reads."""
        found = value_dependency(self.couplings(), kappa)
        sizes, inputs = found.sizes(), found.input_sizes(self.state_sizes, self.action_sizes)
        return {
            "mean_agents": float(sizes.mean()),
            "most_agents": int(sizes.max()),
            "most_numbers": int(inputs.max()),
        }

    def to_dict(self) -> dict[str, Any]:
        """The report, ready for JSON; no list is shortened."""
        return {
            "name": self.name,
            "source": self.source,
            "samples": self.samples,
            "agents": list(self.agents),
            "least_confidence": self.least_confidence,
            "graphs": list(self.graphs),
            "edges": [
                {key: value for key, value in asdict(each).items() if value is not None}
                for each in self.edges
            ],
            "couplings": self.couplings().to_dict(),
            "sets": {"exact": self.set_sizes(), "kappa 2": self.set_sizes(2)},
            "notes": list(self.notes),
            "probability_of_a_miss": {
                f"{share:g}": chance for share, chance in self.misses().items()
            },
        }

    def __str__(self) -> str:
        from mastac.discovery.report import report_text

        return report_text(self)
