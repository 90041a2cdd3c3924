"""Graphs by asking the simulator: what moves when one agent's state or action is exchanged."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

from mastac.discovery.discovered import Discovered
from mastac.discovery.edges import Edge
from mastac.probing.effects import Effects, Evidence
from mastac.probing.probes import probe
from mastac.probing.simulator import Simulator
from mastac.structure.couplings import GRAPHS

CONFIDENCE = 0.95
"""Of the lower bound of an edge's share of points."""


def discover_by_queries(simulator: Any, **options: Any) -> Discovered:
    """What [`mastac.discover`][] does with a simulator; options as for `mastac.probing.probe`."""
    effects = probe(simulator, **options)
    graphs = tuple(graph for graph in GRAPHS if graph in effects.evidence)
    return Discovered(
        name=simulator.name if isinstance(simulator, Simulator) else simulator.id,
        agents=effects.agents,
        source="queries",
        samples=effects.num_points,
        graphs=graphs,
        edges=tuple(edge for graph in graphs for edge in _edges(effects, graph)),
        least_confidence=0.0,
        state_sizes=effects.state_sizes,
        action_sizes=effects.action_sizes,
        effects=effects,
    )


def _edges(effects: Effects, graph: str) -> list[Edge]:
    """The edges of a graph, of all times together."""
    names, times = effects.agents, effects.evidence[graph]
    points = sum(evidence.points for evidence in times)
    keys, which = np.unique(
        np.concatenate([_keys(evidence, len(names)) for evidence in times]), return_inverse=True
    )
    counts = np.concatenate([evidence.seen for evidence in times])
    seen = np.bincount(which, counts, len(keys)).astype(int)
    largest = np.zeros(len(keys))
    np.maximum.at(largest, which, np.concatenate([evidence.largest for evidence in times]))
    bound = {count: _lower_bound(count, points) for count in set(seen.tolist())}
    return [
        Edge(
            graph,
            names[key // len(names)],
            names[key % len(names)],
            confidence=1.0,
            effect=size,
            share=count / points,
            least_share=bound[count],
        )
        for key, count, size in zip(keys.tolist(), seen.tolist(), largest.tolist(), strict=True)
    ]


def _lower_bound(count: int, points: int) -> float:
    """One-sided bound of a share (Clopper and Pearson 1934)."""
    test = stats.binomtest(count, points, alternative="greater")
    return float(test.proportion_ci(CONFIDENCE, "exact").low)


def _keys(evidence: Evidence, num_agents: int) -> np.ndarray:
    return evidence.sources.astype(np.int64) * num_agents + evidence.targets
