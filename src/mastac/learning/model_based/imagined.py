"""Imagined episodes: policies played through learnt or true dynamics, differentiably."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from mastac.agents.actors import Actors
from mastac.agents.local_models import LocalModels, Networks, Units
from mastac.envs.base import Environment
from mastac.envs.heads import SATURATED

Dynamics = Callable[..., tuple[Float[Array, "batch agents state"], Float[Array, "batch agents"]]]
"""`(states, actions, time, key) -> (next states, rewards)`, batch first."""


class Imagined(NamedTuple):
    """Episodes from a batch of first states.

    - `returns`: undiscounted, of each agent.
    - `saturation`: mean over all logits of the square of how far they are beyond `held`.
    """

    returns: Float[Array, "batch agents"]
    saturation: Float[Array, ""]


class Promise(NamedTuple):
    """What imagination says that policies return.

    - `returns`: the mean of each agent's return.
    - `spread`: the standard deviation of the reported return over episodes.
    """

    returns: Float[Array, " agents"]
    spread: Float[Array, ""]


def true_dynamics(env: Environment) -> Dynamics:
    """The simulator itself."""

    def step(states: Array, actions: Array, time: Array, key: PRNGKeyArray):
        keys = jax.random.split(key, len(states))
        after = jax.vmap(env.transition, (0, 0, None, 0))(states, actions, time, keys)
        return after.state, after.rewards

    return step


def learnt_dynamics(
    models: LocalModels,
    networks: Networks,
    units: Units,
    residual: Float[Array, "agents state"],
    state_range: tuple[Array, Array],
    reward_range: tuple[Array, Array],
) -> Dynamics:
    """The local models; every member has an equal part of the batch.

    What they do not explain is added as noise of its size. States stay within what was seen and a
    margin, rewards within what was ever paid: a model promises nothing beyond.
    """

    def step(states: Array, actions: Array, time: Array, key: PRNGKeyArray):
        at = jnp.full((models.members, len(states) // models.members), time, jnp.float32)
        played = (_by_member(models, states), _by_member(models, actions))
        following, rewards = models.step(networks, units, *played, at)
        following, rewards = (
            jnp.moveaxis(leaf, -1, 1).reshape(-1, *leaf.shape[1:-1])
            for leaf in (following, rewards)
        )
        following = following + residual[None] * jax.random.normal(key, following.shape)
        following = jnp.clip(following, state_range[0][None], state_range[1][None])
        return following, jnp.clip(rewards, reward_range[0][None], reward_range[1][None])

    return step


def imagined(
    env: Environment,
    actors: Actors,
    weights: Any,
    dynamics: Dynamics,
    first: Float[Array, "batch agents state"],
    key: PRNGKeyArray,
    steepest: Float[Array, "agents state"] | None = None,
    held: Float[Array, ""] | float = SATURATED,
) -> Imagined:
    """Whole episodes of the policies; nothing but the state is kept for the way back.

    `steepest`: the largest slope of a return along a state that is handed back to the step before;
    none for exact gradients. `held`: logits beyond it count as saturated, unless they are of
    choices, which are held within `SATURATED`.
    """
    limit = None if steepest is None else steepest[None] / len(first)

    def one_step(states: Array, time_and_key: tuple[Array, PRNGKeyArray]):
        time, key = time_and_key
        states = states if limit is None else slope_bounded(states, limit)
        choice_key, noise_key = jax.random.split(key)
        obs = jax.vmap(env.observed, (0, None))(states, time)
        logits = actors.logits(weights, jnp.moveaxis(obs, 0, -1))
        chosen = jnp.moveaxis(actors.with_slopes(logits, choice_key), -1, 0)
        following, rewards = dynamics(states, chosen, time, noise_key)
        return following, (rewards, _saturation(env, actors, logits, held))

    times = jnp.arange(env.horizon)
    _, (rewards, beyond) = jax.lax.scan(
        jax.checkpoint(one_step), first, (times, jax.random.split(key, env.horizon))
    )
    return Imagined(rewards.sum(0), beyond.mean())


@jax.custom_vjp
def slope_bounded(values: Array, limit: Array) -> Array:
    """The values themselves; on the way back, slopes are held within the limit.

    A policy that overshoots makes slopes grow from step to step. Bounded at every step, those of
    early actions still say where they lead in the steps that follow; bounded at the end only, all
    that is left is the direction of the largest.
    """
    return values


def _values_and_limit(values: Array, limit: Array) -> tuple[Array, Array]:
    return values, limit


def _held(limit: Array, slope: Array) -> tuple[Array, None]:
    return jnp.clip(jnp.where(jnp.isfinite(slope), slope, 0.0), -limit, limit), None


slope_bounded.defvjp(_values_and_limit, _held)


def _saturation(
    env: Environment, actors: Actors, logits: Array, held: Float[Array, ""] | float
) -> Array:
    """Mean square of how far logits are where their head has hardly a slope."""
    if env.action_head == "linear":
        return jnp.zeros(())
    return jnp.mean(jnp.square(actors.saturated(logits, held)))


def _by_member(models: LocalModels, leaf: Array) -> Array:
    """`[members × batch, …]` as `[members, …, batch]`."""
    return jnp.moveaxis(leaf.reshape(models.members, -1, *leaf.shape[1:]), 1, -1)
