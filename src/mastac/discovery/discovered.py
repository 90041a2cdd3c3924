"""What was discovered: edges with the evidence for them, and the couplings that they make up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mastac.checks import real_number
from mastac.discovery.edges import Edge, Score, Source
from mastac.discovery.report import edges_text, sets_text, undecided_text
from mastac.errors import UserError
from mastac.probing import Effects, miss_probability
from mastac.probing.check_text import misses_text
from mastac.probing.checking import SHARES
from mastac.probing.findings import Declared, in_order
from mastac.structure import Couplings, CouplingSequence, value_dependency


@dataclass(frozen=True)
class Discovered:
    """What [`mastac.discover`][] found; printed, it is the report.

    - `name`, `agents`: of what was looked at.
    - `source`: "queries" or "log". `samples`: points, or transitions.
    - `graphs`: those that were looked for; without observations there is no observation graph.
    - `edges`: every edge for which there is evidence, weak evidence too; sorted by graph and
        agents.
    - `least_confidence`: what an edge needs to be accepted, unless `couplings` is told otherwise.
    - `state_sizes`, `action_sizes`: real entries of the agents' rows.
    - `notes`: what could not be told, in words.
    - `effects`: of queries, all that was seen.
    - `undecided`: of a log, edges of which one is there, while the log cannot say which; they are
        in no couplings.
    - `alike`: of a log, groups of states and actions that cannot be told apart.
    - `constant`: of a log, the states and actions that never vary.
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
    undecided: tuple[Edge, ...] = field(default=(), repr=False)
    alike: tuple[tuple[Source, ...], ...] = ()
    constant: tuple[Source, ...] = ()

    def found(self, confidence: float | None = None, least_share: float = 0.0) -> list[Edge]:
        """The edges that are accepted.

        **Arguments:**

        - `confidence`: what an edge needs at least; `least_confidence` unless given.
        - `least_share`: of queries, the share of points at which it has to show.

        **Raises:** `UserError` for a number outside 0 … 1, or a share asked of a log.
        """
        confidence = self.least_confidence if confidence is None else confidence
        confidence = real_number("confidence", confidence, 0, 1)
        least_share = real_number("least_share", least_share, 0, 1)
        if least_share and self.source == "log":
            raise UserError(
                "least_share is of edges found by queries; ask for more confidence of those from "
                "a log"
            )
        return [
            edge
            for edge in self.edges
            if edge.confidence >= confidence and (edge.least_share or 0) >= least_share
        ]

    def couplings(self, confidence: float | None = None, least_share: float = 0.0) -> Couplings:
        """The graphs of the accepted edges, arguments as for `found`.

        Of changing couplings the union over all times. A graph that was not looked for has no
        edges.
        """
        edges: dict[str, list[tuple[str, str]]] = {"action": [], "reward_action": []}
        for edge in self.found(confidence, least_share):
            edges.setdefault(edge.graph, []).append((edge.source, edge.target))
        return Couplings(self.agents, **edges)

    def sequence(self) -> CouplingSequence:
        """The graphs of each time.

        **Raises:** `UserError` unless times were told apart.
        """
        couplings = None if self.effects is None else self.effects.couplings()
        if not isinstance(couplings, CouplingSequence):
            raise UserError(
                f"the times of '{self.name}' were not told apart; discover by queries with "
                "by_time=True"
            )
        return couplings

    def score(self, true: Declared, confidence: float | None = None) -> dict[str, Score]:
        """Found against true edges, for each graph that was looked for; self-loops do not count.

        Couplings that change with the time count as their union.

        **Raises:** `UserError` if the couplings are of other agents.
        """
        true = in_order(true, self.agents, self.name)
        true = true.union() if isinstance(true, CouplingSequence) else true
        couplings = self.couplings(confidence)
        scores = {}
        for graph in self.graphs:
            mine, theirs = set(couplings.edges(graph)), set(true.edges(graph))
            scores[graph] = Score(len(mine), len(theirs), len(mine & theirs))
        return scores

    def misses(self) -> dict[float, float]:
        """Of queries: how probably an edge is missed, by the share of points at which it shows."""
        if self.effects is None:
            return {}
        points = min(e.points for evidence in self.effects.evidence.values() for e in evidence)
        return {share: miss_probability(share, points) for share in SHARES}

    def set_sizes(self, kappa: int | None = None) -> dict[str, float]:
        """Agents in a critic's set, and numbers that it reads, with the discovered couplings."""
        sets = value_dependency(self.couplings(), kappa)
        sizes, inputs = sets.sizes(), sets.input_sizes(self.state_sizes, self.action_sizes)
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
            "edges": [edge.to_dict() for edge in self.edges],
            "undecided": [edge.to_dict() for edge in self.undecided],
            "alike": [[source._asdict() for source in group] for group in self.alike],
            "constant": [source._asdict() for source in self.constant],
            "couplings": self.couplings().to_dict(),
            "sets": {"exact": self.set_sizes(), "kappa 2": self.set_sizes(2)},
            "notes": list(self.notes),
            "probability_of_a_miss": {
                f"{share:g}": chance for share, chance in self.misses().items()
            },
        }

    def __str__(self) -> str:
        accepted = self.found()
        parts = [self._head()]
        parts += [
            edges_text(graph, [edge for edge in accepted if edge.graph == graph])
            for graph in self.graphs
        ]
        if "observation" not in self.graphs:
            parts.append("observation: not looked for, there are no observations")
        if self.undecided:
            parts.append(undecided_text(self.undecided))
        parts.append(sets_text(self.set_sizes(), self.set_sizes(2)))
        missed = (
            "What was not found may be there: an effect too small for so many transitions, or one "
            "not varied."
            if self.effects is None
            else misses_text(self.misses())
        )
        return "\n\n".join([*parts, "\n".join([*self.notes, missed])])

    def _head(self) -> str:
        agents = "1 agent" if len(self.agents) == 1 else f"{len(self.agents)} agents"
        if self.source == "queries":
            return f"{self.name}: {agents}, {self.samples:,} random points, paired changes"
        return (
            f"{self.name}: {agents}, {self.samples:,} transitions of a log, "
            f"false discovery rate {1 - self.least_confidence:.2g}"
        )
