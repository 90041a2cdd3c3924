"""Local states, actions and rewards, stored by episode: one shared replay, or the rollout since the last update."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray


class Episode(NamedTuple):
    """What one episode leaves behind: one state more than actions.

    `drawn`: what stochastic policies drew and how likely it was, `None` for deterministic ones.
    """

    states: Float[Array, "time+1 agents state"]
    actions: Float[Array, "time agents act"]
    rewards: Float[Array, "time agents"]
    drawn: Any = None


class Batch(NamedTuple):
    """Transitions drawn from the replay; `time` is the step within the episode. Observations are recomputed."""

    state: Float[Array, "batch agents state"]
    actions: Float[Array, "batch agents act"]
    rewards: Float[Array, "batch agents"]
    next_state: Float[Array, "batch agents state"]
    time: Int[Array, " batch"]


class Memory(NamedTuple):
    """`init`: `episode -> store`; `add`: `(store, episode, count) -> store`; `draw`: `(store, count, key) -> batch`.

    A batch is what the update takes: transitions from a replay, whole episodes from a rollout.

    `count` is the number of episodes that came before: it is the same for all seeds, so that adding stays a copy
    into one place instead of a scatter when seeds are vectorised.
    """

    init: Callable[[Episode], Episode]
    add: Callable[[Episode, Episode, Int[Array, ""]], Episode]
    draw: Callable[[Episode, Int[Array, ""], PRNGKeyArray], Any]


def _holding(capacity: int) -> tuple[Callable[[Episode], Episode], Callable[..., Episode]]:
    """`init` and `add` of a memory of the last `capacity` episodes."""

    def init(example: Episode) -> Episode:
        return jax.tree.map(lambda leaf: jnp.zeros((capacity, *leaf.shape), leaf.dtype), example)

    def add(store: Episode, episode: Episode, count: Int[Array, ""]) -> Episode:
        place = count % capacity
        return jax.tree.map(
            lambda held, new: jax.lax.dynamic_update_index_in_dim(held, new, place, axis=0), store, episode
        )

    return init, add


def replay(capacity: int, batch_size: int) -> Memory:
    """The last `capacity` episodes; transitions are drawn uniformly with replacement."""
    init, add = _holding(capacity)

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


def rollout(episodes: int, drawn: int) -> Memory:
    """The episodes since the last update, whole; `drawn` of them are drawn for an update, without replacement."""
    init, add = _holding(episodes)

    def draw(store: Episode, count: Int[Array, ""], key: PRNGKeyArray) -> Episode:
        if drawn >= episodes:
            return store
        chosen = jax.random.permutation(key, episodes)[:drawn]
        return jax.tree.map(lambda leaf: leaf[chosen], store)

    return Memory(init=init, add=add, draw=draw)
