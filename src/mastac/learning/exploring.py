"""An episode of the exploring policies, for updates to learn from."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray

from mastac.envs.base import Environment
from mastac.envs.transitions import everyone, only_alive, remaining
from mastac.learning.buffer import Episode
from mastac.learning.spec import Learner


def exploring_episode(
    env: Environment,
    learner: Learner,
    state: Any,
    noise: Array,
    random_fraction: Array,
    key: PRNGKeyArray,
) -> Episode:
    """One episode of the exploring policies (lines 2 to 10 of Algorithm 1)."""
    reset_key, steps_key = jax.random.split(key)
    played, begun = learner.begin(state, jax.random.fold_in(key, 2), noise)

    def one_step(carry: tuple[Array, Any], time_and_key: tuple[Array, PRNGKeyArray]):
        (at, alive), (time, step_key) = carry, time_and_key
        action_key, noise_key = jax.random.split(step_key)
        obs = only_alive(env.observed(at, time), alive)
        actions, drawn = learner.explore(played, obs, noise, random_fraction, action_key)
        actions = only_alive(actions, alive)
        after = env.transition(at, actions, time, noise_key, alive)
        row = (at, actions, after.rewards, drawn, alive, after.terminated)
        return (after.state, remaining(alive, after)), row

    times = jnp.arange(env.horizon)
    first = (env.reset(reset_key).astype(jnp.float32), everyone(env))
    keys = jax.random.split(steps_key, env.horizon)
    (last, _), rows = jax.lax.scan(one_step, first, (times, keys))
    states, actions, rewards, drawn, alive, terminated = rows
    return Episode(
        jnp.concatenate([states, last[None]]),
        actions,
        rewards,
        drawn if begun is None else begun,
        alive=alive,
        terminated=terminated,
        length=None if alive is None else alive.any(1).sum(),
    )
