"""Which agents are there: what critics read of those that left, and which samples count.

In all functions `None` stands for: nobody ever leaves.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from mastac.learning.buffer import Batch, Episode
from mastac.learning.spec import LearnerSpec


class Among(NamedTuple):
    """Of which agents something is measured, where these are some of a team.

    - `mask`: which entries of their actions are real.
    - `mean`: the mean over all agents of the team of a number of each of these.
    """

    mask: Array
    mean: Callable[[Array], Array]


def by_agent(leaf: Any) -> Array:
    """`[episodes, time, agents, …]` as `[agents, …, batch]`, episode by episode."""
    return jnp.moveaxis(leaf.reshape(-1, *leaf.shape[2:]), 0, -1)


def present(rollout: Episode) -> Bool[Array, "episodes times agents"] | None:
    """Of whom every state of whole episodes tells, the last one included.

    Of those who were there, up to the state at which they were truncated.
    """
    alive, terminated = rollout.alive, rollout.terminated
    if alive is None or terminated is None:
        return None
    after = jnp.pad(alive & ~terminated, ((0, 0), (1, 0), (0, 0)))
    return after | jnp.pad(alive, ((0, 0), (0, 1), (0, 0)))


def alive_of(batch: Batch) -> Bool[Array, "agents batch"] | None:
    """Who is there where a batch's transitions begin."""
    return None if batch.alive is None else batch.alive.T


def values_alive(spec: LearnerSpec, alive: Any) -> Bool[Array, "values batch"] | None:
    """For every value whether any of the agents is there whose rewards it predicts.

    Its future ends when all of them have left.
    """
    if alive is None:
        return None
    weights = spec.layout.rewards.tocoo()
    counts = np.flatnonzero(weights.data)
    rows = len(spec.layout.rewards.indptr) - 1
    there = alive[weights.col[counts]].astype(jnp.int32)
    any_there = jax.ops.segment_max(there, weights.row[counts], rows) > 0
    # One row of weights stands for all values: they predict the same.
    return jnp.broadcast_to(any_there, (spec.layout.num_values, alive.shape[1]))


def sample_weights(alive: Any) -> Float[Array, "rows batch"] | None:
    """Equal weights of the samples that count, adding up to one in each row; else zeros."""
    if alive is None:
        return None
    return alive / jnp.maximum(alive.sum(1, keepdims=True), 1).astype(jnp.float32)


def sample_mean(values: Float[Array, "... batch"], weights: Array | None) -> Float[Array, "..."]:
    """Mean over the batch, of the samples that count."""
    return values.mean(-1) if weights is None else (values * weights).sum(-1)


def by_feature(rows: Array, features: Float[Array, "features batch"]) -> Array:
    """A number of each agent for each of its features; 0 for the last row, which is padding."""
    width = (len(features) - 1) // len(rows)
    return jnp.concatenate([jnp.repeat(rows, width, axis=0), jnp.zeros_like(rows[:1])])


def read_of(
    features: Float[Array, "features batch"], alive: Bool[Array, "agents batch"] | None
) -> Float[Array, "features batch"]:
    """States or actions as critics read them: zeros for agents that left."""
    if alive is None:
        return features
    return jnp.where(by_feature(alive, features), features, 0.0)
