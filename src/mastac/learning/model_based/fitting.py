"""Local models fitted to the stored episodes, and their errors on episodes they have not seen."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from mastac.agents.local_models import LocalModels, Networks, Units
from mastac.learning.buffer import Episode
from mastac.learning.model_based.units import Ages, latest

HUBER = 1.0  # where a squared error becomes a linear one, in scales
FAR = 5.0  # how many scales away a sample begins to count less
RELATIVE = 0.3  # large rewards are predicted relative to their size
WEIGHT_DECAY = 1e-2
LAST_STEP = 0.1  # step size at the end of a fit, as a share of that at its beginning
NEWEST = 256  # transitions, the newest, on which it is measured what is left unexplained
NORMAL = 1.2533  # standard deviation of a normal distribution over its mean absolute value


class Sample(NamedTuple):
    """Transitions that each member is trained on, `[members, …, batch]`."""

    state: Float[Array, "members agents state batch"]
    actions: Float[Array, "members agents act batch"]
    rewards: Float[Array, "members agents batch"]
    next_state: Float[Array, "members agents state batch"]
    time: Float[Array, "members batch"]


class Errors(NamedTuple):
    """What a fit leaves.

    - `change`: mean squared errors of each agent's next state, in squared scales.
    - `reward`: the same of its reward.
    - `residual`: standard deviation of the next states' errors in the newest episodes, in the
        environment's units.
    """

    change: Float[Array, " agents"]
    reward: Float[Array, " agents"]
    residual: Float[Array, "agents state"]


def optimizer() -> optax.GradientTransformation:
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019), for steps of size one."""
    return optax.adamw(1.0, weight_decay=WEIGHT_DECAY)


