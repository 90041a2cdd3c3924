"""From an id and checked options to an environment: the graphs by name, agents' names, reference figures."""

import dataclasses
from typing import Any

from mastac.envs.base import Environment
from mastac.envs.thermal import thermal
from mastac.envs.warehouse import warehouse
from mastac.structure import Couplings

Edges = list[tuple[int, int]]

# Source -> target, numbered from 1. From the public code of Jing et al., "Distributed multiagent reinforcement
# learning based on graph-induced local value functions" (IEEE TAC, 2024), the ancestor of the paper's example. The
# paper's own Figure 10 is not available to us, so that it shows this graph is unverified; the graph agrees with
# everything that the text says of it.
JING_GRAPH = ((1, 2), (2, 1), (2, 3), (3, 4), (4, 3), (5, 3), (5, 6), (5, 7), (6, 5), (7, 8), (8, 9), (9, 7))


def _ring(num_agents: int) -> Edges:
    ahead = [(i, (i + 1) % num_agents) for i in range(num_agents)]
    return ahead + [(j, i) for i, j in ahead]


def _two_chains(num_agents: int) -> Edges:
    ahead = [(i, i + 2) for i in range(num_agents - 2)]
    return ahead + [(j, i) for i, j in ahead]


NAMED_GRAPHS = {
    "ring": _ring,
    "two-chains": _two_chains,
    "jing": lambda num_agents: [(i - 1, j - 1) for i, j in JING_GRAPH],
}


def _couplings(agents: list[str], values: dict[str, Any], both_ways: bool = False, **more: Any) -> Couplings:
    """Couplings of named agents from the options `graph`, `observation` and `reward`."""
    graph = values["graph"]
    state = NAMED_GRAPHS[graph](len(agents)) if isinstance(graph, str) else [tuple(pair) for pair in graph]
    if both_ways:
        state = list(dict.fromkeys(state + [(j, i) for i, j in state]))
    named = {"graph": state, "neighbours": state, "none": [], "local": []}

    def edges(name: str) -> Edges:
        value = values.get(name, "local")
        return named[value] if isinstance(value, str) else [tuple(pair) for pair in value]

    return Couplings(agents, state=state, observation=edges("observation"), reward=edges("reward"), **more)


def _with_reference(env: Environment) -> Environment:
    return env


def _warehouse(id: str, num_agents: int, values: dict[str, Any]) -> Environment:
    agents = [f"warehouse-{i + 1}" for i in range(num_agents)]
    # Nobody's action enters a reward: what is short at a time was settled by the actions before it.
    couplings = _couplings(agents, values, reward_action=[])
    names = ("supply", "share", "frequency", "phase", "noise", "initial_stock", "horizon")
    return _with_reference(warehouse(couplings, **{name: values[name] for name in names}, id=id, options=values))


warehouse_9 = warehouse_n = _warehouse


def thermal_n(id: str, num_agents: int, values: dict[str, Any]) -> Environment:
    """Two chains of zones: zone `i` shares walls with zones `i - 2` and `i + 2`."""
    agents = [f"zone-{i + 1}" for i in range(num_agents)]
    couplings = _couplings(agents, values, both_ways=True, action=[])
    walls = values["wall_resistance"]
    rest = {name: value for name, value in values.items() if name not in ("graph", "observation", "wall_resistance")}
    resistance = walls if isinstance(walls, float) else {(one, other): value for one, other, value in walls}
    return _with_reference(thermal(couplings, wall_resistance=resistance, **rest, id=id, options=values))


def lq_n(id: str, num_agents: int, values: dict[str, Any]) -> Environment:
    """A linear-quadratic network on a ring."""
    raise NotImplementedError
