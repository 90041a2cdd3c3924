"""One shared replay of local states, actions and rewards, stored by episode; critics gather what they read from it."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray


class Episode(NamedTuple):
    """What one episode leaves behind: one state more than actions."""

    states: Float[Array, "time+1 agents state"]
    actions: Float[Array, "time agents act"]
    rewards: Float[Array, "time agents"]


class Batch(NamedTuple):
    """Transitions drawn from the replay; `time` is the step within the episode. Observations are recomputed."""

    state: Float[Array, "batch agents state"]
    actions: Float[Array, "batch agents act"]
    rewards: Float[Array, "batch agents"]
    next_state: Float[Array, "batch agents state"]
    time: Int[Array, " batch"]


class Memory(NamedTuple):
    """`init`: `episode -> store`; `add`: `(store, episode, count) -> store`; `draw`: `(store, count, key) -> batch`.

    `count` is the number of episodes that came before: it is the same for all seeds, so that adding stays a copy
    into one place instead of a scatter when seeds are vectorised.
    """

    init: Callable[[Episode], Episode]
    add: Callable[[Episode, Episode, Int[Array, ""]], Episode]
    draw: Callable[[Episode, Int[Array, ""], PRNGKeyArray], Batch]


def replay(capacity: int, batch_size: int) -> Memory:
    """The last `capacity` episodes; transitions are drawn uniformly with replacement."""

    def init(example: Episode) -> Episode:
        return jax.tree.map(lambda leaf: jnp.zeros((capacity, *leaf.shape), leaf.dtype), example)

    def add(store: Episode, episode: Episode, count: Int[Array, ""]) -> Episode:
        place = count % capacity
        return jax.tree.map(
            lambda held, new: jax.lax.dynamic_update_index_in_dim(held, new, place, axis=0), store, episode
        )

    def draw(store: Episode, count: Int[Array, ""], key: PRNGKeyArray) -> Batch:
        episode_key, time_key = jax.random.split(key)
        filled = jnp.minimum(count, capacity)
        episode = jax.random.randint(episode_key, (batch_size,), 0, filled)
        time = jax.random.randint(time_key, (batch_size,), 0, store.rewards.shape[1])
        return Batch(
            state=store.states[episode, time],
            actions=store.actions[episode, time],
            rewards=store.rewards[episode, time],
            next_state=store.states[episode, time + 1],
            time=time,
        )

    return Memory(init=init, add=add, draw=draw)
