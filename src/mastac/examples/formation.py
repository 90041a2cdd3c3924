"""Six robots on a plane keep their places in a formation behind a moving target.

A robot is a point that accelerates as commanded, while wind pushes it. The leader knows where the
target is; each other robot sees one or two robots and should keep an offset to each of them. Robots
do not touch: only rewards and observations couple them.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.random import normal, split

import mastac
from mastac.examples.playing import with_rule

STEP = 0.5  # s
LIMIT = 2.0  # m/s2, in each direction
WIND = 0.05  # m/s, the standard deviation of its push in a step
ROBOTS = ["leader", "left", "right", "far left", "far right", "tail"]
PLACES = np.array([[0, 0], [-8, -8], [8, -8], [-16, -16], [16, -16], [0, -16]], float)  # m
SEES = {1: [0], 2: [0], 3: [1], 4: [2], 5: [1, 2]}
"""Rows of the robots that each one keeps its offset to."""
SHARE = np.zeros((6, 6))  # [i, j]: the weight of robot j in the place that robot i should take
for one, others in SEES.items():
    SHARE[one, others] = 1 / len(others)
OFFSETS = PLACES - SHARE @ PLACES


def env() -> mastac.Environment:
    """The formation.

    State: position (m) and velocity (m/s) in two directions; the leader's row also holds those of
    the target. Observations are relative: what is missing to one's place as seen from each robot
    that one follows, and the velocity of that robot less one's own.
    """
    follows = [(ROBOTS[other], ROBOTS[one]) for one, others in SEES.items() for other in others]
    is_leader = np.arange(6) == 0
    environment = mastac.Environment(
        id="formation",
        couplings=mastac.Couplings(
            ROBOTS, observation=follows, reward=follows, action=[], reward_action=[]
        ),
        horizon=60,
        reset=_reset,
        step=_step,
        reward=_reward,
        observe=_observe,
        state_sizes=np.where(is_leader, 8, 4),
        obs_sizes=np.array([4, 4, 4, 4, 4, 8]),
        action_sizes=np.full(6, 2),
        action_head="tanh",
        action_limit=LIMIT,
        simple_actions=lambda state, time: jnp.zeros((6, 2)),
        units={"state": "m, m/s", "action": "m/s2", "reward": "m2"},
    )
    return with_rule(environment, rule)


def _reset(key: jax.Array) -> jax.Array:
    place_key, target_key = split(key)
    position = jnp.asarray(PLACES) + 3.0 * normal(place_key, (6, 2))
    target_velocity = 1.0 + 0.3 * normal(target_key, (2,))
    rows = jnp.concatenate([position, jnp.zeros((6, 6))], axis=1)
    return rows.at[0, 6:].set(target_velocity)


def _step(state: jax.Array, action: jax.Array, time: jax.Array | int, key: jax.Array) -> jax.Array:
    wind_key, target_key = split(key)
    position, velocity = state[:, :2], state[:, 2:4]
    target, target_velocity = state[0, 4:6], state[0, 6:]
    moved = jnp.concatenate([position + STEP * velocity, velocity + STEP * action], axis=1)
    moved = moved.at[:, 2:].add(WIND * normal(wind_key, (6, 2)))
    turned = target_velocity + 0.1 * normal(target_key, (2,))
    rows = jnp.concatenate([moved, jnp.zeros((6, 4))], axis=1)
    return rows.at[0, 4:].set(jnp.concatenate([target + STEP * target_velocity, turned]))


def _reward(state: jax.Array, action: jax.Array, time: jax.Array | int) -> jax.Array:
    """Squared distance to one's place, as the followed robots (or the target) define it."""
    place = jnp.asarray(SHARE) @ state[:, :2] + jnp.asarray(OFFSETS)
    place = place.at[0].set(state[0, 4:6])
    return -((place - state[:, :2]) ** 2).sum(1) - 0.1 * (action**2).sum(1)


def _observe(state: jax.Array) -> jax.Array:
    own, target = state[:, :4], state[:1, 4:]
    seen = [target]  # the leader's row: the target
    seen += [own[SEES[robot][0]][None] for robot in range(1, 6)]
    first = jnp.concatenate(seen) - own
    places = np.array([PLACES[0], *(PLACES[SEES[robot][0]] for robot in range(1, 6))])
    first = first.at[:, :2].add(jnp.asarray(PLACES - places))
    second = own[2] - own[5]  # the tail's other robot
    second = second.at[:2].add(jnp.asarray(PLACES[5] - PLACES[2]))
    return jnp.concatenate([first, jnp.zeros((6, 4)).at[5].set(second)], axis=1)


def rule(obs: jax.Array) -> jax.Array:
    """Go to where one should be, at the speed of the robots that one follows."""
    seen = obs[:, :4].at[5].set((obs[5, :4] + obs[5, 4:]) / 2)
    return jnp.clip(0.7 * seen[:, :2] + 1.5 * seen[:, 2:], -LIMIT, LIMIT)
