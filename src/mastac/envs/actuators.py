"""Who has an actuator and how strong it is, where not all agents have one (numpy)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from mastac.errors import UserError


def spacing(which: str) -> int:
    """`all` is 1, `every-K` is K."""
    return 1 if which == "all" else int(which.removeprefix("every-"))


def with_actuator(num_agents: int, which: str, chains: int = 1) -> Bool[np.ndarray, " agents"]:
    """The first of every K agents; counted along each of so many chains, which agents join in turns."""
    return np.arange(num_agents) // chains % spacing(which) == 0


def zone_limits(num_agents: int, values: Mapping[str, Any]) -> Float[np.ndarray, " agents"]:
    """The largest power of every zone of a building, in kW; 0 where there is no actuator.

    Zones without a cooler have `weak_kw`. Of the two chains of the default graph each is counted by
    itself: with `every-2` these are zones 1, 2, 5, 6, 9, 10, ...
    """
    cooled = with_actuator(
        num_agents, values["coolers"], 2 if values["graph"] == "two-chains" else 1
    )
    return np.where(cooled, np.asarray(values["limit_kw"], float), values["weak_kw"])


def action_sizes(
    family: str, num_agents: int, values: Mapping[str, Any]
) -> Int[np.ndarray, " agents"]:
    """One action for each actuator of a building or a linear-quadratic network; 0 for agents without one."""
    if family == "thermal":
        return (zone_limits(num_agents, values) > 0).astype(int)
    if family == "lq":
        return with_actuator(num_agents, values["actuators"]).astype(int)
    return np.ones(num_agents, int)


def period_of(num_agents: int, values: Mapping[str, Any]) -> int:
    """After how many agents the draws of a linear-quadratic network repeat; all of them where they do not.

    **Raises:** `UserError` if a network that is to repeat itself cannot: `repeat` must divide the
    number of agents, be a multiple of the K of `actuators`, and all agents must be coupled and
    sized alike.
    """
    period = values["repeat"]
    if period == 0:
        return num_agents
    if num_agents % period:
        raise UserError(
            f"option repeat is {period}, which does not divide {num_agents} agents; choose a number that does, or 0"
        )
    if period % spacing(values["actuators"]):
        raise UserError(
            f"option repeat is {period}, not a multiple of the {spacing(values['actuators'])} of option actuators; "
            "choose one, or 0"
        )
    for name in ("graph", "observation", "reward", "state_size"):
        if isinstance(values[name], list):
            raise UserError(
                f"option repeat asks for agents that are alike; leave {name} at a name or one number"
            )
    return period
