"""The rooms `doors-N`, whose doors open alternately: couplings change with the time."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mastac.envs.family import AnyCouplings, Family, Figures, Options, Structure
from mastac.envs.named_graphs import Edges, corridor, edges_of
from mastac.envs.options import Option, choice, count, edges, positive
from mastac.envs.thermal.family import FAMILY as THERMAL
from mastac.structure import Couplings, CouplingSequence

if TYPE_CHECKING:
    from mastac.envs.base import Environment

GRAPHS = {"corridor": corridor}


def structure(num_agents: int, options: Options) -> Structure:
    """The schedule of the doors.

    With `known="union"` the couplings declare every door open at all times, which is true of none
    but covers all.
    """
    schedule = scheduled(num_agents, options)
    ones = np.ones(num_agents, int)
    return Structure(schedule.union() if options["known"] == "union" else schedule, ones, ones)


def scheduled(num_agents: int, options: Options) -> CouplingSequence:
    """Who affects and sees whom at each step.

    Of each room's doors one is open at a time, for `turn` steps. Heat passes, and a neighbour's
    temperature is seen, through open doors alone.
    """
    names = [f"room-{i + 1}" for i in range(num_agents)]
    graph = Couplings(names, state=edges_of(options["graph"], num_agents, GRAPHS))
    entries = []
    for open_doors in turns_of(graph.edges("state")) or [[]]:
        both = [*open_doors, *((target, source) for source, target in open_doors)]
        seen = both if options["observation"] == "graph" else []
        entries.append(Couplings(names, state=both, observation=seen, action=[], reward_action=[]))
    steps = range(options["horizon"])
    return CouplingSequence([entries[step // options["turn"] % len(entries)] for step in steps])


def turns_of(doors: Edges) -> list[Edges]:
    """The doors in groups that are open together: no two doors of a group are of the same room.

    Every door joins the first group that has none of its two rooms.
    """
    turns: list[Edges] = []
    for door in dict.fromkeys((min(pair), max(pair)) for pair in doors):
        free = (turn for turn in turns if not any(set(door) & set(other) for other in turn))
        turn = next(free, None)
        if turn is None:
            turns.append(turn := [])
        turn.append(door)
    return turns


def as_building(num_agents: int, options: Options) -> dict[str, Any]:
    """The options as those of a building, with strong and weak coolers alternately."""
    limits = [
        options["strong_kw"] if room % 2 == 0 else options["weak_kw"] for room in range(num_agents)
    ]
    return {**options, "limit_kw": limits, "coolers": "all"}


def build(id: str, couplings: AnyCouplings, options: Options) -> "Environment":
    """The rooms with these options: the doors move as scheduled, whatever the couplings declare."""
    from mastac.envs.thermal.dynamics import thermal

    n = couplings.num_agents
    env = thermal(id, scheduled(n, options), as_building(n, options), options)
    return replace(env, couplings=couplings)


def figures(couplings: AnyCouplings, options: Options, seconds: float) -> Figures:
    """As of a building; what the couplings declare changes nothing of what happens."""
    from mastac.envs.thermal.references import thermal_figures

    n = couplings.num_agents
    return thermal_figures(scheduled(n, options), as_building(n, options))


FAMILY = Family(
    id="doors-N",
    summary="rooms whose doors take turns, weak coolers beside strong ones: couplings that change "
    "with the time",
    example="doors-12",
    options={
        **{
            name: option
            for name, option in THERMAL.options.items()
            if name not in ("limit_kw", "coolers", "reward")
        },
        "strong_kw": Option(
            16.0, "largest power of every other room, the first among them, in kW", positive
        ),
        "weak_kw": Option(5.0, "largest power of the rooms between, in kW", positive),
        "wall_resistance": Option(0.6, "resistance of an open door, in °C/kW", positive),
        "graph": Option(
            "corridor", "doors: corridor (between rooms i and i+1) or pairs", edges(*GRAPHS)
        ),
        "observation": Option(
            "graph",
            "who is seen by whom: graph (through open doors) or none",
            choice("graph", "none"),
        ),
        "turn": Option(10, "steps for which doors stay as they are", count()),
        "known": Option(
            "schedule",
            "what the couplings declare: schedule, or union (every door always open)",
            choice("schedule", "union"),
        ),
    },
    structure=structure,
    build=build,
    figures=figures,
)
