"""From a state that is spread over devices to that of one device, and back.

Checkpoints and policies hold whole states: nothing in them tells how many devices there were.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from mastac.envs.base import Environment
from mastac.learning.buffer import Episode
from mastac.learning.loop import RunState
from mastac.learning.partition.tables import Split, Tables, units_of
from mastac.learning.scales import Scales
from mastac.learning.spec import LearnerState


def own_part(state: LearnerState, tables: Tables) -> LearnerState:
    """A device's part of a whole learner.

    Where the tables have an axis of devices the result has it, too, as its first.
    """
    own = _each(state, lambda leaf, rows: leaf[rows], tables.agents, tables.critics)
    if not state.scales:
        return own
    return own._replace(scales=units_of(state.scales, tables.states, tables.actions))


def own_episode(env: Environment, episode: Episode, tables: Tables) -> Episode:
    """What a device keeps of an episode: states and actions of its own agents and its halo.

    And its own agents' rewards and observations, which then need no states of others any more.
    """
    obs = jax.vmap(env.observed)(episode.states, jnp.arange(len(episode.states)))
    return Episode(
        states=episode.states[:, tables.states],
        actions=episode.actions[:, tables.actions],
        rewards=episode.rewards[:, tables.agents],
        observations=obs[:, tables.agents],
    )


def part_of(env: Environment, state: RunState, tables: Tables) -> RunState:
    """A whole state, with an axis of seeds, spread over the devices of `tables`."""

    def kept(store: Episode) -> Episode:
        def on_device(own: Tables) -> Episode:
            return jax.vmap(lambda episode: own_episode(env, episode, own))(store)

        return jax.vmap(on_device)(tables)

    learner = jax.vmap(lambda learner: own_part(learner, tables))(state.learner)
    best = state.kept
    if best is not None:
        actors = jax.tree.map(lambda leaf: leaf[:, tables.agents], best.actors)
        best = best._replace(actors=actors)
    return state._replace(learner=learner, store=jax.vmap(kept)(state.store), kept=best)


def whole_of(split: Split, state: RunState) -> RunState:
    """The state that one device would have, from one that is spread, with its axis of seeds."""
    own = split.tables.agents.shape[1]

    def stored(leaf: Array) -> Array:
        # Of [seeds, devices, episodes, times, agents, …] the own agents.
        mine = jnp.moveaxis(leaf[:, :, :, :, :own], 1, 3)
        rows = mine.reshape(*mine.shape[:3], -1, *mine.shape[5:])
        return jnp.take(rows, split.place, axis=3)

    def agents(tree: Any) -> Any:
        return jax.tree.map(lambda leaf: _joined(leaf[:, :, :own], split.place), tree)

    store, units, best = state.store, state.learner.scales, state.kept
    learner = _each(state.learner, _joined, split.place, split.critic_places)
    if units:
        units = Scales(*agents(units[:4]), reward=units.reward[:, 0])
    return state._replace(
        learner=learner._replace(scales=units),
        store=Episode(*map(stored, (store.states, store.actions, store.rewards))),
        kept=best and best._replace(actors=agents(best.actors)),
    )


def _each(
    state: LearnerState,
    chosen: Callable[[Array, Any], Array],
    of_agents: Any,
    of_critics: tuple[Any, ...],
) -> LearnerState:
    """A learner with `chosen(array, rows)` of each of its arrays: of actors, and of each bucket."""

    def rows_of(tree: Any, rows: Any) -> Any:
        return jax.tree.map(lambda leaf: chosen(leaf, rows), tree)

    def agents(tree: Any) -> Any:
        return rows_of(tree, of_agents)

    def critics(stacks: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(map(rows_of, stacks, of_critics))

    return state._replace(
        actors=agents(state.actors),
        target_actors=agents(state.target_actors),
        actor_optimizer=agents(state.actor_optimizer),
        critics=critics(state.critics),
        target_critics=critics(state.target_critics),
        critic_optimizers=critics(state.critic_optimizers),
    )


def _joined(leaf: Array, place: np.ndarray) -> Array:
    """`[seeds, devices, rows, …]` as rows of all, `[seeds, places, …]`."""
    return leaf.reshape(leaf.shape[0], -1, *leaf.shape[3:])[:, place]
