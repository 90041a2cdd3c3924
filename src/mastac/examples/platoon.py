"""Five cars follow a leader, each at a safe distance from the car before it.

The leader's acceleration wanders at random. A car's engine follows the command with a lag. Its
distance should be a standstill distance and one second of driving. It is paid for errors of
distance, for driving slower or faster than the car before it, and for harsh commands.
"""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
from jax.random import normal, split

import mastac
from mastac.examples.playing import with_rule

STEP = 0.5  # s
LAG = 0.6  # s, of the engine
HEADWAY = 1.0  # s
STANDSTILL = 5.0  # m
CRUISE = 22.0  # m/s, that the leader tends to
COMMAND_LIMIT = 3.0  # m/s2


def env(cars: int = 5) -> mastac.Environment:
    """The platoon.

    State of a car: gap to the car before it (m), its speed (m/s) and its acceleration (m/s2). The
    first car's state also holds the leader's speed and acceleration, which no car affects.
    """
    names = [f"car {number}" for number in range(1, cars + 1)]
    behind = list(pairwise(names))
    is_first = np.arange(cars) == 0
    environment = mastac.Environment(
        id="platoon",
        couplings=mastac.Couplings(
            names, state=behind, observation=behind, reward=behind, action=[], reward_action=[]
        ),
        horizon=40,
        reset=lambda key: _reset(key, cars),
        step=_step,
        reward=_reward,
        observe=_observe,
        state_sizes=np.where(is_first, 5, 3),
        obs_sizes=np.full(cars, 5),
        action_sizes=np.ones(cars, int),
        action_head="tanh",
        action_limit=COMMAND_LIMIT,
        simple_actions=lambda state, time: jnp.zeros((cars, 1)),
        units={"state": "m, m/s, m/s2", "action": "m/s2", "reward": "m2"},
    )
    return with_rule(environment, rule)


def _reset(key: jax.Array, cars: int) -> jax.Array:
    speed_key, gap_key = split(key)
    speeds = CRUISE + 0.4 * normal(speed_key, (cars,))
    gaps = STANDSTILL + HEADWAY * speeds + normal(gap_key, (cars,))
    rows = jnp.stack([gaps, speeds, *jnp.zeros((3, cars))], axis=1)
    return rows.at[0, 3].set(CRUISE)


def _step(state: jax.Array, command: jax.Array, time: jax.Array | int, key: jax.Array) -> jax.Array:
    gap, speed, acceleration = state[:, 0], state[:, 1], state[:, 2]
    speed_before, _ = _car_before(state)
    gap = gap + STEP * (speed_before - speed)
    speed = speed + STEP * acceleration
    acceleration = acceleration + STEP / LAG * (command[:, 0] - acceleration)
    leader_speed, leader_acceleration = state[0, 3], state[0, 4]
    push = 0.05 * (CRUISE - leader_speed) + 0.1 * normal(key)
    leader = jnp.stack(
        [leader_speed + STEP * leader_acceleration, 0.9 * leader_acceleration + STEP * push]
    )
    rows = jnp.stack([gap, speed, acceleration, *jnp.zeros((2, len(gap)))], axis=1)
    return rows.at[0, 3:].set(leader)


def _car_before(state: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Speed and acceleration of the car before each car."""
    speeds = jnp.concatenate([state[:1, 3], state[:-1, 1]])
    return speeds, jnp.concatenate([state[:1, 4], state[:-1, 2]])


def _reward(state: jax.Array, command: jax.Array, time: jax.Array | int) -> jax.Array:
    error, closing, *_ = _observe(state).T
    return -(error**2) - closing**2 - 0.1 * command[:, 0] ** 2


def _observe(state: jax.Array) -> jax.Array:
    """Too large a gap (m), speed of the car before less one's own, own speed, accelerations."""
    speed_before, acceleration_before = _car_before(state)
    error = state[:, 0] - STANDSTILL - HEADWAY * state[:, 1]
    return jnp.stack(
        [error, speed_before - state[:, 1], state[:, 1], state[:, 2], acceleration_before], axis=1
    )


def rule(obs: jax.Array) -> jax.Array:
    """Three terms: close the gap, match the speed, and go along with the car before."""
    error, closing, _, _, acceleration_before = obs.T
    command = 0.25 * error + 0.5 * closing + 0.6 * acceleration_before
    return jnp.clip(command, -COMMAND_LIMIT, COMMAND_LIMIT)[:, None]
