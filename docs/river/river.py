"""Six reservoirs on a river. Levels are in million m³; a step is a day."""

import jax
import jax.numpy as jnp
import numpy as np

import mastac

river = mastac.read_couplings("river.csv")
feeds = river.state.toarray() - np.eye(6)  # [i, j] is 1 if reservoir j flows into reservoir i
share = feeds / np.maximum(feeds.sum(axis=0), 1)  # how much of what j lets through reaches i
one = np.ones(6, int)  # one number for each agent


def reset(key):
    return jax.random.uniform(key, (6, 1), minval=0.0, maxval=2.0)


def step(level, gate, time, key):
    through = jnp.minimum(1 + gate, level)  # gates are within -1 … 1; no more than there is
    rain = jax.random.uniform(key, minval=0.5, maxval=1.5)
    return (level - through + share @ through).at[0].add(rain)  # it rains on the spring alone


def reward(level, gate, time):
    return -((level[:, 0] - 2.0) ** 2)


env = mastac.Environment(
    id="river",
    couplings=river,
    horizon=20,
    reset=reset,
    step=step,
    reward=reward,
    observe=lambda level: level,
    state_sizes=one,
    obs_sizes=one,
    action_sizes=one,
    action_head="tanh",
)
