"""Local models fitted to the stored episodes, and their errors on episodes they have not seen."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from mastac.agents.local_models import LocalModels, Networks
from mastac.agents.model_inputs import WIDE, Units
from mastac.learning.buffer import Episode
from mastac.learning.model_based.leaving import Leaving, left_at, played_steps
from mastac.learning.model_based.units import Ages, latest

HUBER = 1.0  # where a squared error becomes a linear one, in scales
FAR = 5.0  # how many scales away a sample begins to count less
RELATIVE = 0.3  # large rewards are predicted relative to their size
WEIGHT_DECAY = 1e-2
LAST_STEP = 0.1  # step size at the end of a fit, as a share of that at its beginning
NEWEST = 256  # transitions, the newest, on which it is measured what is left unexplained
SMALL = 1e-3
TINY = 1e-12  # the least that is believed of an agent's leaving
NORMAL = 1.2533  # standard deviation of a normal distribution over its mean absolute value


class Sample(NamedTuple):
    """Transitions that each member is trained on, `[members, …, batch]`.

    - `obs`: what was observed at `state`; `None` where no model says it.
    - `alive`, `left`: who was there at `state`, and for whom it was the last step; `None` where
        nobody ever leaves.
    """

    state: Float[Array, "members agents state batch"]
    actions: Float[Array, "members agents act batch"]
    rewards: Float[Array, "members agents batch"]
    next_state: Float[Array, "members agents state batch"]
    time: Float[Array, "members batch"]
    obs: Float[Array, "members agents obs batch"] | None = None
    alive: Bool[Array, "members agents batch"] | None = None
    left: Bool[Array, "members agents batch"] | None = None

    @property
    def there(self) -> Float[Array, "members agents batch"] | None:
        """Who was there, as numbers."""
        return None if self.alive is None else self.alive.astype(jnp.float32)

    @property
    def share(self) -> Array | float:
        """The share of the samples in which each agent is there, `[agents]`."""
        if self.alive is None:
            return 1.0
        return jnp.maximum(self.alive.mean((0, 2)), 1e-6)


class Errors(NamedTuple):
    """What a fit leaves.

    - `change`: mean squared errors of each agent's next state, in squared scales.
    - `reward`: the same of its reward.
    - `residual`: standard deviation of the next states' errors in the newest episodes, in the
        environment's units; `obs_residual`: the same of observations, if they are learnt.
    """

    change: Float[Array, " agents"]
    reward: Float[Array, " agents"]
    residual: Float[Array, "agents state"]
    obs_residual: Float[Array, "agents obs"] | None


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
    leaving: Leaving | None = None,
) -> tuple[Networks, Any, Errors]:
    """Every member a number of steps down its error on transitions of its own choice.

    Half of them are from the last quarter of the episodes. The step size falls along half a
    cosine.

    **Arguments:**

    - `steps`, `times`: how long a fit is, and how many of them follow one another.
    - `batch`, `rate`: transitions of a step, and its size at the beginning.
    - `leaving`: how agents leave; `None` where nobody does.
    """
    falling = 0.5 * (1.0 + jnp.cos(jnp.pi * jnp.arange(steps) / steps))
    rates = rate * (LAST_STEP + (1.0 - LAST_STEP) * falling)

    def one(carry: tuple[Any, Any], at: tuple[PRNGKeyArray, Array]):
        networks, state = carry
        key, rate = at
        sample = drawn(store, ages, key, models.members, batch)
        gradient, errors = jax.grad(
            lambda networks: _loss(models, networks, units, sample, leaving), has_aux=True
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
    residuals = residuals_of(models, networks, units, store, ages)
    return networks, state, Errors(change, reward, *residuals)


def residuals_of(
    models: LocalModels, networks: Networks, units: Units, store: Episode, ages: Ages
) -> tuple[Float[Array, "agents state"], Float[Array, "agents obs"] | None]:
    """What the models leave unexplained where the policies are now, of states and observations.

    Early episodes, with their random actions, are fitted worse, and would be taken for noise.
    """
    sample = newest_transitions(store, ages, models.members)
    share = jnp.broadcast_to(jnp.asarray(sample.share), models.mask.shape[:1])[:, None]

    def spread(errors: Array) -> Array:
        return NORMAL * jnp.abs(errors).mean((0, 3)) / share

    change, _ = errors_of(models, networks, units, sample)
    seen = None
    if sample.obs is not None:
        assert units.obs_scale is not None
        seen = spread(obs_errors_of(models, networks, units, sample)) * units.obs_scale
    return spread(change) * units.change_scale, seen


def drawn(store: Episode, ages: Ages, key: PRNGKeyArray, members: int, batch: int) -> Sample:
    """Transitions for each member, with replacement."""
    episode_key, time_key = jax.random.split(key)
    is_recent = jnp.arange(batch) < batch // 2
    oldest = jnp.where(is_recent, 3 * ages.filled // 4, 0)
    if store.length is not None:
        lengths = jnp.where(jnp.arange(len(ages.order)) < ages.filled, store.length[ages.order], 0)
        place, time = played_steps(lengths, oldest, (members, batch), key)
        return taken(store, ages.order[place], time)
    place = jax.random.randint(episode_key, (members, batch), oldest[None], ages.filled)
    time = jax.random.randint(time_key, (members, batch), 0, store.rewards.shape[1])
    return taken(store, ages.order[place], time)


def newest_transitions(store: Episode, ages: Ages, members: int) -> Sample:
    """About `NEWEST` of them."""
    return newest(store, ages, members, -(-NEWEST // store.rewards.shape[1]))


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
    obs, alive, left = (
        None if leaf is None else jnp.moveaxis(leaf, 1, -1)
        for leaf in (
            None if store.observations is None else store.observations[episode, time],
            None if store.alive is None else store.alive[episode, time],
            left_at(store, episode, time),
        )
    )
    clock = time.astype(jnp.float32)
    return Sample(state, actions, rewards, next_state, clock, obs, alive, left)


def errors_of(
    models: LocalModels, networks: Networks, units: Units, sample: Sample
) -> tuple[Array, Array]:
    """Errors of the next states `[members, agents, state, batch]` and rewards, in scales."""
    given = (sample.state, sample.actions, sample.time, sample.there)
    change, reward = models.predict(networks, units, *given)
    column = (None, slice(None), None)
    moved = sample.next_state - sample.state
    wanted = (moved - units.change_center[WIDE]) / units.change_scale[WIDE]
    paid = (sample.rewards - units.reward_center[column]) / units.reward_scale[column]
    off = jnp.where(models.mask[WIDE], change - wanted, 0.0)
    short = (reward - paid) / (1.0 + RELATIVE * jnp.abs(paid))
    if sample.alive is None:
        return off, short
    return (
        jnp.where(sample.alive[:, :, None], off, 0.0),
        jnp.where(sample.alive, short, 0.0),
    )


def obs_errors_of(
    models: LocalModels, networks: Networks, units: Units, sample: Sample
) -> Float[Array, "members agents obs batch"]:
    """Errors of the observations, in scales."""
    assert sample.obs is not None and units.obs_center is not None and units.obs_scale is not None
    seen = models.observe(networks, units, sample.state, sample.time, sample.there)
    off = seen - (sample.obs - units.obs_center[WIDE]) / units.obs_scale[WIDE]
    off = jnp.where(models.obs_mask[WIDE], off, 0.0)
    return off if sample.alive is None else jnp.where(sample.alive[:, :, None], off, 0.0)


def _surprise(
    models: LocalModels, networks: Networks, units: Units, sample: Sample, leaving: Leaving
) -> Float[Array, "members agents batch"]:
    """The negative log-likelihood of staying or leaving, of those who were there."""
    assert sample.alive is not None and sample.there is not None and sample.left is not None
    stays = models.log_staying(
        networks,
        units,
        *(sample.state, sample.actions, sample.time, sample.next_state, sample.there),
        leaving.together,
    )
    stays = jnp.minimum(stays, -TINY)
    seen = jnp.where(sample.left, jnp.log(-jnp.expm1(stays)), stays)
    return jnp.where(sample.alive, -seen, 0.0)


def _loss(
    models: LocalModels, networks: Networks, units: Units, sample: Sample, leaving: Leaving | None
) -> tuple[Array, tuple[Array, Array]]:
    """What is minimised, and mean squared errors of each agent's next state and reward."""
    change, reward = errors_of(models, networks, units, sample)
    weight = _nearness(units, sample)[:, None, :]
    total = (_huber(change) * weight[:, :, None]).mean(-1).sum()
    total += (_huber(reward) * weight).mean(-1).sum()
    if sample.obs is not None:
        seen = obs_errors_of(models, networks, units, sample)
        total += (_huber(seen) * weight[:, :, None]).mean(-1).sum()
    if leaving is not None:
        total += (_surprise(models, networks, units, sample, leaving) * weight).mean(-1).sum()
    counted = weight / weight.mean()
    squares = (change**2 * counted[:, :, None]).mean((0, 3)).sum(1)
    return total, (
        squares / jnp.maximum(models.mask.sum(1), 1) / sample.share,
        (reward**2 * counted).mean((0, 2)) / sample.share,
    )


def _nearness(units: Units, sample: Sample) -> Float[Array, "members batch"]:
    """How much each sample counts: less, the further it is from where the policies are now."""
    distance = jnp.abs((sample.state - units.state_center[WIDE]) / units.state_scale[WIDE])
    if sample.alive is not None:
        distance = jnp.where(sample.alive[:, :, None], distance, 0.0)
    return jnp.minimum(1.0, FAR / jnp.maximum(distance.max((1, 2)), SMALL)) ** 2


def _huber(error: Array) -> Array:
    """Squared where it is small, linear beyond: crashes count, but do not drown the rest."""
    size = jnp.abs(error)
    return jnp.where(size < HUBER, error**2, HUBER * (2.0 * size - HUBER))
