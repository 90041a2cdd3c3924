"""Episodes of a given policy."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from mastac.envs.base import Actions, Environment, Obs, Rewards, State, Time
from mastac.envs.transitions import everyone, only_alive, remaining


def rollout_return(
    env: Environment,
    policy: Callable[[Obs, State, Time], Actions],
    key: PRNGKeyArray,
) -> Float[Array, " agents"]:
    """Undiscounted return of each agent over one episode, up to its end.

    **Arguments:**

    - `env`: the environment.
    - `policy`: `(obs, state, time) -> actions`.
    - `key`: for the first state and the noise.
    """
    reset_key, step_key = jax.random.split(key)

    def one_step(at: tuple[State, Any], now: tuple[Time, PRNGKeyArray]) -> tuple[Any, Rewards]:
        (state, alive), (time, noise_key) = at, now
        obs = only_alive(env.observed(state, time), alive)
        actions = only_alive(policy(obs, state, time), alive)
        after = env.transition(state, actions, time, noise_key, alive)
        return (after.state, remaining(alive, after)), after.rewards

    times = jnp.arange(env.horizon)
    first = (env.reset(reset_key), everyone(env))
    _, rewards = jax.lax.scan(one_step, first, (times, jax.random.split(step_key, env.horizon)))
    return rewards.sum(0)
