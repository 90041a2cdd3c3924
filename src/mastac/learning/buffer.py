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
    """Transitions drawn from the replay; `time` is the step within the episode. Observations are recomputed.

    `ahead`: how many steps after `state` the `next_state` is, `None` for one; `rewards` are then
    the discounted sums of what these steps gave.
    """

    state: Float[Array, "batch agents state"]
    actions: Float[Array, "batch agents act"]
    rewards: Float[Array, "batch agents"]
    next_state: Float[Array, "batch agents state"]
    time: Int[Array, " batch"]
    ahead: Int[Array, " batch"] | None = None

    @property
    def next_time(self) -> Int[Array, " batch"]:
        """The step within the episode of `next_state`."""
        return self.time + (1 if self.ahead is None else self.ahead)


class Buffer(NamedTuple):
    """`init`: `episode -> store`; `add`: `(store, episode, count) -> store`; `draw`: `(store, count, key) -> batch`.

    A batch is what the update takes: transitions from a replay, whole episodes from a rollout.

    `count` is the number of episodes that came before: it is the same for all seeds, so that adding
    stays a copy into one place instead of a scatter when seeds are vectorised.
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
            lambda held, new: jax.lax.dynamic_update_index_in_dim(held, new, place, axis=0),
            store,
            episode,
        )

    return init, add


def replay(capacity: int, batch_size: int, steps: int = 1, discount: float = 1.0) -> Buffer:
    """The last `capacity` episodes; transitions are drawn uniformly with replacement.

    With `steps` above 1 a transition goes that many steps ahead, or to the end of the episode where
    that is nearer.
    """
    init, add = _holding(capacity)

    def draw(store: Episode, count: Int[Array, ""], key: PRNGKeyArray) -> Batch:
        episode_key, time_key = jax.random.split(key)
        filled = jnp.minimum(count, capacity)
        episode = jax.random.randint(episode_key, (batch_size,), 0, filled)
        time = jax.random.randint(time_key, (batch_size,), 0, store.rewards.shape[1])
        if steps > 1:
            return _far_ahead(store, episode, time, steps, discount)
        return Batch(
            state=store.states[episode, time],
            actions=store.actions[episode, time],
            rewards=store.rewards[episode, time],
            next_state=store.states[episode, time + 1],
            time=time,
        )

    return Buffer(init=init, add=add, draw=draw)


def _far_ahead(
    store: Episode,
    episode: Int[Array, " batch"],
    time: Int[Array, " batch"],
    steps: int,
    discount: float,
) -> Batch:
    """Transitions over up to `steps` steps: none goes beyond the end of its episode."""
    horizon = store.rewards.shape[1]
    later = time[:, None] + jnp.arange(min(steps, horizon))
    rewards = store.rewards.at[episode[:, None], later].get(mode="fill", fill_value=0.0)
    end = jnp.minimum(time + steps, horizon)
    return Batch(
        state=store.states[episode, time],
        actions=store.actions[episode, time],
        rewards=jnp.einsum(
            "k,bka->ba", discount ** jnp.arange(rewards.shape[1], dtype=jnp.float32), rewards
        ),
        next_state=store.states[episode, end],
        time=time,
        ahead=end - time,
    )


def rollout(episodes: int, drawn: int) -> Buffer:
    """The episodes since the last update, whole; `drawn` of them are drawn for an update, without replacement."""
    init, add = _holding(episodes)

    def draw(store: Episode, count: Int[Array, ""], key: PRNGKeyArray) -> Episode:
        if drawn >= episodes:
            return store
        chosen = jax.random.permutation(key, episodes)[:drawn]
        return jax.tree.map(lambda leaf: leaf[chosen], store)

    return Buffer(init=init, add=add, draw=draw)
