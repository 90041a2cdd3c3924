"""What the graphs show at a glance: groups, uncoupled agents, how far actions reach."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from mastac.structure.boolean import union
from mastac.structure.couplings import GRAPHS, Couplings
from mastac.structure.dependency import estimate

NAMED = 3
"""So many agents are named, the others are counted."""
NEARLY_ALL = 0.9
"""From this share of all agents on, sets and inputs count as nearly everybody."""


def graph_summary(
    couplings: Couplings,
    exact_sizes: np.ndarray | None = None,
    action_sizes: np.ndarray | None = None,
) -> dict[str, Any]:
    """Figures of the exact sets that an [`advice`][mastac.analysis.advice.advice] rests on.

    Nearly all are read off the edges. Exact sets are closed under one step back in time, so a set
    is one agent alone exactly if no edge of any graph enters it, an agent is in no other agent's
    set exactly if none leaves it, and edges connect the same groups as sets. None of it needs the
    sets, and the work is linear in the edges.

    Every agent affects itself (the diagonals of all graphs are set), so no graph can show that an
    action changes nothing for its own agent; rollouts can
    ([`influence_curve`][mastac.analysis.influence.influence_curve]).

    **Arguments:**

    - `couplings`: the same at all times.
    - `exact_sizes`: how many agents are in each agent's exact set, `[agents]`, where that is known.
    - `action_sizes`: numbers of each agent's action, `[agents]`; 0 where it has none. Not given:
        all have one.

    **Returns:** ready for JSON

    - `num_agents`.
    - `separable`: no value depends on another agent.
    - `separable_but_for_sight`: it would be so if no agent observed another one: states, actions
        and rewards are all local.
    - `groups` of agents that never affect each other: their `number`, the sizes of the `largest`
        and the `smallest`, and which agents the smallest consists of (`agents` and `more`).
    - `alone`: agents in groups of one. `unmoved`: agents whose value depends on no other agent.
        `moves_nobody`: agents on which no other agent's value depends. `direct`: agents whose
        action enters another agent's next state or reward at once. `idle`: agents without an
        action. Each as `number`, the first names (`agents`), and how many are not named (`more`).
    - `mean_set`: agents in an exact set, mean over agents (an estimate if sizes are not given).
        `density`: the share of all other agents that this is.
    - `sees_all`: number of agents that observe every agent in their exact set; `None` if sizes are
        not given.
    - `local_models`: what local models of each next state and each reward read (`mastac-model`).
        The `largest` and the `mean` number of agents, and agents with a model that reads nearly
        all of them (`wide`).
    """
    number = couplings.num_agents
    edges = couplings.state
    for graph in GRAPHS[1:]:
        edges = union(edges, getattr(couplings, graph))
    enters, leaves = _others(edges)
    if exact_sizes is None:
        mean = estimate(couplings).entries / number
        sees_all = None
    else:
        mean = float(exact_sizes.mean())
        # An observed agent is in the set, so equal sizes are equal sets.
        sees_all = int(np.count_nonzero(exact_sizes == np.diff(couplings.observation.indptr)))
    local = [getattr(couplings, graph).nnz == number for graph in GRAPHS if graph != "observation"]
    idle = np.asarray(np.ones(number) if action_sizes is None else action_sizes) == 0
    direct = (_others(couplings.action)[1] + _others(couplings.reward_action)[1]) > 0
    return {
        "num_agents": number,
        "separable": edges.nnz == number or mean == 1,
        "separable_but_for_sight": all(local),
        "groups": _groups(couplings, edges),
        "alone": some_of(couplings, (enters == 0) & (leaves == 0)),
        "unmoved": some_of(couplings, enters == 0),
        "moves_nobody": some_of(couplings, leaves == 0),
        "direct": some_of(couplings, direct),
        "idle": some_of(couplings, idle),
        "mean_set": mean,
        "density": (mean - 1) / (number - 1) if number > 1 else 0.0,
        "sees_all": sees_all,
        "local_models": _local_models(couplings),
    }


def _local_models(couplings: Couplings) -> dict[str, Any]:
    """How many agents' states or actions enter each next state and each reward at once."""
    kinds = ((couplings.state, couplings.action), (couplings.reward, couplings.reward_action))
    read = np.array([np.diff(union(*graphs).indptr) for graphs in kinds])
    return {
        "largest": int(read.max()),
        "mean": float(read.mean()),
        "wide": some_of(couplings, read.max(0) >= NEARLY_ALL * couplings.num_agents),
    }


def some_of(couplings: Couplings, marked: np.ndarray) -> dict[str, Any]:
    """The marked agents: how many, the first few by name, and how many more."""
    rows = np.flatnonzero(marked)
    names = [couplings.agents[row] for row in rows[:NAMED].tolist()]
    return {"number": len(rows), "agents": names, "more": len(rows) - len(names)}


def _others(matrix: csr_array) -> tuple[np.ndarray, np.ndarray]:
    """How many other agents enter each agent's row, and how many other rows it enters."""
    size = len(matrix.indptr) - 1
    return np.diff(matrix.indptr) - 1, np.bincount(matrix.indices, minlength=size) - 1


def _groups(couplings: Couplings, edges: csr_array) -> dict[str, Any]:
    """The groups that edges connect."""
    number, labels = connected_components(edges, directed=True, connection="weak")
    sizes = np.bincount(labels)
    smallest = some_of(couplings, labels == sizes.argmin())
    return smallest | {
        "number": int(number),
        "largest": int(sizes.max()),
        "smallest": int(sizes.min()),
    }
