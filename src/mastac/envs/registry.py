"""Environments by name: the table of ids and options, readable without JAX, and `make`."""

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mastac.envs.options import (
    Option,
    choice,
    count,
    counts_of_agents,
    edges,
    every,
    number,
    numbers_of_agents,
    probability,
    resolved,
    supply,
    walls,
)
from mastac.errors import UserError, unknown

if TYPE_CHECKING:
    from mastac.envs.base import Environment


@dataclass(frozen=True)
class Entry:
    """A family of environments: its id (`N` stands for the number of agents), one line on it, its options.

    `example` is an id that `make` accepts; `builder` names a function of `mastac.envs.builders`;
    `discrete`: whether actions are choices.
    """

    id: str
    summary: str
    options: Mapping[str, Option]
    example: str
    builder: str
    discrete: bool = False


def _warehouse_options(graph: str, amplitudes: str) -> dict[str, Option]:
    return {
        "supply": Option(
            amplitudes,
            "sign and size of each net supply: halves, primes, runs-K, apart-D or a list",
            supply,
        ),
        "share": Option(
            "keep", "keep: a share may stay; send: all stock is sent on", choice("keep", "send")
        ),
        "frequency": Option(
            1.0, "of the supply, in rad per step; one number or one each", numbers_of_agents()
        ),
        "phase": Option(0.0, "of the supply, in rad; one number or one each", numbers_of_agents()),
        "noise": Option(
            0.0, "standard deviation of the supply's noise, in units of stock", number(0)
        ),
        "initial_stock": Option(
            1.0,
            "stock at the start, in units of stock; one number or one each",
            numbers_of_agents(),
        ),
        "graph": Option(graph, "who sends to whom: a name or [source, target] pairs", edges(graph)),
        "observation": Option(
            "graph", "who is seen by whom: graph (as stock flows), none, or pairs", _OBSERVATION
        ),
        "reward": Option(
            "local", "who pays into whose reward: local, neighbours, or pairs", _REWARD
        ),
        "horizon": Option(8, "steps of an episode", count()),
    }


_OBSERVATION = edges("graph", "none")
_REWARD = edges("local", "neighbours")
_POSITIVE = numbers_of_agents(0, above=True)

_THERMAL_OPTIONS = {
    "limit_kw": Option(10.0, "largest heating or cooling power, in kW", _POSITIVE),
    "coolers": Option(
        "all",
        "which zones have that power: all, or every-K: the first of every K of a chain",
        every,
    ),
    "weak_kw": Option(
        0.0, "largest power of the other zones, in kW; 0: they have no action", number(0)
    ),
    "start_variance": Option(2.5, "variance of the first temperatures, in °C²", number(0)),
    "start_mean": Option(30.0, "mean of the first temperatures, in °C", number()),
    "target": Option(22.0, "temperature asked for, in °C", numbers_of_agents()),
    "outside": Option(30.0, "outside temperature, in °C", number()),
    "capacitance": Option(200.0, "thermal capacitance, in kJ/°C", _POSITIVE),
    "outside_resistance": Option(1.0, "resistance to the outside, in °C/kW", _POSITIVE),
    "wall_resistance": Option(
        1.0, "resistance of walls, in °C/kW: one number or [zone, zone, number] each", walls
    ),
    "heat_kw": Option(1.0, "constant heat from external sources, in kW", numbers_of_agents()),
    "control_cost": Option(0.01, "cost of the squared power, in °C²/kW²", numbers_of_agents(0)),
    "noise_variance": Option(6.25, "of the process noise, in kJ²/s", number(0)),
    "step_seconds": Option(60.0, "length of a step, in s", number(0, above=True)),
    "graph": Option(
        "two-chains", "walls: two-chains (zones i and i+2) or pairs", edges("two-chains")
    ),
    "observation": Option(
        "graph",
        "who is seen by whom: graph (both sides of each wall), none, or pairs",
        _OBSERVATION,
    ),
    "reward": Option(
        "local",
        "whose comfort enters whose reward, in equal parts: local, neighbours, or pairs",
        _REWARD,
    ),
    "horizon": Option(40, "steps of an episode", count()),
}

_DOORS_OPTIONS = {
    **{
        name: option
        for name, option in _THERMAL_OPTIONS.items()
        if name not in ("limit_kw", "coolers", "reward")
    },
    "strong_kw": Option(
        16.0,
        "largest power of every other room, the first among them, in kW",
        number(0, above=True),
    ),
    "weak_kw": Option(5.0, "largest power of the rooms between, in kW", number(0, above=True)),
    "wall_resistance": Option(0.6, "resistance of an open door, in °C/kW", number(0, above=True)),
    "graph": Option(
        "corridor", "doors: corridor (between rooms i and i+1) or pairs", edges("corridor")
    ),
    "observation": Option(
        "graph", "who is seen by whom: graph (through open doors) or none", choice("graph", "none")
    ),
    "turn": Option(10, "steps for which doors stay as they are", count()),
    "known": Option(
        "schedule",
        "what the couplings declare: schedule, or union (every door always open)",
        choice("schedule", "union"),
    ),
}

