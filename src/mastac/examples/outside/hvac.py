"""Six rooms that are heated with air: `HVAC` of rddlrepository.

An agent is a room, an edge a wall between two (`ADJ`). Needs the extra `rddl`.
"""

from typing import Any

import numpy as np

from mastac.examples.outside.rddl import RddlTeam, nothing
from mastac.examples.outside.team import Actions, Baseline, Team, chance


def env() -> RddlTeam:
    """The rooms of instance 1; each sees its own temperature and those of its neighbours."""
    return RddlTeam(
        problem="HVAC",
        instance="1",
        state="temp",
        action="air",
        reward=_reward,
        sees="sources",
        acts_on_others=False,
        pays_after=False,
    )


def _reward(fluents: dict[str, Any], air: Any) -> Any:
    """The cost of air, and of a temperature outside the band before the step."""
    temperature, low, high = fluents["before"], fluents["TEMP_LOW"], fluents["TEMP_UP"]
    is_outside = (temperature < low) | (temperature > high)
    cost = air * fluents["COST_AIR"] + is_outside * fluents["PENALTY"]
    return -(fluents["IS_ROOM"] * cost + 10.0 * abs((low + high) / 2.0 - temperature))


def thermostat(team: Team) -> Actions:
    """All the air below 21 °C, none above."""
    return {
        agent: np.full(1, 10.0 * (team.local_state(agent)[0] < 21.0), np.float32)
        for agent in team.agents
    }


def proportional(team: Team) -> Actions:
    """Air in proportion to what is missing to 22 °C."""
    return {
        agent: np.clip(4.0 * (22.0 - team.local_state(agent)), 0.0, 10.0).astype(np.float32)
        for agent in team.agents
    }


BASELINES = {
    "random": Baseline(env, chance),
    "no heating": Baseline(env, nothing),
    "thermostat": Baseline(env, thermostat),
    "proportional": Baseline(env, proportional),
}