def fit(
    models: LocalModels,
    networks: Networks,
    optimizer_state: Any,
    units: Units,
    store: Episode,
    ages: Ages,
    key: PRNGKeyArray,
    steps: int,
    times: Int[Array, ""],
    batch: int,
    rate: float,
) -> tuple[Networks, Any, Errors]:
    """Every member a number of steps down its error on transitions of its own choice.

    Half of them are from the last quarter of the episodes. The step size falls along half a
    cosine.

    **Arguments:**

    - `steps`, `times`: how long a fit is, and how many of them follow one another.
    - `batch`, `rate`: transitions of a step, and its size at the beginning.
    """
    falling = 0.5 * (1.0 + jnp.cos(jnp.pi * jnp.arange(steps) / steps))
    rates = rate * (LAST_STEP + (1.0 - LAST_STEP) * falling)

    def one(carry: tuple[Any, Any], at: tuple[PRNGKeyArray, Array]):
        networks, state = carry
        key, rate = at
        sample = drawn(store, ages, key, models.members, batch)
        gradient, errors = jax.grad(
            lambda networks: _loss(models, networks, units, sample), has_aux=True
        )(networks)
        step, state = optimizer().update(gradient, state, networks)
        step = jax.tree.map(lambda leaf: rate * leaf, step)
        return (optax.apply_updates(networks, step), state), errors

    def one_fit(number: Array, carry: tuple[Networks, Any, tuple[Array, Array]]):
        keys = jax.random.split(jax.random.fold_in(key, number), steps)
        trained, errors = jax.lax.scan(one, carry[:2], (keys, rates))
        return *trained, jax.tree.map(lambda leaf: leaf[-max(1, steps // 4) :].mean(0), errors)

    agents = jnp.zeros(models.mask.shape[0])
    networks, state, (change, reward) = jax.lax.fori_loop(
        0, times, one_fit, (networks, optimizer_state, (agents, agents))
    )
    residual = residual_of(models, networks, units, store, ages)
    return networks, state, Errors(change, reward, residual)


def residual_of(
    models: LocalModels, networks: Networks, units: Units, store: Episode, ages: Ages
) -> Float[Array, "agents state"]:
    """What the models leave unexplained where the policies are now.

    Early episodes, with their random actions, are fitted worse, and would be taken for noise.
    """
    sample = newest(store, ages, models.members, -(-NEWEST // store.rewards.shape[1]))
    change, _ = errors_of(models, networks, units, sample)
    return NORMAL * jnp.abs(change).mean((0, 3)) * units.change_scale


def drawn(store: Episode, ages: Ages, key: PRNGKeyArray, members: int, batch: int) -> Sample:
    """Transitions for each member, with replacement."""
    episode_key, time_key = jax.random.split(key)
    is_recent = jnp.arange(batch) < batch // 2
    oldest = jnp.where(is_recent, 3 * ages.filled // 4, 0)
    place = jax.random.randint(episode_key, (members, batch), oldest[None], ages.filled)
    time = jax.random.randint(time_key, (members, batch), 0, store.rewards.shape[1])
    return taken(store, ages.order[place], time)


def newest(store: Episode, ages: Ages, members: int, episodes: int) -> Sample:
    """All transitions of the newest episodes, the same for each member."""
    place, horizon = latest(ages, episodes), store.rewards.shape[1]
    episode, time = jnp.repeat(place, horizon), jnp.tile(jnp.arange(horizon), episodes)
    every = (members, len(time))
    return taken(store, jnp.broadcast_to(episode, every), jnp.broadcast_to(time, every))


def taken(
    store: Episode, episode: Int[Array, "members batch"], time: Int[Array, "members batch"]
) -> Sample:
    """The transitions at these places of a store."""
    state, actions, rewards, next_state = (
        jnp.moveaxis(leaf, 1, -1)
        for leaf in (
            store.states[episode, time],
            store.actions[episode, time],
            store.rewards[episode, time],
            store.states[episode, time + 1],
        )
    )
    return Sample(state, actions, rewards, next_state, time.astype(jnp.float32))


def errors_of(
    models: LocalModels, networks: Networks, units: Units, sample: Sample
) -> tuple[Array, Array]:
    """Errors of the next states `[members, agents, state, batch]` and rewards, in scales."""
    change, reward = models.predict(networks, units, sample.state, sample.actions, sample.time)
    wide, column = (None, slice(None), slice(None), None), (None, slice(None), None)
    moved = sample.next_state - sample.state
    wanted = (moved - units.change_center[wide]) / units.change_scale[wide]
    paid = (sample.rewards - units.reward_center[column]) / units.reward_scale[column]
    off = jnp.where(models.mask[wide], change - wanted, 0.0)
    return off, (reward - paid) / (1.0 + RELATIVE * jnp.abs(paid))


def _loss(
    models: LocalModels, networks: Networks, units: Units, sample: Sample
) -> tuple[Array, tuple[Array, Array]]:
    """What is minimised, and mean squared errors of each agent's next state and reward."""
    change, reward = errors_of(models, networks, units, sample)
    weight = _nearness(units, sample)[:, None, :]
    total = (_huber(change) * weight[:, :, None]).mean(-1).sum()
    total += (_huber(reward) * weight).mean(-1).sum()
    counted = weight / weight.mean()
    squares = (change**2 * counted[:, :, None]).mean((0, 3)).sum(1)
    return total, (
        squares / jnp.maximum(models.mask.sum(1), 1),
        (reward**2 * counted).mean((0, 2)),
    )


def _nearness(units: Units, sample: Sample) -> Float[Array, "members batch"]:
    """How much each sample counts: less, the further it is from where the policies are now."""
    wide = (None, slice(None), slice(None), None)
    distance = jnp.abs((sample.state - units.state_center[wide]) / units.state_scale[wide])
    return jnp.minimum(1.0, FAR / jnp.maximum(distance.max((1, 2)), SMALL)) ** 2


SMALL = 1e-3


def _huber(error: Array) -> Array:
    """Squared where it is small, linear beyond: crashes count, but do not drown the rest."""
    size = jnp.abs(error)
    return jnp.where(size < HUBER, error**2, HUBER * (2.0 * size - HUBER))
