"""Centres and scales of what local models read and predict, measured on the stored episodes.

They follow the policies: data of the first, random episodes may be a thousand times as wide as
what a good policy sees, and a model has to be exact where the policy is.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from mastac.agents.model_inputs import Units
from mastac.learning.buffer import Episode

RECENT = 0.5  # the share of the episodes, the latest ones, that scales are measured on
FLOOR = 0.01  # the least scale, in those of all episodes
SMALLEST = 1e-6


class Ages(NamedTuple):
    """Which places of a store hold an episode, and how old it is.

    - `filled`: how many are held.
    - `order`: places from the oldest episode to the newest, those without one at the end.
    - `is_filled`, `is_recent`: `[places]`, 1 or 0; the latter of the last half.
    """

    filled: Int[Array, ""]
    order: Int[Array, " places"]
    is_filled: Float[Array, " places"]
    is_recent: Float[Array, " places"]


def ages(capacity: int, count: Int[Array, ""]) -> Ages:
    """The places of a store of the last `capacity` of `count` episodes."""
    place = jnp.arange(capacity)
    filled = jnp.minimum(count, capacity)
    since = (count - 1 - place) % capacity  # episodes since the one that is held here
    is_filled = place < filled
    order = jnp.argsort(jnp.where(is_filled, -since, 1))
    recent = is_filled & (since < jnp.ceil(RECENT * filled))
    return Ages(filled, order, is_filled.astype(jnp.float32), recent.astype(jnp.float32))


def latest(age: Ages, number: int) -> Int[Array, " number"]:
    """The places of the newest episodes of a store."""
    return age.order[jnp.maximum(age.filled - 1 - jnp.arange(number), 0)]


def mean_and_scale(
    values: Float[Array, "episodes time agents *features"],
    ages: Ages,
    alive: Bool[Array, "episodes time agents"] | None = None,
) -> tuple[Float[Array, "agents *features"], Float[Array, "agents *features"]]:
    """Mean and standard deviation over the recent episodes, of the agents that were there."""

    def moments(weights: Float[Array, " episodes"]) -> tuple[Array, Array]:
        if alive is None:
            weights = weights.reshape(-1, *[1] * (values.ndim - 1))
            weights = weights / (weights.sum() * values.shape[1])
        else:
            counts = weights[:, None, None] * alive
            counts = counts / jnp.maximum(counts.sum((0, 1), keepdims=True), 1.0)
            weights = counts.reshape(*counts.shape, *[1] * (values.ndim - 3))
        mean = (weights * values).sum((0, 1))
        spread = (weights * (values - mean[None, None]) ** 2).sum((0, 1))
        return mean, jnp.sqrt(spread)

    mean, scale = moments(ages.is_recent)
    least = FLOOR * moments(ages.is_filled)[1] + 1e-4 * jnp.abs(mean) + SMALLEST
    return mean, jnp.maximum(scale, least)


def measured_units(store: Episode, ages: Ages) -> Units:
    """The units of the recent episodes."""
    states = store.states[:, :-1]
    numbers = [states, store.actions, store.states[:, 1:] - states, store.rewards]
    if store.observations is not None:
        numbers.append(store.observations[:, :-1])
    pairs = [mean_and_scale(values, ages, store.alive) for values in numbers]
    return Units(*(part for pair in pairs for part in pair))


def slowed(new: Units, old: Units, first: Array) -> Units:
    """Units whose scales at most halve; what has been learnt fades no faster than it is relearnt.

    `first`: there are no old ones yet.
    """
    scales = {
        name: jnp.where(first, getattr(new, name), jnp.maximum(getattr(new, name), former / 2))
        for name, former in old._asdict().items()
        if name.endswith("scale") and former is not None
    }
    return new._replace(**scales)


def state_range(
    store: Episode, ages: Ages, margin: float
) -> tuple[Float[Array, "agents state"], Float[Array, "agents state"]]:
    """The smallest and the largest state that was ever seen, and a margin beyond."""
    lowest, highest = _extremes(store.states, ages)
    beyond = margin * (highest - lowest)
    return lowest - beyond, highest + beyond


def reward_range(
    store: Episode, ages: Ages
) -> tuple[Float[Array, " agents"], Float[Array, " agents"]]:
    """The smallest and the largest reward that each agent ever got."""
    return _extremes(store.rewards, ages, store.alive)


def _extremes(
    values: Float[Array, "episodes time *features"], ages: Ages, alive: Array | None = None
) -> tuple[Array, Array]:
    held = (ages.is_filled > 0).reshape(-1, *[1] * (values.ndim - 1))
    if alive is not None:
        held = (held & alive) | ~(held & alive).any((0, 1), keepdims=True)
    lowest = jnp.where(held, values, jnp.inf).min((0, 1))
    return lowest, jnp.where(held, values, -jnp.inf).max((0, 1))


def no_units(example: Episode) -> Units:
    """Units before anything has been measured."""
    agents, state = example.states.shape[-2:]
    act = example.actions.shape[-1]
    shapes = [(agents, state), (agents, act), (agents, state), (agents,)]
    if example.observations is not None:
        shapes.append((agents, example.observations.shape[-1]))
    pairs = [(jnp.zeros(shape), jnp.ones(shape)) for shape in shapes]
    return Units(*(jax.tree.leaves(pairs)))
