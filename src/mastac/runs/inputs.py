"""Which entry of whose state each number of an observation is, found by looking at values."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from mastac.envs.base import Environment, Obs, State
from mastac.envs.once import compiled_for_once

Source = tuple[int, int]
"""An agent, and an entry of its state."""


def input_sources(env: Environment) -> list[list[Source | None]]:
    """For each entry of each agent's observation the entry of a state that it is a copy of.

    States are drawn near first states, at times from the first to the last one of the episode. An
    entry that is equal at all of them is a copy. `None` stands for whatever else an observation is
    made of: time, differences, sums, scaled values; and for all that a simulator outside JAX shows,
    whose states cannot be set.
    """
    if env.is_host:
        return [[None] * size for size in env.obs_sizes.tolist()]
    times = np.array([0, env.horizon // 2, env.horizon - 1])

    def looked_at(key: PRNGKeyArray, time: Array) -> tuple[State, Obs]:
        # Every entry gets a value of its own, and one that the simulator may well have.
        first, (more, least) = env.reset(key), jax.random.uniform(key, (2, *shape))
        state = first * (1.0 + 0.1 * more) + 1e-3 * least
        return state, env.observed(state, time)

    shape = (env.num_agents, int(env.state_sizes.max()))

    def at_all_times(key: PRNGKeyArray) -> tuple[State, Obs]:
        return jax.vmap(looked_at)(jax.random.split(key, len(times)), jnp.asarray(times))

    states, seen = map(np.asarray, compiled_for_once(at_all_times)(jax.random.key(0)))
    sources = {
        states[:, j, m].tobytes(): (j, m)
        for j, size in enumerate(env.state_sizes.tolist())
        for m in range(size)
    }
    return [
        [sources.get(seen[:, i, k].tobytes()) for k in range(size)]
        for i, size in enumerate(env.obs_sizes.tolist())
    ]
