"""Six houses of a street share their batteries by a direct-current line, for two days.

A battery's voltage rises with its charge, so power flows by itself from full batteries to their
emptier neighbours. The sun charges by day, loads are largest in the evening, and clouds wander. A
house decides what it buys from the grid or sells to it, at a price that depends on the hour. A
battery that is nearly empty or nearly full is paid for.
"""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
from jax.random import normal, uniform

import mastac
from mastac.examples.playing import with_rule

CAPACITY = np.array([10.0, 14.0, 8.0, 10.0, 12.0, 6.0])  # kWh
PANELS = np.array([4.0, 0.0, 5.0, 2.0, 0.0, 3.0])  # kW in full sun
LOAD = np.array([0.6, 0.9, 0.5, 0.8, 0.7, 0.4])  # kW, on average
LINE = 1.5  # kW that flow from a full battery to an empty one
LIMIT = 3.0  # kW that can be bought or sold
LOWEST, HIGHEST = 0.2, 0.9  # shares of the capacity that a battery should keep between
COST_OUTSIDE = 5.0  # euros an hour, for each kWh outside of that
HOUSES = [f"house {number}" for number in range(1, 7)]
STREET = list(pairwise(HOUSES))
LAPLACIAN = np.diag([1.0, 2.0, 2.0, 2.0, 2.0, 1.0]) - np.eye(6, k=1) - np.eye(6, k=-1)


def env() -> mastac.Environment:
    """The street.

    State of a house: charge (kWh), clouds (share of the sun that is let through) and load (kW).
    Observed are these, the neighbours' charges, the hour as a point on a circle, and the price.
    """
    environment = mastac.Environment(
        id="microgrid",
        couplings=mastac.Couplings(
            HOUSES,
            state=STREET + [(after, before) for before, after in STREET],
            observation=STREET + [(after, before) for before, after in STREET],
            action=[],
        ),
        horizon=48,
        reset=_reset,
        step=_step,
        reward=_reward,
        observe=_observe,
        state_sizes=np.full(6, 3),
        obs_sizes=np.full(6, 8),
        action_sizes=np.ones(6, int),
        action_head="tanh",
        action_limit=LIMIT,
        simple_actions=lambda state, time: jnp.zeros((6, 1)),
        units={"state": "kWh, 1, kW", "action": "kW", "reward": "euros"},
    )
    return with_rule(environment, rule)


def _hour(time: jax.Array | int) -> jax.Array:
    return jnp.asarray(time, jnp.float32) % 24.0


def _price(time: jax.Array | int) -> jax.Array:
    """Euros for a kWh: cheap at night, dear in the evening."""
    return 0.25 + 0.15 * jnp.exp(-(((_hour(time) - 19.0) / 2.5) ** 2)) - 0.1 * (_hour(time) < 6)


def _reset(key: jax.Array) -> jax.Array:
    charge = uniform(key, (6,), minval=0.3, maxval=0.7) * jnp.asarray(CAPACITY)
    return jnp.stack([charge, jnp.full(6, 0.7), jnp.asarray(LOAD)], axis=1)


def _step(state: jax.Array, action: jax.Array, time: jax.Array | int, key: jax.Array) -> jax.Array:
    charge, clouds, load = state.T
    height = jnp.maximum(0.0, jnp.sin(jnp.pi * (_hour(time) - 6.0) / 12.0))  # of the sun
    from_neighbors = -LINE * jnp.asarray(LAPLACIAN) @ (charge / jnp.asarray(CAPACITY))
    gain = height * clouds * jnp.asarray(PANELS) + action[:, 0] - load + from_neighbors
    charge = jnp.clip(charge + gain, 0.0, jnp.asarray(CAPACITY))  # a step is an hour
    noise = normal(key, (2, 6))
    clouds = jnp.clip(clouds + 0.2 * (0.7 - clouds) + 0.1 * noise[0], 0.1, 1.0)
    evening = 1.0 + 0.8 * jnp.exp(-(((_hour(time) - 18.0) / 3.0) ** 2))
    usual = evening * jnp.asarray(LOAD)
    load = jnp.maximum(load + 0.5 * (usual - load) + 0.1 * noise[1], 0.05)
    return jnp.stack([charge, clouds, load], axis=1)


def _reward(state: jax.Array, action: jax.Array, time: jax.Array | int) -> jax.Array:
    """Money spent on power (sold at 60 % of the price), and on charges outside of the band."""
    charge, capacity, bought = state[:, 0], jnp.asarray(CAPACITY), action[:, 0]
    too_low = jnp.maximum(LOWEST * capacity - charge, 0.0)
    too_high = jnp.maximum(charge - HIGHEST * capacity, 0.0)
    spent = _price(time) * jnp.where(bought > 0.0, bought, 0.6 * bought)
    return -spent - COST_OUTSIDE * (too_low + too_high)


def _observe(state: jax.Array, time: jax.Array | int) -> jax.Array:
    zero = jnp.zeros(1)
    before = jnp.concatenate([zero, state[:-1, 0]])
    after = jnp.concatenate([state[1:, 0], zero])
    angle = 2.0 * jnp.pi * _hour(time) / 24.0
    clock = jnp.stack([jnp.sin(angle), jnp.cos(angle), _price(time)])
    return jnp.column_stack([state, before, after, jnp.tile(clock, (6, 1))])


def rule(obs: jax.Array) -> jax.Array:
    """Buy what half of the sun leaves, and hold more charge while power is cheap."""
    charge, clouds, load, noon, price = obs[:, 0], obs[:, 1], obs[:, 2], -obs[:, 6], obs[:, 7]
    wanted = jnp.where(price < 0.2, 0.6, 0.3) * jnp.asarray(CAPACITY)
    sun = clouds * jnp.maximum(noon, 0.0) * jnp.asarray(PANELS)
    power = load - 0.5 * sun + 0.3 * (wanted - charge)
    return jnp.clip(power, -LIMIT, LIMIT)[:, None]
