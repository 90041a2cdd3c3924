"""What agents do while an episode is played: see what was sent, and act. Pure functions."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from mastac.agents.actors import Actor, Actors
from mastac.distributed.lossy import Lossy
from mastac.distributed.own import Own, some_actors
from mastac.envs.base import Environment
from mastac.learning.spec import LearnerSpec

AT_ONCE = 32
"""Agents whose observations are worked out together; each takes room for a state of all agents."""


def observed(
    env: Environment, own: Own, heard: Float[Array, "own slots state"], time: Any
) -> Float[Array, "own obs"]:
    """What agents observe, of the states that they heard; those that they may not see are zeros."""

    def one(row: tuple[Array, Array, Array, Array]) -> Float[Array, " obs"]:
        agent, sources, seen, states = row
        places = jnp.where(seen, sources, env.num_agents)
        everyone = jnp.zeros((env.num_agents, states.shape[1])).at[places].set(states, mode="drop")
        return env.observed(everyone, time)[agent]

    rows = (own.agents, own.sources, own.hears.seen, heard)
    return jax.lax.map(one, jax.tree.map(jnp.asarray, rows), batch_size=AT_ONCE)


def played_actors(
    spec: LearnerSpec, own: Own, actors: Actor, noise: Array, key: PRNGKeyArray
) -> Actor:
    """The actors of an episode: off by an amount where `episode_noise` says so."""
    if spec.settings.episode_noise == 0:
        return actors
    bias = actors.biases[-1]
    drawn = some_actors(spec.actors, own).drawn(jax.random.normal, key, bias.shape)
    offset = spec.settings.episode_noise * noise * drawn
    return eqx.tree_at(lambda tree: tree.biases[-1], actors, bias + offset)


def explored(
    spec: LearnerSpec,
    own: Own,
    actors: Actor,
    obs: Float[Array, "own obs"],
    noise: Array,
    random_fraction: Array,
    key: PRNGKeyArray,
) -> Float[Array, "own act"]:
    """What exploring policies do."""
    mine = some_actors(spec.actors, own)
    return mine.explore(actors, obs[:, :, None], noise, random_fraction, key, True)[:, :, 0]


def greedy(
    actors: Actors, own: Own, weights: Actor, obs: Float[Array, "own obs"]
) -> Float[Array, "own act"]:
    """What policies do without exploration."""
    return some_actors(actors, own).apply(weights, obs[:, :, None])[:, :, 0]


def complete(
    own: Own, arrives: Bool[Array, "own slots packets"], horizon: int, lossy: Lossy
) -> Bool[Array, "time own"] | None:
    """At which steps agents heard all that their critics need; `None` where the rest is made up."""
    if lossy.missing == "hold":
        return None
    came, hears = jnp.asarray(arrives), own.hears
    needed = came[:, :, :horizon] | ~hears.learns_from[:, :, None]
    needed_after = came[:, :, 1 : horizon + 1] | ~hears.learns_after[:, :, None]
    return (needed & needed_after).all(1).T
