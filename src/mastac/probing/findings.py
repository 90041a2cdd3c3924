"""Declared graphs against what was seen: missing and superfluous edges. Imports no JAX."""

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
    - `points`: at how many points it was looked for.
    - `seen`: at how many it showed; `reached`: at how many of these the state was one that a
        rollout had reached.
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
            claimed = edge_keys(matrix)
            seen = _keys(evidence.targets, evidence.sources, len(effects.agents))
            for row in np.flatnonzero(~np.isin(seen, claimed)):
                place = (number, int(evidence.sources[row]), int(evidence.targets[row]))
                _add(missing, place, _missing(effects, graph, evidence, int(row), time))
            for key in np.setdiff1d(claimed, seen):
                target, source = divmod(int(key), len(effects.agents))
                times = None if time is None else (time,)
                ends = effects.agents[source], effects.agents[target]
                finding = Finding(graph, *ends, points=evidence.points, times=times)
                _add(superfluous, (number, source, target), finding)
    return (
        [missing[place] for place in sorted(missing)],
        [superfluous[place] for place in sorted(superfluous)],
    )


def corrected(effects: Effects, declared: Declared, drop_superfluous: bool = True) -> Declared:
    """The declared graphs with what is missing, and without what was never seen.

    Graphs that were not probed stay as declared.
    """
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
    for here, there, where in (
        (agents, declared.agents, "couplings"),
        (declared.agents, agents, f"'{name}'"),
    ):
        known = set(there)
        lost = next((agent for agent in here if agent not in known), None)
        if lost is not None:
            raise UserError(
                f"there is no agent '{lost}' in the {where}; couplings and simulator need the same "
                "names"
            )
    if isinstance(declared, CouplingSequence):
        return CouplingSequence(_ordered(entry, agents) for entry in declared)
    return _ordered(declared, agents)


def _ordered(couplings: Couplings, agents: tuple[str, ...]) -> Couplings:
    edges = {graph: couplings.edges(graph) for graph in GRAPHS}
    about = {"positions": couplings.positions or None, "kinds": couplings.kinds or None}
    return Couplings(agents, **edges, **about)


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


def _keys(targets: np.ndarray, sources: np.ndarray, num_agents: int) -> np.ndarray:
    return targets.astype(np.int64) * num_agents + sources


def edge_keys(matrix: csr_array) -> np.ndarray:
    """Off-diagonal entries as numbers target · N + source."""
    num_agents = len(matrix.indptr) - 1
    targets, sources = matrix.tocoo().coords
    off = targets != sources
    return _keys(targets[off], sources[off], num_agents)


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


def _add(
    findings: dict[tuple[int, int, int], Finding], place: tuple[int, int, int], later: Finding
) -> None:
    """Add a finding; the same edge at further times becomes one finding."""
    first = findings.get(place)
    if first is None:
        findings[place] = later
        return
    clearest = first if first.largest >= later.largest else later
    findings[place] = Finding(
        first.graph,
        first.source,
        first.target,
        points=first.points + later.points,
        seen=first.seen + later.seen,
        reached=first.reached + later.reached,
        largest=clearest.largest,
        example=clearest.example,
        time=clearest.time,
        times=(*(first.times or ()), *(later.times or ())),
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
    return declared.with_graphs(**{graph: csr_array(matrix) for graph, matrix in seen.items()})
