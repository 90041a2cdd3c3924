"""Episodes of a given policy."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from mastac.envs.base import Actions, Environment, Obs, Rewards, State, Time
from mastac.envs.limits import limits_of
from mastac.envs.transitions import Alive, everyone, only_alive, remaining

Policy = Callable[[Obs, State, Time], Actions]


class Step(NamedTuple):
    """What one step of an episode was; a leading axis counts steps."""

    state: State
    actions: Actions
    rewards: Rewards
    alive: Alive


class Outcome(NamedTuple):
    """What came out of an episode for each agent; leading axes count seeds and episodes.

    - `returns`: undiscounted, up to the end of the episode.
    - `violations`: the share of its steps at which the agent was beyond a limit of the view, of
        those steps at which it was there; `None` where the view declares no limits.
    """

    returns: Float[Array, " agents"]
    violations: Float[Array, " agents"] | None


def rollout_return(env: Environment, policy: Policy, key: PRNGKeyArray) -> Float[Array, " agents"]:
    """Undiscounted return of each agent over one episode, up to its end.

    **Arguments:**

    - `env`: the environment.
    - `policy`: `(obs, state, time) -> actions`.
    - `key`: for the first state and the noise.
    """
    return outcome(env, policy, key).returns


def outcome(env: Environment, policy: Policy, key: PRNGKeyArray) -> Outcome:
    """The returns of [`rollout_return`][], and how often limits were exceeded."""
    limits = limits_of(env)

    def kept(step: Step) -> tuple[Rewards, Any, Any]:
        if limits is None:
            return step.rewards, None, None
        return step.rewards, limits.exceeded(step.state, step.actions), step.alive

    _, (rewards, exceeded, alive) = _scanned(env, policy, key, kept)
    if exceeded is None:
        return Outcome(rewards.sum(0), None)
    there = jnp.ones_like(exceeded) if alive is None else alive
    beyond, steps = (exceeded & there).sum(0), there.sum(0)
    return Outcome(rewards.sum(0), beyond / jnp.maximum(steps, 1))


def rollout(env: Environment, policy: Policy, key: PRNGKeyArray) -> tuple[Step, State]:
    """All steps of the episode of [`rollout_return`][], and the state after the last one."""
    (state, _), steps = _scanned(env, policy, key, lambda step: step)
    return steps, state


def _scanned(
    env: Environment, policy: Policy, key: PRNGKeyArray, kept: Callable[[Step], Any]
) -> tuple[tuple[State, Alive], Any]:
    reset_key, step_key = jax.random.split(key)

    def one_step(
        at: tuple[State, Alive], now: tuple[Time, PRNGKeyArray]
    ) -> tuple[tuple[State, Alive], Any]:
        (state, alive), (time, noise_key) = at, now
        obs = only_alive(env.observed(state, time), alive)
        actions = only_alive(policy(obs, state, time), alive)
        after = env.transition(state, actions, time, noise_key, alive)
        step = Step(state, actions, after.rewards, alive)
        return (after.state, remaining(alive, after)), kept(step)

    times = jnp.arange(env.horizon)
    first = (env.reset(reset_key), everyone(env))
    return jax.lax.scan(one_step, first, (times, jax.random.split(step_key, env.horizon)))
