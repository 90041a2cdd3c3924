"""Graphs that several families offer by name, and couplings from the options for graphs."""

from collections.abc import Callable, Mapping
from typing import Any

from mastac.envs.family import Options
from mastac.envs.options import edges
from mastac.structure import Couplings

Edges = list[tuple[Any, Any]]
"""Pairs (source, target) of agents' names or indices."""
Graph = Callable[[int], Edges]
"""The edges of a named graph of so many agents."""


def both_ways(pairs: Edges) -> Edges:
    """The pairs, and each in the other direction."""
    return pairs + [(target, source) for source, target in pairs]


def ring(num_agents: int) -> Edges:
    """Each agent and the next one affect each other, and so do the last and the first."""
    return both_ways([(i, (i + 1) % num_agents) for i in range(num_agents)])


def corridor(num_agents: int) -> Edges:
    """Each agent affects the next one."""
    return [(i, i + 1) for i in range(num_agents - 1)]


def chain(num_agents: int) -> Edges:
    """Each agent and the next one affect each other."""
    return both_ways(corridor(num_agents))


def edges_of(value: Any, num_agents: int, graphs: Mapping[str, Graph]) -> Edges:
    """The edges that an option gives: one of the `graphs` by its name, or pairs."""
    return graphs[value](num_agents) if isinstance(value, str) else [tuple(pair) for pair in value]


OBSERVATION = edges("graph", "none")
"""The check of an option that says who is seen by whom."""
REWARD = edges("local", "neighbours")
"""The check of an option that says whose state enters whose reward."""


def couplings_on(
    graph: Edges, num_agents: int, agent: str, options: Options, action: Edges | None = None
) -> Couplings:
    """Couplings whose states are coupled along `graph`; no action enters another agent's reward.

    **Arguments:**

    - `graph`: edges of the state graph.
    - `num_agents`: number of agents.
    - `agent`: what an agent is; they are named `zone-1`, `zone-2` and so on.
    - `options`: `observation` and, where the family has it, `reward` are read.
    - `action`: edges of the action graph; `None`: those of the state graph.
    """
    graphs = {"graph": graph, "neighbours": graph, "none": [], "local": []}

    def chosen(name: str) -> Edges:
        value = options.get(name, "local")
        return graphs[value] if isinstance(value, str) else [tuple(pair) for pair in value]

    return Couplings(
        [f"{agent}-{i + 1}" for i in range(num_agents)],
        state=graph,
        observation=chosen("observation"),
        reward=chosen("reward"),
        action=action,
        reward_action=[],
    )
