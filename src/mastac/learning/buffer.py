"""What updates learn from: a replay of past episodes, or the rollout since the last update.

Local states, actions and rewards are stored once, by episode. What each critic reads is gathered
from them; there is no copy for each agent (line 13 of Algorithm 1).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from mastac.envs.base import Environment
from mastac.learning.schedule import rollout_episodes
from mastac.learning.settings import Settings


class Episode(NamedTuple):
    """What one episode leaves behind: one state more than actions.

    All episodes are as long as the horizon. After an agent has left, its state stays as it was, and
    its actions and rewards are 0.

    - `drawn`: what stochastic policies drew and its log-density, or the key of the perturbation
        that the episode was played with; `None` where updates need neither.
    - `observations`: what agents saw, as many as states; `None` where it is computed from these.
    - `alive`: who was there at a step; `terminated`: for whom it was the last one. An agent that
        is not there after a step, and was not terminated by it, was truncated: the value of its
        last state counts. `length`: steps until the last agent left. All three are `None` where
        episodes end at the horizon alone.
    """

    states: Float[Array, "times agents state"]
    actions: Float[Array, "time agents act"]
    rewards: Float[Array, "time agents"]
    drawn: Any = None
    observations: Float[Array, "times agents obs"] | None = None
    alive: Bool[Array, "time agents"] | None = None
    terminated: Bool[Array, "time agents"] | None = None
    length: Int[Array, ""] | None = None


class Batch(NamedTuple):
    """Transitions drawn from the replay.

    - `time`: the step within the episode.
    - `rewards`: of that step; where `ahead` is given, the discounted sums over so many steps.
    - `ahead`: how many steps after `state` the `next_state` is; `None` for one.
    - `obs`, `next_obs`: what was observed; `None` where it is computed from the states anew.
    - `alive`, `remains`: who is there at `state`, and whose future counts at `next_state`: of those
        who were not terminated on the way. `None` where nobody ever leaves.
    """

    state: Float[Array, "batch agents state"]
    actions: Float[Array, "batch agents act"]
    rewards: Float[Array, "batch agents"]
    next_state: Float[Array, "batch agents state"]
    time: Int[Array, " batch"]
    ahead: Int[Array, " batch"] | None = None
    obs: Float[Array, "batch agents obs"] | None = None
    next_obs: Float[Array, "batch agents obs"] | None = None
    alive: Bool[Array, "batch agents"] | None = None
    remains: Bool[Array, "batch agents"] | None = None

    @property
    def next_time(self) -> Int[Array, " batch"]:
        """The step within the episode of `next_state`."""
        return self.time + (1 if self.ahead is None else self.ahead)


class Buffer(NamedTuple):
    """Three functions on a store of episodes, an `Episode` with a leading axis.

    - `init`: `episode -> store`, empty, for episodes of this shape.
    - `add`: `(store, episode, count) -> store`.
    - `draw`: `(store, count, key) -> batch`: transitions of a replay, whole episodes of a rollout.

    `count` is the number of episodes that came before. It is the same for all seeds, so that adding
    stays a copy into one place instead of a scatter when seeds are vectorised.
    """

    init: Callable[[Episode], Episode]
    add: Callable[[Episode, Episode, Int[Array, ""]], Episode]
    draw: Callable[[Episode, Int[Array, ""], PRNGKeyArray], Any]


def replay_buffer(capacity: int, batch_size: int, steps: int = 1, discount: float = 1.0) -> Buffer:
    """The last `capacity` episodes; transitions are drawn uniformly, with replacement.

    Only steps at which somebody was there are drawn. With `steps` above 1 a transition goes that
    many steps ahead, or to the end of the episode where that is nearer.
    """
    init, add = _last_episodes(capacity)

    def draw(store: Episode, count: Int[Array, ""], key: PRNGKeyArray) -> Batch:
        if store.length is None:
            episode_key, time_key = jax.random.split(key)
            filled = jnp.minimum(count, capacity)
            episode = jax.random.randint(episode_key, (batch_size,), 0, filled)
            time = jax.random.randint(time_key, (batch_size,), 0, store.rewards.shape[1])
        else:
            episode, time = _played_steps(store.length, batch_size, key)
        if steps > 1:
            return _several_steps(store, episode, time, steps, discount)
        return _transitions(store, episode, time, time + 1, store.rewards[episode, time])

    return Buffer(init=init, add=add, draw=draw)


def rollout_buffer(episodes: int, drawn: int) -> Buffer:
    """The episodes since the last update; `drawn` of them make a batch, without replacement."""
    init, add = _last_episodes(episodes)

    def draw(store: Episode, count: Int[Array, ""], key: PRNGKeyArray) -> Episode:
        if drawn >= episodes:
            return store
        chosen = jax.random.permutation(key, episodes)[:drawn]
        return jax.tree.map(lambda leaf: leaf[chosen], store)

    return Buffer(init=init, add=add, draw=draw)


def replay_of(env: Environment, settings: Settings, epochs: int) -> Buffer:
    """The replay that the settings ask for, with no more room than the run can fill.

    Every checkpoint holds all of it.
    """
    episodes = max(1, min(epochs, settings.buffer_size // env.horizon))
    return replay_buffer(episodes, settings.batch_size, settings.n_steps, settings.discount)


def sampled_rollout(env: Environment, settings: Settings, epochs: int) -> Buffer:
    """A rollout of which every update draws `batch_size` steps, as whole episodes."""
    drawn = max(1, settings.batch_size // env.horizon)
    return rollout_buffer(rollout_episodes(env, settings), drawn)


def whole_rollout(env: Environment, settings: Settings, epochs: int) -> Buffer:
    """A rollout of which every update takes all episodes."""
    episodes = rollout_episodes(env, settings)
    return rollout_buffer(episodes, episodes)


def _last_episodes(capacity: int) -> tuple[Callable[[Episode], Episode], Callable[..., Episode]]:
    """`init` and `add` of a store of the last `capacity` episodes."""

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


def _played_steps(
    lengths: Int[Array, " episodes"], number: int, key: PRNGKeyArray
) -> tuple[Int[Array, " number"], Int[Array, " number"]]:
    """Episodes and times, drawn uniformly from all steps that were played."""
    ends = jnp.cumsum(lengths)
    place = jax.random.randint(key, (number,), 0, ends[-1])
    episode = jnp.searchsorted(ends, place, side="right")
    return episode, place - (ends - lengths)[episode]


def _transitions(
    store: Episode,
    episode: Int[Array, " batch"],
    time: Int[Array, " batch"],
    end: Int[Array, " batch"],
    rewards: Float[Array, "batch agents"],
    ahead: Int[Array, " batch"] | None = None,
) -> Batch:
    """What the store holds of each step and of the time `end` after it."""

    def held(leaf: Array | None, at: Array) -> Any:
        return None if leaf is None else leaf[episode, at]

    remains = None
    if store.alive is not None and store.terminated is not None:
        remains = store.alive[episode, end - 1] & ~store.terminated[episode, end - 1]
    return Batch(
        state=store.states[episode, time],
        actions=store.actions[episode, time],
        rewards=rewards,
        next_state=store.states[episode, end],
        time=time,
        ahead=ahead,
        obs=held(store.observations, time),
        next_obs=held(store.observations, end),
        alive=held(store.alive, time),
        remains=remains,
    )


def _several_steps(
    store: Episode,
    episode: Int[Array, " batch"],
    time: Int[Array, " batch"],
    steps: int,
    discount: float,
) -> Batch:
    """Transitions over up to `steps` steps: none goes beyond the end of its episode."""
    horizon = store.rewards.shape[1]
    later = time[:, None] + jnp.arange(min(steps, horizon))[None]
    rewards = store.rewards.at[episode[:, None], later].get(mode="fill", fill_value=0.0)
    end = jnp.minimum(time + steps, horizon)
    if store.alive is not None and store.terminated is not None:
        # Nor beyond a step at which an agent was truncated: its value counts from there.
        here, after = (
            store.alive.at[episode[:, None], at].get(mode="fill", fill_value=False)
            for at in (later, later + 1)
        )
        cut = (here & ~after & ~store.terminated[episode[:, None], later]).any(2)
        first = jnp.where(cut.any(1), time + 1 + jnp.argmax(cut, 1), horizon)
        end = jnp.minimum(end, first)
        rewards = jnp.where((later < end[:, None])[:, :, None], rewards, 0.0)
    powers = discount ** jnp.arange(rewards.shape[1], dtype=jnp.float32)
    total = jnp.einsum("k,bka->ba", powers, rewards)
    return _transitions(store, episode, time, end, total, end - time)
