"""What agents observe: stored where it came from outside, else computed from the states anew.

Agents that left observe zeros.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from mastac.envs.base import Environment
from mastac.envs.transitions import only_alive
from mastac.learning.buffer import Batch, Episode
from mastac.learning.presence import present


def observations(
    env: Environment, state: Float[Array, "batch agents state"], time: Int[Array, " batch"]
) -> Float[Array, "agents obs batch"]:
    """Every agent's observations of a batch of states."""
    return jnp.moveaxis(jax.vmap(env.observed)(state, time), 0, -1)


def observations_of(env: Environment, batch: Batch) -> Float[Array, "agents obs batch"]:
    """What is observed where a batch's transitions begin."""
    return _chosen(env, batch.obs, batch.state, batch.time, batch.alive)


def next_observations_of(env: Environment, batch: Batch) -> Float[Array, "agents obs batch"]:
    """What is observed at a batch's next states."""
    return _chosen(env, batch.next_obs, batch.next_state, batch.next_time, batch.remains)


def _chosen(
    env: Environment, stored: Array | None, state: Array, time: Array, alive: Array | None
) -> Array:
    seen = jax.vmap(env.observed)(state, time) if stored is None else stored
    return jnp.moveaxis(only_alive(seen, alive), 0, -1)


def observations_along(
    env: Environment, store: Episode
) -> Float[Array, "episodes times agents obs"]:
    """What was observed at every state of whole episodes, the last one included."""
    if store.observations is not None:
        return only_alive(store.observations, present(store))
    # Nobody acts at the last state; what an observation makes of its time is left to none.
    times = jnp.minimum(jnp.arange(store.states.shape[1]), env.horizon - 1)
    observe = jax.vmap(jax.vmap(env.observed), in_axes=(0, None))
    return only_alive(observe(store.states, times), present(store))
