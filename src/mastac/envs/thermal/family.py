"""The buildings `thermal-N`."""

from typing import TYPE_CHECKING, Any

import numpy as np

from mastac.checks import real_number
from mastac.envs.family import AnyCouplings, Family, Figures, Options, Structure
from mastac.envs.named_graphs import (
    OBSERVATION,
    REWARD,
    Edges,
    both_ways,
    couplings_on,
    edges_of,
)
from mastac.envs.options import Option, count, edges, every, number, of_agents, plain, positive
from mastac.envs.thermal.zones import zone_limits
from mastac.errors import UserError
from mastac.structure import steady

if TYPE_CHECKING:
    from mastac.envs.base import Environment


def two_chains(num_agents: int) -> Edges:
    """Zone `i` shares walls with zones `i - 2` and `i + 2`."""
    return both_ways([(i, i + 2) for i in range(num_agents - 2)])


GRAPHS = {"two-chains": two_chains}


def structure(num_agents: int, options: Options) -> Structure:
    """Walls conduct both ways, but a zone's power heats that zone alone."""
    walls = edges_of(options["graph"], num_agents, GRAPHS)
    graph = list(dict.fromkeys(both_ways(walls)))
    couplings = couplings_on(graph, num_agents, "zone", options, action=[])
    has_actuator = zone_limits(num_agents, options) > 0
    return Structure(couplings, np.ones(num_agents, int), has_actuator.astype(int))


def build(id: str, couplings: AnyCouplings, options: Options) -> "Environment":
    """The building with these options."""
    from mastac.envs.thermal.dynamics import thermal

    return thermal(id, steady(couplings), options, options)


def figures(couplings: AnyCouplings, options: Options, seconds: float) -> Figures:
    """Reference figures, and entries of the gain and constants of the best feedback found."""
    from mastac.envs.thermal.references import thermal_figures

    return thermal_figures(couplings, options)


def walls(name: str, value: Any, num_agents: int) -> float | list[list[Any]]:
    """One positive number for all walls, or a list of [zone, zone, number]."""
    value = plain(value)
    if not isinstance(value, list):
        return real_number(f"option {name}", value, 0.0, least_excluded=True)
    for wall in value:
        is_named = (
            isinstance(wall, list)
            and len(wall) == 3
            and all(isinstance(zone, str) for zone in wall[:2])
        )
        if not is_named:
            raise UserError(
                f"option {name} must be one number or a list of [zone, zone, number], not {wall!r}"
            )
        real_number(f"option {name}", wall[2], 0.0, least_excluded=True)
    return value


FAMILY = Family(
    id="thermal-N",
    summary="a building of N zones, each heated or cooled to its target temperature",
    example="thermal-40",
    options={
        "limit_kw": Option(10.0, "largest heating or cooling power, in kW", of_agents(positive)),
        "coolers": Option(
            "all",
            "which zones have that power: all, or every-K: the first of every K of a chain",
            every,
        ),
        "weak_kw": Option(
            0.0, "largest power of the other zones, in kW; 0: they have no action", number(0.0)
        ),
        "start_variance": Option(2.5, "variance of the first temperatures, in °C²", number(0.0)),
        "start_mean": Option(30.0, "mean of the first temperatures, in °C", number()),
        "target": Option(22.0, "temperature asked for, in °C", of_agents(number())),
        "outside": Option(30.0, "outside temperature, in °C", number()),
        "capacitance": Option(200.0, "thermal capacitance, in kJ/°C", of_agents(positive)),
        "outside_resistance": Option(
            1.0, "resistance to the outside, in °C/kW", of_agents(positive)
        ),
        "wall_resistance": Option(
            1.0, "resistance of walls, in °C/kW: one number or [zone, zone, number] each", walls
        ),
        "heat_kw": Option(1.0, "constant heat from external sources, in kW", of_agents(number())),
        "control_cost": Option(
            0.01, "cost of the squared power, in °C²/kW²", of_agents(number(0.0))
        ),
        "noise_variance": Option(6.25, "of the process noise, in kJ²/s", number(0.0)),
        "step_seconds": Option(60.0, "length of a step, in s", positive),
        "graph": Option(
            "two-chains", "walls: two-chains (zones i and i+2) or pairs", edges(*GRAPHS)
        ),
        "observation": Option(
            "graph",
            "who is seen by whom: graph (both sides of each wall), none, or pairs",
            OBSERVATION,
        ),
        "reward": Option(
            "local",
            "whose comfort enters whose reward, in equal parts: local, neighbours, or pairs",
            REWARD,
        ),
        "horizon": Option(40, "steps of an episode", count()),
    },
    structure=structure,
    build=build,
    figures=figures,
    stored=[
        *(("thermal-40", {"limit_kw": limit}) for limit in (10.0, 20.0, 30.0)),
        ("thermal-40", {"coolers": "every-2", "limit_kw": 30.0}),
        ("thermal-40", {"reward": "neighbours"}),
        ("thermal-400", {}),
        ("thermal-400", {"coolers": "every-2", "limit_kw": 30.0}),
    ],
)
