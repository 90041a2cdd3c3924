"""The small world, whose agents leave it one by one; what is computed of those that left is NaN."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from small_world import random_batch, random_rollout, small_environment

from mastac import Environment, Transition
from mastac.learning.buffer import Batch

FAR = 0.15


def leaving_environment() -> Environment:
    """An agent leaves where its first number is far from zero. Its observation is NaN from then on.

    Its next state and reward would be so, too.
    """
    small = small_environment()

    real = np.arange(3) < small.state_sizes[:, None]
    sees = np.arange(int(small.obs_sizes.max())) < small.obs_sizes[:, None]

    def nothing_of(left, rows, real):
        return jnp.where(left[:, None] & real, jnp.nan, rows)

    def step(state, actions, time, key):
        left = jnp.abs(state[:, 0]) > FAR
        after = small.step(state, actions, time, key)
        terminated = jnp.abs(after[:, 0]) > FAR
        rewards = small.reward(state, actions, time) + after[:, 0]
        return Transition(
            nothing_of(left, after, real), jnp.where(left, jnp.nan, rewards), terminated
        )

    def observe(state):
        return nothing_of(jnp.abs(state[:, 0]) > FAR, small.observe(state), sees)

    return replace(
        small,
        id="leaving",
        reset=lambda key: 0.02 * small.reset(key),
        step=step,
        reward=None,
        observe=observe,
        horizon=6,
    )


def partly_there(env: Environment, size: int, seed: int = 0) -> Batch:
    """Transitions in which every agent is there half of the time, and stays half of that."""
    random = np.random.default_rng(seed)
    places = np.stack([random.permutation(size) for _ in env.agents], 1)
    alive = places < size // 2
    return random_batch(env, size, seed)._replace(
        alive=jnp.asarray(alive), remains=jnp.asarray(alive & (places % 2 == 0))
    )


def partial_rollout(env: Environment, episodes: int, estimator: str, seed: int = 0) -> Any:
    """Random episodes that agents leave at random times, some of them without termination.

    Nobody is truncated while others go on after the first step.
    """
    random = np.random.default_rng(seed)
    shape = (episodes, env.horizon, env.num_agents)
    last = random.integers(0, env.horizon, (episodes, env.num_agents))
    alive = np.arange(env.horizon)[None, :, None] <= last[:, None]
    is_last = np.arange(env.horizon)[None, :, None] == last[:, None]
    terminated = is_last & (random.random(shape) < 0.6)
    rollout = random_rollout(env, episodes, estimator, seed)
    return rollout._replace(
        rewards=jnp.where(alive, rollout.rewards, 0.0),
        alive=jnp.asarray(alive),
        terminated=jnp.asarray(terminated),
        length=jnp.asarray(alive.any(2).sum(1)),
    )


def everyone_there(material: Any) -> Any:
    """The same samples, with the word that nobody ever leaves."""
    there = jnp.ones(material.rewards.shape, bool)
    if isinstance(material, Batch):
        return material._replace(alive=there, remains=there)
    lengths = jnp.full(len(there), there.shape[1])
    return material._replace(alive=there, terminated=~there, length=lengths)


def as_given(env: Environment, material: Any) -> Any:
    """The same samples, with observations that came from outside."""
    observe = jax.vmap(env.observed)
    if isinstance(material, Batch):
        return material._replace(
            obs=observe(material.state, material.time),
            next_obs=observe(material.next_state, material.next_time),
        )
    times = jnp.arange(material.states.shape[1])
    return material._replace(
        observations=jax.vmap(lambda row: observe(row, times))(material.states)
    )
