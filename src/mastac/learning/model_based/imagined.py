"""Imagined episodes: policies played through learnt or true dynamics, differentiably."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from mastac.agents.actors import Actors
from mastac.agents.local_models import LocalModels, Networks, Units
from mastac.envs.base import Environment

CERTAIN = 2.0  # logits of choices beyond it have hardly a slope; policies are held within
TEMPERATURE = 1.0

Dynamics = Callable[..., tuple[Float[Array, "batch agents state"], Float[Array, "batch agents"]]]
"""`(states, actions, time, key) -> (next states, rewards)`, batch first.

The time is one for all, or one for each.
"""


class Starts(NamedTuple):
    """Where imagined episodes begin: states, and their times."""

    states: Float[Array, "batch agents state"]
    times: Int[Array, " batch"]


Values = Callable[[Array, Array, Array], Float[Array, "batch agents"]]
"""`(states, actions, times) -> values`: of each agent the rewards from there on, batch first."""


class Imagined(NamedTuple):
    """Imagined episodes, or a number of steps of them.

    - `returns`: of each agent, with what follows the last step where that is known.
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
        times = jnp.broadcast_to(time, len(states))
        after = jax.vmap(env.transition)(states, actions, times, keys)
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
        times = jnp.broadcast_to(jnp.asarray(time, jnp.float32), len(states))
        at = times.reshape(models.members, -1)
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
    held: Float[Array, ""] | float = CERTAIN,
) -> Imagined:
    """Whole episodes of the policies from first states; see [`imagined_from`][]."""
    starts = Starts(first, jnp.zeros(len(first), jnp.int32))
    return imagined_from(env, actors, weights, dynamics, starts, env.horizon, key, steepest, held)


def imagined_from(
    env: Environment,
    actors: Actors,
    weights: Any,
    dynamics: Dynamics,
    starts: Starts,
    steps: int,
    key: PRNGKeyArray,
    steepest: Float[Array, "agents state"] | None = None,
    held: Float[Array, ""] | float = CERTAIN,
    discount: float = 1.0,
    terminal: Values | None = None,
) -> Imagined:
    r"""A number of steps of the policies, at most to the end of each episode.

    Of $h$ steps the return is $\sum_{k<h} \gamma^k r_{t+k} + \gamma^h Q(s_{t+h}, \pi(s_{t+h}))$.
    Nothing but the state is kept for the way back.

    **Arguments:**

    - `steepest`: the largest slope of a return along a state that is handed back to the step
        before; none for exact gradients.
    - `held`: logits beyond it count as saturated, unless they are of choices, which are held within
        `CERTAIN`.
    - `discount`: $\gamma$.
    - `terminal`: $Q$; `None`: nothing follows.
    """
    limit = None if steepest is None else steepest[None] / len(starts.states)

    def acted(states: Array, times: Array, key: PRNGKeyArray) -> tuple[Array, Array]:
        obs = jax.vmap(env.observed)(states, times)
        logits = actors.logits(weights, jnp.moveaxis(obs, 0, -1))
        chosen = jnp.moveaxis(_actions(env, actors, logits, key), -1, 0)
        return chosen, _saturation(env, actors, logits, held)

    def at(states: Array, ahead: Any) -> tuple[Array, Array, Array]:
        """The states with bounded slopes, their times, and whether the episode is over."""
        times = starts.times + ahead
        states = states if limit is None else slope_bounded(states, limit)
        return states, jnp.minimum(times, env.horizon - 1), (times >= env.horizon)[:, None]

    def one_step(states: Array, ahead_and_key: tuple[Array, PRNGKeyArray]):
        ahead, key = ahead_and_key
        states, times, is_over = at(states, ahead)
        choice_key, noise_key = jax.random.split(key)
        chosen, beyond = acted(states, times, choice_key)
        following, rewards = dynamics(states, chosen, times, noise_key)
        following = jnp.where(is_over[:, :, None], states, following)
        return following, (jnp.where(is_over, 0.0, discount**ahead * rewards), beyond)

    every = (jnp.arange(steps), jax.random.split(key, steps))
    last, (rewards, beyond) = jax.lax.scan(jax.checkpoint(one_step), starts.states, every)
    returns = rewards.sum(0)
    if terminal is not None:
        states, times, is_over = at(last, steps)
        chosen, _ = acted(states, times, jax.random.fold_in(key, steps))
        values = discount**steps * terminal(states, chosen, times)
        returns = returns + jnp.where(is_over, 0.0, values)
    return Imagined(returns, beyond.mean())


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
    mask = actors.constants.mask[:, :, None]
    if env.action_head != "tanh":  # only differences matter
        entries = jnp.maximum(mask.sum(1, keepdims=True), 1)
        logits = logits - jnp.where(mask, logits, 0.0).sum(1, keepdims=True) / entries
    beyond = jnp.maximum(jnp.abs(logits) - (CERTAIN if env.head.is_discrete else held), 0.0)
    return jnp.mean(jnp.square(jnp.where(mask, beyond, 0.0)))


def _actions(env: Environment, actors: Actors, logits: Array, key: PRNGKeyArray) -> Array:
    """What the logits mean; choices are drawn, and their slopes are those of their probabilities.

    (Straight-through Gumbel-softmax: Jang et al. 2017, Maddison et al. 2017.)
    """
    if not env.head.is_discrete:
        return actors.actions_of(logits)
    mask = actors.constants.mask[:, :, None]
    noisy = logits + jax.random.gumbel(key, logits.shape)
    soft = jnp.where(mask, jax.nn.softmax(jnp.where(mask, noisy / TEMPERATURE, -1e9), axis=1), 0.0)
    hard = actors.actions_of(noisy)
    return soft + jax.lax.stop_gradient(hard - soft)


def _by_member(models: LocalModels, leaf: Array) -> Array:
    """`[members × batch, …]` as `[members, …, batch]`."""
    return jnp.moveaxis(leaf.reshape(models.members, -1, *leaf.shape[1:]), 1, -1)
