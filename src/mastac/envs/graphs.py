"""The graphs of the named environments and the sizes of their agents' states and actions, without JAX."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from mastac.envs.actuators import action_sizes, period_of
from mastac.envs.registry import checked_options, entry_of
from mastac.structure import Couplings, CouplingSequence, steady

Edges = list[tuple[Any, Any]]

# Source -> target, numbered from 1. From the public code of Jing et al., "Distributed multiagent
# reinforcement learning based on graph-induced local value functions" (IEEE TAC, 2024), the
# ancestor of the paper's example. The paper's own Figure 10 is not available to us, so that it
# shows this graph is unverified; the graph agrees with everything that the text says of it.
JING_GRAPH = (
    (1, 2),
    (2, 1),
    (2, 3),
    (3, 4),
    (4, 3),
    (5, 3),
    (5, 6),
    (5, 7),
    (6, 5),
    (7, 8),
    (8, 9),
    (9, 7),
)


def _ring(num_agents: int) -> Edges:
    ahead = [(i, (i + 1) % num_agents) for i in range(num_agents)]
    return ahead + [(j, i) for i, j in ahead]


def _two_chains(num_agents: int) -> Edges:
    ahead = [(i, i + 2) for i in range(num_agents - 2)]
    return ahead + [(j, i) for i, j in ahead]


def _corridor(num_agents: int) -> Edges:
    return [(i, i + 1) for i in range(num_agents - 1)]


def _chain(num_agents: int) -> Edges:
    ahead = _corridor(num_agents)
    return ahead + [(j, i) for i, j in ahead]


NAMED_GRAPHS = {
    "chain": _chain,
    "corridor": _corridor,
    "ring": _ring,
    "two-chains": _two_chains,
    "jing": lambda num_agents: [(i - 1, j - 1) for i, j in JING_GRAPH],
}


class Structure(NamedTuple):
    """What is known of an environment before it is built: who affects whom, and how large states and actions are."""

    couplings: Couplings | CouplingSequence
    state_sizes: np.ndarray
    action_sizes: np.ndarray


def structure_of(id: str, options: Mapping[str, Any] | None = None) -> Structure:
    """Couplings and sizes of `make(id, **options)`, found without building it.

    **Raises:** `UserError` as [`mastac.make`][].
    """
    _, num_agents = entry_of(id)
    values = checked_options(id, options or {})
    couplings = couplings_of(id, values)
    ones = np.ones(num_agents, int)
    if id.startswith("warehouse-"):
        receivers = np.bincount(
            steady(couplings).state.indices, minlength=num_agents
        )  # the warehouse itself among them
        return Structure(couplings, 2 * ones, receivers - (values["share"] == "send"))
    if id.startswith("computers-"):
        return Structure(couplings, 3 * ones, 2 * ones)  # conditions, choices
    sizes = ones * np.asarray(values.get("state_size", 1))
    return Structure(couplings, sizes, action_sizes(id.split("-")[0], num_agents, values))


def couplings_of(id: str, values: Mapping[str, Any]) -> Couplings | CouplingSequence:
    """The couplings of environment `id` with all its options, agents named after what they are.

    Stock flows along the graph of warehouses, and what is sent is an action. Walls of a building
    conduct both ways, but a zone's power heats that zone alone; in the linear network, too, an
    agent's action drives its own state. A computer infects along the graph unless it is restarted,
    which is an action. In none of them does an agent's action enter another one's reward: shortage
    was settled by the actions before it.
    """
    family, number = id.rsplit("-", 1)
    num_agents, graph = int(number), values["graph"]
    if family == "doors":
        return _doors(num_agents, values)
    if family == "lq":
        period_of(num_agents, values)  # refused before anything is built
    state = (
        NAMED_GRAPHS[graph](num_agents)
        if isinstance(graph, str)
        else [tuple(pair) for pair in graph]
    )
    if family == "thermal":
        state = list(dict.fromkeys(state + [(j, i) for i, j in state]))
    named = {"graph": state, "neighbours": state, "none": [], "local": []}

    def edges(name: str) -> Edges:
        value = values.get(name, "local")
        return named[value] if isinstance(value, str) else [tuple(pair) for pair in value]

    return Couplings(
        [f"{AGENT_NAMES[family]}-{i + 1}" for i in range(num_agents)],
        state=state,
        observation=edges("observation"),
        reward=edges("reward"),
        action=None if family in ("warehouse", "computers") else [],
        reward_action=[],
    )


def _doors(num_agents: int, values: Mapping[str, Any]) -> Couplings | CouplingSequence:
    """Rooms whose doors take turns: of each room's doors one is open at a time, for `turn` steps.

    Heat passes, and a neighbour's temperature is seen, through open doors alone. With
    `known="union"` the couplings declare every door open at all times, which is true of none but
    covers all.
    """
    names = [f"room-{i + 1}" for i in range(num_agents)]
    graph = values["graph"]
    doors = (
        NAMED_GRAPHS[graph](num_agents)
        if isinstance(graph, str)
        else [tuple(pair) for pair in graph]
    )
    pairs = [(min(door), max(door)) for door in Couplings(names, state=doors).edges("state")]
    turns: list[list[tuple[str, str]]] = []
    for door in dict.fromkeys(pairs):
        turn = next(
            (each for each in turns if not any(set(door) & set(other) for other in each)), None
        )
        if turn is None:
            turns.append(turn := [])
        turn.append(door)
    entries = []
    for turn in turns or [[]]:
        both = [*turn, *((target, source) for source, target in turn)]
        seen = both if values["observation"] == "graph" else []
        entries.append(Couplings(names, state=both, observation=seen, action=[], reward_action=[]))
    steps = range(values["horizon"])
    sequence = CouplingSequence([entries[step // values["turn"] % len(entries)] for step in steps])
    return sequence.union() if values["known"] == "union" else sequence


AGENT_NAMES = {"computers": "computer", "warehouse": "warehouse", "thermal": "zone", "lq": "agent"}
