"""Ten reservoirs that release water into one another, and at last into the sea.

The equations, constants and the river map are those of the domain "Reservoir_Continuous", instance
1, of the package rddlrepository (https://github.com/pyrddlgym-project/rddlrepository). Rain falls
on every reservoir, a little water evaporates, and a level outside the band from 20 to 80 costs
money. One thing differs: the cost of a step is that of the level at its start, not at its end. The
original also charges water that flows over the rim, which never happens there: a level is cut at
the rim before the next step looks at it.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.random import normal

import mastac
from mastac.examples.playing import with_rule

RIVERS = (
    *((1, 5), (2, 5), (2, 6), (3, 6), (3, 7), (4, 7)),
    *((5, 8), (6, 8), (6, 9), (7, 9), (8, 10), (9, 10)),
)
FIRST_LEVELS = (45.0, 50.0, 50.0, 60.0, 50.0, 50.0, 50.0, 40.0, 50.0, 95.0)
RIM, HIGHEST, LOWEST = 100.0, 80.0, 20.0
RAIN_VARIANCE = 5.0  # of the normal distribution whose size is the rain of a step
EVAPORATION = 0.05  # of a full reservoir in a step
COST_LOW, COST_HIGH = 5.0, 10.0  # for each unit below or above the band

NAMES = [f"t{number}" for number in range(1, 11)]
GRAPH = [(f"t{source}", f"t{target}") for source, target in RIVERS]
BELOW = [[t - 1 for s, t in RIVERS if s == number] for number in range(1, 11)]
"""Rows of the reservoirs that each one releases into; none means the sea."""
RECEIVED = np.zeros((10, 10))  # [i, j]: the share of the water released by j that i receives
for row, targets in enumerate(BELOW):
    RECEIVED[targets, row] = 1 / max(len(targets), 1)


def env() -> mastac.Environment:
    """The reservoirs: each sees its own level and the levels of those it releases into.

    An action of -50 releases nothing, 0 releases 50 units, and 50 releases 100.
    """
    environment = mastac.Environment(
        id="reservoirs",
        couplings=mastac.Couplings(
            NAMES, state=GRAPH, observation=[(below, above) for above, below in GRAPH]
        ),
        horizon=120,
        reset=lambda key: jnp.asarray(FIRST_LEVELS)[:, None],
        step=_step,
        reward=_reward,
        observe=_observe,
        state_sizes=np.ones(10, int),
        obs_sizes=np.array([1 + len(targets) for targets in BELOW]),
        action_sizes=np.ones(10, int),
        action_head="tanh",
        action_limit=RIM / 2,
        simple_actions=lambda state, time: jnp.full((10, 1), -RIM / 2),
        units={"state": "water", "action": "water released, less 50", "reward": "cost"},
    )
    return with_rule(environment, rule)


def _step(state: jax.Array, action: jax.Array, time: jax.Array | int, key: jax.Array) -> jax.Array:
    level = state[:, 0]
    released = jnp.clip(action[:, 0] + RIM / 2, 0.0, level)
    rain = jnp.abs(jnp.sqrt(RAIN_VARIANCE) * normal(key, (10,)))
    evaporated = EVAPORATION * level / RIM
    level = level + jnp.asarray(RECEIVED) @ released + rain - evaporated - released
    return jnp.clip(level, 0.0, RIM)[:, None]


def _reward(state: jax.Array, action: jax.Array, time: jax.Array | int) -> jax.Array:
    level = state[:, 0]
    too_low, too_high = jnp.maximum(LOWEST - level, 0.0), jnp.maximum(level - HIGHEST, 0.0)
    return -COST_LOW * too_low - COST_HIGH * too_high


def _observe(state: jax.Array) -> jax.Array:
    level = state[:, 0]
    rows = [[level[row], *(level[target] for target in BELOW[row])] for row in range(10)]
    return jnp.stack([jnp.stack([*row, *[jnp.zeros(())] * (3 - len(row))]) for row in rows])


def rule(obs: jax.Array) -> jax.Array:
    """Release what is above the middle of the band."""
    release = jnp.clip(obs[:, :1] - (LOWEST + HIGHEST) / 2, 0.0, RIM)
    return release - RIM / 2
