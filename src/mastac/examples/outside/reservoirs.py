"""Ten reservoirs that release water into one another: `Reservoir_Continuous` of rddlrepository.

An agent is a reservoir, an edge a channel (`RES_CONNECT`). Needs the extra `rddl`.
"""

from typing import Any

import numpy as np

from mastac.examples.outside.rddl import RddlTeam, nothing
from mastac.examples.outside.team import Actions, Baseline, Team, chance


def env() -> RddlTeam:
    """The reservoirs of instance 1; each sees its own level and those of whom it releases into."""
    return RddlTeam(
        problem="Reservoir_Continuous",
        instance="1",
        state="rlevel",
        action="release",
        reward=_reward,
        sees="targets",
        acts_on_others=True,
        pays_after=True,
    )


def _reward(fluents: dict[str, Any], released: Any) -> Any:
    """The cost of a level outside its band after the step, as the domain sums it."""
    level, low, high = (fluents[name] for name in ("rlevel", "MIN_LEVEL", "MAX_LEVEL"))
    too_low = fluents["LOW_COST"] * (low - level) * (level < low)
    too_high = fluents["HIGH_COST"] * (level - high) * (level > high)
    spilt = fluents["OVERFLOW_COST"] * fluents["overflow"] * (level > fluents["TOP_RES"])
    return too_low + too_high + spilt


def middle(team: Team) -> Actions:
    """Release what is above the middle of the band."""
    return {
        agent: np.maximum(team.local_state(agent) - 50.0, 0.0).astype(np.float32)
        for agent in team.agents
    }


BASELINES = {
    "random": Baseline(env, chance),
    "release nothing": Baseline(env, nothing),
    "release above the middle": Baseline(env, middle),
}
