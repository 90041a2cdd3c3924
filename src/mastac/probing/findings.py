"""Declared graphs against what was seen: edges that are missing and edges that nothing needs. Imports no JAX."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from mastac.errors import UserError
from mastac.probing.effects import Effects, Evidence
from mastac.structure import Couplings, CouplingSequence
from mastac.structure.couplings import GRAPHS

Declared = Couplings | CouplingSequence


@dataclass(frozen=True)
class Finding:
    """An edge on which the declared graphs and the simulator do not agree.

    - `graph`, `source`, `target`: the edge, agents by name.
    - `points`: at how many points it was looked for; `seen`: at how many it showed; `reached`: at
        how many of these the state was one that a rollout had reached.
    - `largest`: how far the target moved at most, in its own unit.
    - `example`, `time`: the number of that point in `Effects.points`, and its time; `None` if never
        seen.
    - `times`: of couplings that change, the times at which the edge is missing or superfluous; else
        `None`.
    """

    graph: str
    source: str
    target: str
    points: int
    seen: int = 0
    reached: int = 0
    largest: float = 0.0
    example: int | None = None
    time: int | None = None
    times: tuple[int, ...] | None = None


def compared(effects: Effects, declared: Declared) -> tuple[list[Finding], list[Finding]]:
    """Missing and superfluous edges, sorted by graph and agents.

    An edge is missing (at a time) where it was seen and is not declared, superfluous where it is
    declared and was never seen. The state and action graphs of the last entry of a sequence are
    never used, and not compared.
    """
    missing: dict[tuple[int, int, int], Finding] = {}
    superfluous: dict[tuple[int, int, int], Finding] = {}
    for number, graph in enumerate(GRAPHS):
        for time, evidence, matrix in _compared_times(effects, declared, graph):
            claimed, seen = (
                edge_keys(matrix),
                _pairs(evidence.targets, evidence.sources, len(effects.agents)),
            )
            for row in np.flatnonzero(~np.isin(seen, claimed)):
                found = _missing(effects, graph, evidence, int(row), time)
                place = (number, int(evidence.sources[row]), int(evidence.targets[row]))
                missing[place] = _joined(missing[place], found) if place in missing else found
            for key in np.setdiff1d(claimed, seen):
                target, source = divmod(int(key), len(effects.agents))
                times = None if time is None else (time,)
                ends = effects.agents[source], effects.agents[target]
                found = Finding(graph, *ends, points=evidence.points, times=times)
                place = (number, source, target)
                superfluous[place] = (
                    _joined(superfluous[place], found) if place in superfluous else found
                )
    return [missing[place] for place in sorted(missing)], [
        superfluous[place] for place in sorted(superfluous)
    ]


def corrected(effects: Effects, declared: Declared, drop_superfluous: bool = True) -> Declared:
    """The declared graphs with what is missing added, and what was never seen left out; unprobed graphs as declared."""
    if isinstance(declared, Couplings):
        return _corrected(effects, declared, 0, drop_superfluous)
    entries = [
        _corrected(effects, entry, time, drop_superfluous) for time, entry in enumerate(declared)
    ]
    return CouplingSequence(entries)


def in_order(declared: Declared, agents: tuple[str, ...], name: str) -> Declared:
    """The couplings with their agents in the simulator's order.

    **Raises:** `UserError` if they are of other agents.
    """
    if declared.agents == agents:
        return declared
    for one, other, where in (
        (agents, declared.agents, "couplings"),
        (declared.agents, agents, f"'{name}'"),
    ):
        known = set(other)
        lost = next((agent for agent in one if agent not in known), None)
        if lost is not None:
            raise UserError(
                f"there is no agent '{lost}' in the {where}; couplings and simulator need the same names"
            )
    if isinstance(declared, CouplingSequence):
        return CouplingSequence(_ordered(entry, agents) for entry in declared)
    return _ordered(declared, agents)


def _ordered(couplings: Couplings, agents: tuple[str, ...]) -> Couplings:
    return Couplings(agents, **{graph: couplings.edges(graph) for graph in GRAPHS})


def _compared_times(
    effects: Effects, declared: Declared, graph: str
) -> Iterator[tuple[int | None, Evidence, csr_array]]:
    """Time, evidence and declared matrix of every entry of a graph that was probed."""
    if graph not in effects.evidence:
        return
    if isinstance(declared, Couplings):
        yield None, effects.evidence[graph][0], getattr(declared, graph)
        return
    last = declared.horizon if graph in ("state", "action") else declared.horizon + 1
    for time in range(last):
        yield time, effects.evidence[graph][time], getattr(declared[time], graph)


def _pairs(targets: np.ndarray, sources: np.ndarray, num_agents: int) -> np.ndarray:
    return targets.astype(np.int64) * num_agents + sources


def edge_keys(matrix: csr_array) -> np.ndarray:
    """Off-diagonal entries as numbers target · N + source."""
    num_agents = len(matrix.indptr) - 1
    targets, sources = matrix.tocoo().coords
    off = targets != sources
    return _pairs(targets[off], sources[off], num_agents)


def _missing(
    effects: Effects, graph: str, evidence: Evidence, row: int, time: int | None
) -> Finding:
    example = int(evidence.example[row])
    return Finding(
        graph,
        effects.agents[evidence.sources[row]],
        effects.agents[evidence.targets[row]],
        points=evidence.points,
        seen=int(evidence.seen[row]),
        reached=int(evidence.reached[row]),
        largest=float(evidence.largest[row]),
        example=example,
        time=int(effects.points.times[example]),
        times=None if time is None else (time,),
    )


def _joined(one: Finding, other: Finding) -> Finding:
    """The same edge at further times."""
    most = one if one.largest >= other.largest else other
    return Finding(
        one.graph,
        one.source,
        one.target,
        points=one.points + other.points,
        seen=one.seen + other.seen,
        reached=one.reached + other.reached,
        largest=most.largest,
        example=most.example,
        time=most.time,
        times=(*(one.times or ()), *(other.times or ())),
    )


def _corrected(
    effects: Effects, declared: Couplings, time: int, drop_superfluous: bool
) -> Couplings:
    graphs: Mapping[str, csr_array] = {graph: getattr(declared, graph) for graph in GRAPHS}
    seen = {
        graph: rows[time].matrix(declared.num_agents) for graph, rows in effects.evidence.items()
    }
    if not drop_superfluous:
        seen = {graph: (matrix + graphs[graph]).astype(bool) for graph, matrix in seen.items()}
    return Couplings(
        declared.agents, **{graph: matrix.T for graph, matrix in (graphs | seen).items()}
    )