_LQ_OPTIONS = {
    "seed": Option(0, "of the matrices' entries", count(0)),
    "repeat": Option(0, "after how many agents the entries repeat; 0: all are drawn", count(0)),
    "actuators": Option(
        "all", "whose action drives its state: all, or every-K: the first of every K agents", every
    ),
    "state_size": Option(
        1, "entries of each agent's state; one number or one each", counts_of_agents()
    ),
    "decay": Option(0.65, "how much of its own state an agent keeps from step to step", number(0)),
    "coupling": Option(
        0.25, "how much of the neighbours' states (together) enters a step", number(0)
    ),
    "control_cost": Option(
        0.1, "weight of the squared action in the reward", number(0, above=True)
    ),
    "noise": Option(0.1, "standard deviation of the disturbance", number(0)),
    "start": Option(1.0, "standard deviation of the first state", number(0)),
    "limit": Option(
        2.0, "natural scale of the actions (they are unbounded)", number(0, above=True)
    ),
    "graph": Option("ring", "who affects whom: ring or [source, target] pairs", edges("ring")),
    "observation": Option(
        "graph", "who is seen by whom: graph (as states are coupled), none, or pairs", _OBSERVATION
    ),
    "reward": Option("local", "who pays into whose reward: local, neighbours, or pairs", _REWARD),
    "horizon": Option(25, "steps of an episode", count()),
}

_COMPUTERS_OPTIONS = {
    "spread": Option(
        0.6, "probability that an infected computer infects a neighbour in a step", probability
    ),
    "outbreak": Option(
        0.15, "probability that a working computer is infected from outside in a step", probability
    ),
    "failure": Option(0.2, "probability that an infected computer fails in a step", probability),
    "start_infected": Option(
        0.3, "probability that a computer is infected at the start", probability
    ),
    "infected_earnings": Option(
        0.8, "of an infected computer in a step, as a share of a working one's", probability
    ),
    "restart_cost": Option(
        3.0, "of restarting, in steps' earnings of a working computer", number(0)
    ),
    "graph": Option(
        "ring", "who infects whom: ring, chain or [source, target] pairs", edges("ring", "chain")
    ),
    "observation": Option(
        "graph", "who is seen by whom: graph (who may infect), none, or pairs", _OBSERVATION
    ),
    "horizon": Option(20, "steps of an episode", count()),
}

ENVIRONMENTS: dict[str, Entry] = {
    entry.id: entry
    for entry in (
        Entry(
            "warehouse-9",
            "nine warehouses on a directed graph share stock so that none runs short",
            _warehouse_options("jing", "primes"),
            "warehouse-9",
            "warehouse_n",
        ),
        Entry(
            "warehouse-N",
            "a ring of N warehouses that share stock so that none runs short",
            _warehouse_options("ring", "halves"),
            "warehouse-40",
            "warehouse_n",
        ),
        Entry(
            "thermal-N",
            "a building of N zones, each heated or cooled to its target temperature",
            _THERMAL_OPTIONS,
            "thermal-40",
            "thermal_n",
        ),
        Entry(
            "doors-N",
            "rooms whose doors take turns, weak coolers beside strong ones: couplings that change with the time",
            _DOORS_OPTIONS,
            "doors-12",
            "doors_n",
        ),
        Entry(
            "lq-N",
            "a linear-quadratic network of N agents whose exact values and optimum are known",
            _LQ_OPTIONS,
            "lq-8",
            "lq_n",
        ),
        Entry(
            "computers-N",
            "computers on a ring that infect their neighbours and fail: each is left alone or restarted",
            _COMPUTERS_OPTIONS,
            "computers-4",
            "computers_n",
            discrete=True,
        ),
    )
}
"""Every family of environments by its id; `N` in an id stands for a number of agents, at least 2."""


MOST_AGENTS = 1_000_000
"""Building more by name would take minutes and gigabytes."""


def entry_of(id: str) -> tuple[Entry, int]:
    """The family that `id` belongs to and its number of agents; `UserError` with the nearest id if there is none."""
    known = [entry.example for entry in ENVIRONMENTS.values()]
    match = re.fullmatch(r"([a-z]+)-([0-9]+)", id) if isinstance(id, str) else None
    if match is None or f"{match[1]}-N" not in ENVIRONMENTS:
        raise unknown("environment", id, known)
    num_agents = int(match[2])
    if num_agents < 2:
        raise UserError(
            f"environment '{id}' needs at least 2 agents; write for example {match[1]}-8"
        )
    if num_agents > MOST_AGENTS:
        raise UserError(f"environment '{id}' has more than {MOST_AGENTS:,} agents; ask for fewer")
    return ENVIRONMENTS.get(f"{match[1]}-{num_agents}", ENVIRONMENTS[f"{match[1]}-N"]), num_agents


def checked_options(id: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """All options of environment `id` with `options` filled in, checked and JSON-ready; imports no JAX."""
    entry, num_agents = entry_of(id)
    return resolved(id, entry.options, options, num_agents)


def make(id: str, **options: Any) -> "Environment":
    """The environment named `id`, for example `make("thermal-40", limit_kw=20.0)`.

    `mastac envs` and `ENVIRONMENTS` list the ids and their options. The result's `options` holds
    every option, so `make(env.id, **env.options)` builds the same environment again.

    **Raises:** `UserError` for an unknown id or option (offering the nearest one) and for a value
    of the wrong kind.
    """
    entry, num_agents = entry_of(id)
    values = resolved(id, entry.options, options, num_agents)
    builders = importlib.import_module("mastac.envs.builders")
    return getattr(builders, entry.builder)(id, values)
