"""Declared graphs against a log: for systems whose state cannot be set. Imports no JAX."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mastac.discovery.discovered import Discovered
from mastac.discovery.edges import Edge, Source
from mastac.discovery.from_logs import discover_from_log
from mastac.discovery.logs import TransitionLog
from mastac.discovery.report import SHOWN, evidence_text, listed_text
from mastac.probing.check_text import DEFAULTED, verdict_text
from mastac.probing.checking import is_default, set_changes
from mastac.probing.findings import Declared, in_order
from mastac.structure import Couplings, CouplingSequence
from mastac.structure.couplings import GRAPHS

SURE = 0.999
"""Confidence from which an edge that is not declared is missing: one of a thousand may be false."""
LEAST_EFFECT = 0.01
WEAK = 1.0 - 0.05
UNDECIDABLE = (
    "The state of this system cannot be set, so that all this rests on what happened in the log. "
    "Declared edges\nwithout evidence may be there: their effects may be small, or rare, or not "
    "occur under such actions. An edge\nthat is not declared may also show because local states "
    "leave something out, which other agents' then betray."
)


@dataclass(frozen=True)
class LogCheck:
    """What [`mastac.check`][] found in a log; printed, it is the report.

    - `name`, `declared`: what was checked against what. `episodes`: in the log.
    - `missing`: edges that the log demands and the couplings do not have.
    - `weak`: likewise, with less confidence.
    - `superfluous`: declared edges without evidence, as (graph, source, target).
    - `discovered`: all that the log shows.
    - `notes`: what else was seen, and what cannot be decided.
    """

    name: str
    declared: Couplings
    episodes: int
    missing: tuple[Edge, ...] = field(repr=False)
    weak: tuple[Edge, ...] = field(repr=False)
    superfluous: tuple[tuple[str, str, str], ...] = field(repr=False)
    graphs: tuple[str, ...]
    discovered: Discovered = field(repr=False)
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing

    def corrected(self) -> Couplings:
        """The declared couplings with the missing edges."""
        edges = {graph: list(self.declared.edges(graph)) for graph in GRAPHS}
        for edge in self.missing:
            edges[edge.graph].append((edge.source, edge.target))
        declared = self.declared
        about = {"positions": declared.positions or None, "kinds": declared.kinds or None}
        return Couplings(declared.agents, **edges, **about)

    def consequences(self) -> list[dict[str, Any]]:
        """What adding the missing edges changes, as `Check.consequences`."""
        whole = self.corrected() if self.missing else self.declared
        sizes = self.discovered.state_sizes, self.discovered.action_sizes
        return set_changes(self.declared, whole, whole, *sizes)

    def counts(self, graph: str) -> dict[str, int] | None:
        """Numbers of declared, confirmed, missing and unseen edges; `None` if not compared."""
        if graph not in self.graphs:
            return None
        declared = len(self.declared.edges(graph))
        unseen = sum(place[0] == graph for place in self.superfluous)
        missing = sum(edge.graph == graph for edge in self.missing)
        counts = {"declared": declared, "confirmed": declared - unseen}
        return counts | {"missing": missing, "without_evidence": unseen}

    def to_dict(self) -> dict[str, Any]:
        """The report, ready for JSON; no list is shortened."""
        return {
            "name": self.name,
            "num_agents": len(self.declared.agents),
            "source": "log",
            "episodes": self.episodes,
            "transitions": self.discovered.samples,
            "graphs": {graph: self.counts(graph) for graph in GRAPHS},
            "ok": self.ok,
            "missing": [edge.to_dict() for edge in self.missing],
            "weak": [edge.to_dict() for edge in self.weak],
            "without_evidence": [
                dict(zip(("graph", "source", "target"), place, strict=True))
                for place in self.superfluous
            ],
            "critic_inputs": self.consequences(),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        agents = len(self.declared.agents)
        parts = [
            f"{self.name}: {agents} agents, {self.episodes} episodes, "
            f"{self.discovered.samples:,} transitions",
            self._table(),
        ]
        title = "missing: the log shows these edges and the couplings do not have them"
        parts += _edges_text(title, self.missing)
        title = "weak evidence of edges that the couplings do not have"
        parts += _edges_text(title, self.weak)
        if self.superfluous:
            lines = [
                f"  {graph:<14} {' -> '.join(ends)}" for graph, *ends in self.superfluous[:SHOWN]
            ]
            if len(self.superfluous) > SHOWN:
                lines.append(f"  … and {len(self.superfluous) - SHOWN} more (--json lists all)")
            parts.append("\n".join(["without evidence: declared, and no effect found", *lines]))
            if any(is_default(self.declared, graph) for graph, *_ in self.superfluous):
                parts.append(DEFAULTED)
        if self.missing:
            verdict = verdict_text(len(self.missing), 0, agents, self.consequences())
        elif not self.superfluous or self.discovered.found():
            verdict = "Nothing is missing, as far as this log shows."
        else:  # that nothing is missing would be no finding either
            verdict = (
                "This log decides nothing: it shows no edge at all, declared or not. "
                "More episodes may help."
            )
        notes = "\n".join(f"- {note}" for note in self.notes)
        return "\n\n".join([*parts, verdict, *([notes] if notes else []), UNDECIDABLE])

    def _table(self) -> str:
        lines = [f"{'graph':<15}{'declared':>9}{'confirmed':>11}{'missing':>9}{'no evidence':>13}"]
        for graph in GRAPHS:
            counts = self.counts(graph)
            if counts is None:
                lines.append(f"{graph:<15}not compared")
            else:
                numbers = list(counts.values())
                lines.append(
                    f"{graph:<15}{numbers[0]:>9}{numbers[1]:>11}{numbers[2]:>9}{numbers[3]:>13}"
                )
        return "\n".join(lines)


def check_log(
    log: TransitionLog,
    couplings: Declared,
    seed: int = 0,
    observes_state: bool = False,
    notes: tuple[str, ...] = (),
) -> LogCheck:
    """Whether a log agrees with declared graphs.

    **Arguments:**

    - `couplings`: of the log's agents; those that change count as their union.
    - `seed`: of which half of the episodes is looked at, and which tested.
    - `observes_state`: whether observations are the local states: nothing is learnt from them then.
    - `notes`: to be said first.
    """
    declared, said = in_order(couplings, log.names, log.name), list(notes)
    if isinstance(declared, CouplingSequence):
        declared = declared.union()
        said.append("times are not told apart: the couplings are compared as their union")
    found = discover_from_log(log, 1.0 - WEAK, LEAST_EFFECT, seed)
    graphs = tuple(g for g in found.graphs if g != "observation" or not observes_state)
    claimed = {(graph, *ends) for graph in graphs for ends in declared.edges(graph)}
    missing, weak, shown = [], [], set()
    for edge in found.found():
        place = (edge.graph, edge.source, edge.target)
        shown.add(place)
        if edge.graph in graphs and place not in claimed:
            (missing if edge.confidence >= SURE else weak).append(edge)
    undecided = {(edge.graph, edge.source, edge.target) for edge in found.undecided}
    missing += [
        edge
        for edge in found.undecided
        if edge.graph in graphs and edge.confidence >= SURE and not _explained(edge, claimed)
    ]
    if told := sorted(claimed & undecided - shown):
        listed = ", ".join(f"{source} -> {target} ({graph})" for graph, source, target in told[:3])
        more = f" and {len(told) - 3} more" if len(told) > 3 else ""
        said.append(
            f"the log has evidence for {listed}{more}, or for another edge that would explain the "
            "same"
        )
    if observes_state:
        said.append(
            "observations stand for the local states, so that the observation graph is not compared"
        )
    unseen = sorted(claimed - shown - undecided, key=lambda place: graphs.index(place[0]))
    return LogCheck(
        name=log.name,
        declared=declared,
        episodes=log.episodes,
        missing=tuple(missing),
        weak=tuple(weak),
        superfluous=tuple(unseen),
        graphs=graphs,
        discovered=found,
        notes=(*said, *found.notes),
    )


def _explained(edge: Edge, claimed: set[tuple[str, str, str]]) -> bool:
    """Whether an undecided edge, or one that explains the same, is declared."""
    sources = [Source("action" if "action" in edge.graph else "state", edge.source)]
    return any(
        source.agent == edge.target
        or (_graph(edge.graph, source.kind), source.agent, edge.target) in claimed
        for source in (*sources, *edge.alternatives)
    )


def _graph(graph: str, kind: str) -> str:
    """The graph of an edge to the same target from another kind of source."""
    if kind == "state":
        return {"action": "state", "reward_action": "reward"}.get(graph, graph)
    return {"state": "action", "reward": "reward_action"}.get(graph, graph)


def _edges_text(title: str, edges: tuple[Edge, ...]) -> list[str]:
    if not edges:
        return []
    ends = [f"{edge.graph:<14} {edge.source} -> {edge.target}" for edge in edges]
    return [listed_text(title, ends, [evidence_text(edge) for edge in edges])]
