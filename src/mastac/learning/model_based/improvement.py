r"""What one step of policy iteration still finds: at one time, a better joint action.

With $A_t$ the advantage under the present policies, a better policy $\pi^*$ gains

$$J(\pi^*) - J(\pi) = \sum_t E_{s_t \sim \pi^*}[A_t(s_t, \pi^*(s_t))]
\le \sum_t E_{s_t \sim \pi^*}[\max_a A_t(s_t, a)]$$

(performance-difference lemma; Kakade and Langford 2002). Here the states are those that the present
policies visit, so that the sum is an estimate and no bound.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from mastac.agents.actors import Actors
from mastac.envs.base import Environment
from mastac.learning.model_based.imagined import Dynamics

SAMPLES = 16  # futures that an action is chosen for
STEPS = 20  # of a search
RATES = (1.0, 0.1, 1.0)  # first step of each search, in limits; the last begins at random
LAST_STEP = 0.005  # its last step, as a share of the first
SWEEPS = 2  # over the agents, where actions are choices


class Point(NamedTuple):
    """Where a better joint action is looked for."""

    state: Float[Array, "agents state"]
    time: Int[Array, ""]
    key: PRNGKeyArray


def one_step_gains(
    env: Environment,
    actors: Actors,
    weights: Any,
    dynamics: Dynamics,
    key: PRNGKeyArray,
    episodes: int,
    points: int,
) -> Float[Array, " episodes"]:
    r"""Estimates of $\sum_t \max_a A_t(s_t, a)$ along greedy episodes, in the reported unit.

    The joint action of a point is the best that is found with all states in view, for the mean of
    some futures. These fit it a little better than others would: the mean of such maxima is never
    below the maximum of the mean (Mak, Morton and Wood 1999), so what noise adds is on the safe
    side of a figure that is to be large enough.

    **Arguments:**

    - `actors`, `weights`: the policies.
    - `dynamics`: what follows an action ([`true_dynamics`][
        mastac.learning.model_based.imagined.true_dynamics]).
    - `points`: times of each episode, spread over it and shifted at random; at most its length.
    """
    visit_key, time_key, search_key = jax.random.split(key, 3)
    states = jax.vmap(lambda key: _visited(env, actors, weights, key))(
        jax.random.split(visit_key, episodes)
    )
    points = min(points, env.horizon)
    shift = jax.random.uniform(time_key, (episodes, 1))
    times = (jnp.arange(points)[None] + shift) * (env.horizon / points)
    times = jnp.minimum(times.astype(jnp.int32), env.horizon - 1)
    at = states[jnp.arange(episodes)[:, None], times]
    keys = jax.random.split(search_key, episodes * points)
    every = Point(at.reshape(-1, *at.shape[2:]), times.ravel(), keys)
    gains = jax.lax.map(lambda point: _gain(env, actors, weights, dynamics, point), every)
    return env.horizon * gains.reshape(episodes, points).mean(1)


def _visited(
    env: Environment, actors: Actors, weights: Any, key: PRNGKeyArray
) -> Float[Array, "time agents state"]:
    """The states of one greedy episode of the simulator."""
    reset_key, step_key = jax.random.split(key)

    def one_step(state: Array, at: tuple[Array, PRNGKeyArray]):
        actions = _greedy(env, actors, weights, state[None], at[0])[0]
        return env.transition(state, actions, *at).state, state

    steps = (jnp.arange(env.horizon), jax.random.split(step_key, env.horizon))
    return jax.lax.scan(one_step, env.reset(reset_key), steps)[1]


def _greedy(
    env: Environment, actors: Actors, weights: Any, states: Array, time: Array
) -> Float[Array, "batch agents act"]:
    obs = jax.vmap(env.observed, (0, None))(states, time)
    return jnp.moveaxis(actors.apply(weights, jnp.moveaxis(obs, 0, -1)), -1, 0)


def _gain(
    env: Environment, actors: Actors, weights: Any, dynamics: Dynamics, point: Point
) -> Float[Array, ""]:
    """How much better than the policies' the best joint action is that is found here."""
    futures_key, start_key = jax.random.split(point.key)

    def value(actions: Array) -> Float[Array, ""]:
        """Mean return from here on: these actions now, the policies afterwards."""

        def one_step(states: Array, time: Array):
            greedy = _greedy(env, actors, weights, states, time)
            chosen = jnp.where(time == point.time, actions[None], greedy)
            key = jax.random.fold_in(futures_key, time)
            following, rewards, _ = dynamics(states, chosen, time, key)
            return following, env.reported(rewards).mean()

        def until_the_end(states: Array, ahead: Array):
            time = point.time + ahead
            is_over = time >= env.horizon
            return jax.lax.cond(is_over, lambda s, _: (s, jnp.zeros(())), one_step, states, time)

        states = jnp.broadcast_to(point.state[None], (SAMPLES, *point.state.shape))
        remaining = jnp.arange(env.horizon)
        return jax.lax.scan(jax.checkpoint(until_the_end), states, remaining)[1].sum()

    played = _greedy(env, actors, weights, point.state[None], point.time)[0]
    return _highest(actors, value, played, start_key) - value(played)


def _highest(
    actors: Actors,
    objective: Callable[[Array], Array],
    played: Float[Array, "agents act"],
    key: PRNGKeyArray,
) -> Float[Array, ""]:
    """The highest value that searches from what is played, and from a random action, find."""
    limit, mask = actors.constants
    uniform = jax.random.uniform(key, played.shape)
    anywhere = actors.head.from_uniform(uniform, limit, mask)
    if actors.head.is_discrete:
        starts = jnp.stack([played, anywhere])
        return jax.vmap(lambda start: _swept(actors, objective, start))(starts).max()
    starts, rates = jnp.stack([played, played, anywhere]), jnp.asarray(RATES)
    climbed = jax.vmap(lambda start, rate: _climbed(actors, objective, start, rate))
    return climbed(starts, rates).max()


def _climbed(
    actors: Actors, objective: Callable[[Array], Array], start: Array, rate: Array
) -> Float[Array, ""]:
    """The highest value on the way of Adam up the slope, held to valid actions."""
    limit, mask = actors.constants
    adam: Any = optax.adam(1.0, b1=0.8, b2=0.9)

    def one(carry: tuple[Any, ...], step: Array):
        actions, state, most = carry
        value, slope = jax.value_and_grad(objective)(actions)
        most = jnp.where(value > most, value, most)  # no NaN is larger
        move, state = adam.update(jnp.where(jnp.isfinite(slope), slope, 0.0), state)
        size = rate * LAST_STEP ** (step / (STEPS - 1))
        actions = actors.head.project(actions - size * limit * move, limit, mask)
        return (actions, state, most), None

    first = (start, adam.init(start), jnp.asarray(-jnp.inf))
    return jax.lax.scan(one, first, jnp.arange(STEPS))[0][2]


def _swept(actors: Actors, objective: Callable[[Array], Array], start: Array) -> Float[Array, ""]:
    """The value of choices that are improved one agent at a time."""
    mask = actors.constants.mask
    choices = jnp.eye(mask.shape[1], dtype=start.dtype)

    def one(actions: Array, agent: Array):
        tried = jax.vmap(lambda choice: actions.at[agent].set(choice))(choices)
        values = jax.vmap(objective)(tried)
        values = jnp.where(mask[agent] & jnp.isfinite(values), values, -jnp.inf)
        return tried[jnp.argmax(values)], values.max()

    order = jnp.tile(jnp.arange(len(mask)), SWEEPS)
    return jax.lax.scan(one, start, order)[1][-1]
