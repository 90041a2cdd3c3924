"""Imagined episodes: policies played through learnt or true dynamics, differentiably."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from mastac.agents.actors import Actors
from mastac.agents.local_models import LocalModels, Networks
from mastac.agents.model_inputs import Units
from mastac.envs.base import Environment
from mastac.envs.heads import SATURATED
from mastac.envs.transitions import only_alive
from mastac.learning.model_based.leaving import Leaving

There = Float[Array, "batch agents"] | None
"""The probability that an agent is still there; `None` where nobody ever leaves."""
Dynamics = Callable[
    ..., tuple[Float[Array, "batch agents state"], Float[Array, "batch agents"], There]
]
"""`(states, actions, time, key, there=None) -> (next states, rewards, there)`, batch first.

The time is one for all, or one for each.
"""
Observing = Callable[[Array, Array, PRNGKeyArray, There], Float[Array, "batch agents obs"]]
"""`(states, times, key, there) -> observations`, batch first."""


class Starts(NamedTuple):
    """Where imagined episodes begin: states, their times, and who is there."""

    states: Float[Array, "batch agents state"]
    times: Int[Array, " batch"]
    there: There = None


Values = Callable[[Array, Array, Array], Float[Array, "batch agents"]]
"""`(states, actions, times) -> values`: of each agent the rewards from there on, batch first."""


class Imagined(NamedTuple):
    """Imagined episodes, or a number of steps of them.

    - `returns`: of each agent, with what follows the last step where that is known; expected, over
        when it leaves.
    - `luck`: standard deviation of these returns, over when it leaves.
    - `saturation`: mean over all logits of the square of how far they are beyond `held`.
    """

    returns: Float[Array, "batch agents"]
    luck: Float[Array, "batch agents"]
    saturation: Float[Array, ""]


class Promise(NamedTuple):
    """What imagination says that policies return.

    - `returns`: the mean of each agent's return.
    - `spread`: the standard deviation of the reported return over episodes.
    """

    returns: Float[Array, " agents"]
    spread: Float[Array, ""]


def true_dynamics(env: Environment) -> Dynamics:
    """The simulator itself. Who has left stays where it was, and earns nothing.

    There is no slope in who leaves.
    """

    def step(states: Array, actions: Array, time: Array, key: PRNGKeyArray, there: There = None):
        keys = jax.random.split(key, len(states))
        times = jnp.broadcast_to(time, len(states))
        if there is None:
            after = jax.vmap(env.transition)(states, actions, times, keys)
            return after.state, after.rewards, None
        after = jax.vmap(env.transition)(states, actions, times, keys, there > 0)
        return after.state, after.rewards, jnp.where(after.terminated, 0.0, there)

    return step


def learnt_dynamics(
    models: LocalModels,
    networks: Networks,
    units: Units,
    residual: Float[Array, "agents state"],
    state_range: tuple[Array, Array],
    reward_range: tuple[Array, Array],
    leaving: Leaving | None = None,
) -> Dynamics:
    """The local models; every member has an equal part of the batch.

    What they do not explain is added as noise of its size. States stay within what was seen and a
    margin, rewards within what was ever paid: a model promises nothing beyond.

    Agents may leave where `leaving` says how they did. All are imagined to go on, each with the
    probability that it is still there: it falls smoothly, so that it has a slope.
    """

    def step(states: Array, actions: Array, time: Array, key: PRNGKeyArray, there: There = None):
        played = (by_member(models, states), by_member(models, actions))
        at = clock(models, states, time)
        present = None if there is None else by_member(models, there)
        following, rewards = (
            all_members(leaf) for leaf in models.step(networks, units, *played, at, present)
        )
        following = following + residual[None] * jax.random.normal(key, following.shape)
        following = jnp.clip(following, state_range[0][None], state_range[1][None])
        rewards = jnp.clip(rewards, reward_range[0][None], reward_range[1][None])
        if there is None or present is None or leaving is None:
            return following, rewards, there
        given = (*played, at, by_member(models, following), present, leaving.together)
        stays = all_members(models.log_staying(networks, units, *given))
        return following, rewards, there * jnp.where(leaving.happens[None], jnp.exp(stays), 1.0)

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
    observing: Observing | None = None,
    there: There = None,
) -> Imagined:
    """Whole episodes of the policies from first states; see [`imagined_from`][]."""
    starts = Starts(first, jnp.zeros(len(first), jnp.int32), there)
    given = (dynamics, starts, env.horizon, key, steepest, held, observing)
    return imagined_from(env, actors, weights, *given)


def imagined_from(
    env: Environment,
    actors: Actors,
    weights: Any,
    dynamics: Dynamics,
    starts: Starts,
    steps: int,
    key: PRNGKeyArray,
    steepest: Float[Array, "agents state"] | None = None,
    held: Float[Array, ""] | float = SATURATED,
    observing: Observing | None = None,
    discount: float = 1.0,
    terminal: Values | None = None,
) -> Imagined:
    r"""A number of steps of the policies, at most to the end of each episode.

    Of $h$ steps the return is $\sum_{k<h} \gamma^k r_{t+k} + \gamma^h Q(s_{t+h}, \pi(s_{t+h}))$.
    Nothing but the state is kept for the way back.

    **Arguments:**

    - `steepest`: the largest slope of a return along a state that is handed back to the step
        before; none for exact gradients.
    - `held`: logits beyond it count as saturated, unless they are of choices, which are held
        within `SATURATED`.
    - `observing`: what agents see; the environment's own function by default.
    - `discount`: $\gamma$.
    - `terminal`: $Q$; `None`: nothing follows.
    """
    limit = None if steepest is None else steepest[None] / len(starts.states)

    def acted(states: Array, times: Array, key: PRNGKeyArray, there: There) -> tuple[Array, Array]:
        choice_key, obs_key = key, jax.random.fold_in(key, 2)
        if observing is None:
            obs = jax.vmap(env.observed)(states, times)
        else:
            obs = observing(states, times, obs_key, there)
        alive = None if there is None else there > 0
        if alive is not None:  # what is seen of, or by, those that left may be no number
            obs = only_alive(jnp.where(jnp.isfinite(obs), obs, 0.0), alive)
        logits = actors.logits(weights, jnp.moveaxis(obs, 0, -1))
        chosen = jnp.moveaxis(actors.with_slopes(logits, choice_key), -1, 0)
        return only_alive(chosen, alive), _saturation(env, actors, logits, held)

    def at(states: Array, ahead: Any) -> tuple[Array, Array, Array]:
        """The states with bounded slopes, their times, and whether the episode is over."""
        times = starts.times + ahead
        states = states if limit is None else slope_bounded(states, limit)
        return states, jnp.minimum(times, env.horizon - 1), (times >= env.horizon)[:, None]

    def one_step(carry: tuple[Array, There], ahead_and_key: tuple[Array, PRNGKeyArray]):
        (states, there), (ahead, key) = carry, ahead_and_key
        states, times, is_over = at(states, ahead)
        choice_key, noise_key = jax.random.split(key)
        chosen, beyond = acted(states, times, choice_key, there)
        following, rewards, after = dynamics(states, chosen, times, noise_key, there)
        following = jnp.where(is_over[:, :, None], states, following)
        rewards = jnp.where(is_over, 0.0, discount**ahead * rewards)
        return (following, after), (rewards, there, beyond)

    every = (jnp.arange(steps), jax.random.split(key, steps))
    (last, there), (rewards, present, beyond) = jax.lax.scan(
        jax.checkpoint(one_step), (starts.states, starts.there), every
    )
    if terminal is not None:
        states, times, is_over = at(last, steps)
        chosen, _ = acted(states, times, jax.random.fold_in(key, steps), there)
        values = discount**steps * terminal(states, chosen, times)
        rewards = jnp.concatenate([rewards, jnp.where(is_over, 0.0, values)[None]])
        if present is not None and there is not None:
            present = jnp.concatenate([present, there[None]])
    if present is None:
        returns = rewards.sum(0)
        return Imagined(returns, jnp.zeros_like(returns), beyond.mean())
    return Imagined(*_over_leaving(rewards, present), beyond.mean())


def _over_leaving(rewards: Array, present: Array) -> tuple[Array, Array]:
    """Mean and standard deviation of returns, of those who are there with these probabilities."""
    returns = (present * rewards).sum(0)
    before = jnp.cumsum(rewards, 0) - rewards
    squares = (present * (2.0 * before + rewards) * rewards).sum(0)
    return returns, jnp.sqrt(jnp.maximum(squares - returns**2, 0.0))


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


def by_member(models: LocalModels, leaf: Array) -> Array:
    """`[members × batch, …]` as `[members, …, batch]`."""
    return jnp.moveaxis(leaf.reshape(models.members, -1, *leaf.shape[1:]), 1, -1)


def all_members(leaf: Array) -> Array:
    """`[members, …, batch]` as `[members × batch, …]`."""
    return jnp.moveaxis(leaf, -1, 1).reshape(-1, *leaf.shape[1:-1])


def clock(models: LocalModels, states: Array, time: Array) -> Float[Array, "members batch"]:
    """The time of a step, one for all or one for each, for all members' parts of a batch."""
    times = jnp.broadcast_to(jnp.asarray(time, jnp.float32), len(states))
    return times.reshape(models.members, -1)
