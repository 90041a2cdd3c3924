"""Graphs by asking the simulator: what moves when one agent's state or action is exchanged and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

from mastac.discovery.discovered import Discovered, Edge
from mastac.probing.effects import Effects, Evidence
from mastac.probing.probes import probe
from mastac.probing.simulator import Simulator
from mastac.structure.couplings import GRAPHS

SURE = 0.95
"""Confidence of the lower bound of an edge's share of points."""


def discover_by_queries(simulator: Any, **how: Any) -> Discovered:
    """What [`mastac.discover`][] does with a simulator; `how` as for [`mastac.probing.probe`][]."""
    effects = probe(simulator, **how)
    return Discovered(
        name=simulator.name if isinstance(simulator, Simulator) else simulator.id,
        agents=effects.agents,
        source="queries",
        samples=effects.num_points,
        graphs=tuple(graph for graph in GRAPHS if graph in effects.evidence),
        edges=tuple(
            edge for graph in GRAPHS if graph in effects.evidence for edge in _edges(effects, graph)
        ),
        least_confidence=0.0,
        state_sizes=effects.state_sizes,
        action_sizes=effects.action_sizes,
        effects=effects,
    )


def _edges(effects: Effects, graph: str) -> list[Edge]:
    """The edges of a graph, of all times together."""
    rows = effects.evidence[graph]
    points = sum(each.points for each in rows)
    keys, which = np.unique(
        np.concatenate([_keys(each, len(effects.agents)) for each in rows]), return_inverse=True
    )
    seen = np.bincount(which, np.concatenate([each.seen for each in rows]), len(keys)).astype(int)
    largest = np.zeros(len(keys))
    np.maximum.at(largest, which, np.concatenate([each.largest for each in rows]))
    least = stats.beta.ppf(1 - SURE, seen, points - seen + 1)  # Clopper and Pearson
    names = effects.agents
    return [
        Edge(
            graph,
            names[source],
            names[target],
            1.0,
            float(size),
            share=count / points,
            least_share=float(low),
        )
        for (source, target), count, low, size in zip(
            (divmod(int(key), len(names)) for key in keys),
            seen.tolist(),
            least,
            largest,
            strict=True,
        )
    ]


def _keys(evidence: Evidence, num_agents: int) -> np.ndarray:
    return evidence.sources.astype(np.int64) * num_agents + evidence.targets
