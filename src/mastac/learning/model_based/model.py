"""What is known of the dynamics: local models, their units and errors, and what they imagine."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from mastac.agents.local_models import LocalModels, Networks, Units, local_models
from mastac.learning.buffer import Episode
from mastac.learning.model_based.climbing import finite_or_worst
from mastac.learning.model_based.fitting import drawn, errors_of, fit, newest, optimizer
from mastac.learning.model_based.imagined import (
    Dynamics,
    Promise,
    Starts,
    imagined,
    imagined_from,
    learnt_dynamics,
    true_dynamics,
)
from mastac.learning.model_based.record import Record, first_record
from mastac.learning.model_based.rounds import after_rounds, work_of
from mastac.learning.model_based.terminal import Critics, first_critics, terminal_values
from mastac.learning.model_based.units import (
    Ages,
    measured_units,
    no_units,
    reward_range,
    slowed,
    state_range,
)
from mastac.learning.spec import LearnerSpec, LearnerState

MARGIN = 0.3  # how far imagined states may leave what was seen, in widths of it
SATURATION = 0.1  # weight of saturated logits, in standard deviations of the rewards
# Logits are held within, at the beginning and at the end of a run: at first so that an action keeps
# a slope whatever a wrong model says; later not, for good policies are often at a limit.
HELD = (2.0, 4.0)
STEEPEST = 30.0  # slope of a return along a state, in standard deviations of rewards and states


class Model(NamedTuple):
    """What is known of the dynamics, and how this episode is played.

    - `is_greedy`, `amplitude`: without exploration; the share of random actions before the first
        round.
    - `critics`: what follows a short imagined episode; `()` where nothing does.
    """

    networks: Any
    units: Units
    residual: Float[Array, "agents state"]
    record: Record
    is_greedy: Float[Array, ""]
    amplitude: Float[Array, ""]
    critics: Critics | tuple[()]


def models_of(spec: LearnerSpec) -> LocalModels:
    """The local models that the settings ask for."""
    settings = spec.settings
    return local_models(
        spec.env, settings.model_members, settings.model_units, settings.model_reads == "all"
    )


def first_model(spec: LearnerSpec, actors: Any, key: PRNGKeyArray) -> tuple[Model]:
    """Before the first episode."""
    env, zero = spec.env, jnp.zeros(())
    state = jnp.zeros((env.num_agents, int(env.state_sizes.max())))
    act = jnp.zeros((env.num_agents, int(env.action_sizes.max())))
    networks = models_of(spec).init(key) if spec.settings.dynamics == "learnt" else ()
    units = no_units(Episode(state, act, zero))
    critics = first_critics(spec, units, jax.random.fold_in(key, 0))
    return (Model(networks, units, state, first_record(actors), zero, zero, critics),)


def model_optimizers(critics: tuple[Model, ...]) -> tuple[Any, ...]:
    """The optimizers of the local models, where there are any."""
    (model,) = critics
    return (optimizer().init(model.networks),) if model.networks else ()


def fitted(
    spec: LearnerSpec,
    model: Model,
    state: LearnerState,
    store: Episode,
    age: Ages,
    key: PRNGKeyArray,
    is_first: Array,
) -> tuple[Model, Any, Float[Array, " agents"], Float[Array, ""]]:
    """The models after a fit, their optimizers, and [`unseen_errors`][]."""
    settings = spec.settings
    units = slowed(measured_units(store, age), model.units, is_first)
    if settings.dynamics == "true":
        zero = jnp.zeros(spec.env.num_agents)
        return model._replace(units=units), state.critic_optimizers, zero, zero[0]
    models = models_of(spec)
    moved = models.in_units(model.networks, model.units, units)
    networks = jax.tree.map(lambda new, old: jnp.where(is_first, old, new), moved, model.networks)
    error, doubt = unseen_errors(spec, models, networks, units, store, age)
    work = work_of(spec.env, settings)
    networks, optimizers, errors = fit(
        models,
        networks,
        state.critic_optimizers[0],
        units,
        store,
        age,
        key,
        steps=work.fit_steps,
        times=jnp.where(is_first, work.first_fits, work.fits),
        batch=settings.batch_size,
        rate=settings.model_lr,
    )
    model = model._replace(networks=networks, units=units, residual=errors.residual)
    return model, (optimizers,), error, doubt


def unseen_errors(
    spec: LearnerSpec,
    models: LocalModels,
    networks: Networks,
    units: Units,
    store: Episode,
    age: Ages,
) -> tuple[Float[Array, " agents"], Float[Array, ""]]:
    """Squared errors on the episodes since the last fit, in squared scales.

    **Returns:** of the members' mean, for each agent; the variance of the members around it.
    """
    episodes = after_rounds(spec.env, spec.settings).period
    sample = newest(store, age, models.members, episodes)
    change, _ = errors_of(models, networks, units, sample)
    real = jnp.maximum(models.mask.sum(1), 1)
    error = (change.mean(0) ** 2).mean(-1).sum(1) / real
    return error, (change.var(0).mean(-1).sum(1) / real).mean()


class Imagination(NamedTuple):
    """What actors climb in a round, and what is promised of them.

    First states and noise are the same in all calls.

    - `objective`: `actors -> (what is climbed, what is known of the promise)`.
    - `promise`: `(actors, what is known) -> promise`, of whole episodes.
    """

    objective: Callable[[Any], tuple[Array, Any]]
    promise: Callable[[Any, Any], Promise]


def imagination(
    spec: LearnerSpec,
    model: Model,
    store: Episode,
    age: Ages,
    key: PRNGKeyArray,
    progress: Float[Array, ""] | float,
) -> Imagination:
    """Whole imagined episodes from first states, or so many steps from replayed states.

    `progress`: the share of the run that is over.
    """
    env, settings = spec.env, spec.settings
    first_key, play_key = jax.random.split(key)
    episodes = settings.model_members * settings.imagined_episodes
    dynamics = believed(spec, model, store, age)
    if settings.dynamics == "true":
        first = jax.vmap(env.reset)(jax.random.split(first_key, episodes)).astype(jnp.float32)
    else:
        which = jax.random.randint(first_key, (episodes,), 0, age.filled)
        first = store.states[age.order[which], 0]
    steepest = STEEPEST * model.units.reward_scale.max() / model.units.state_scale
    held = HELD[0] + (HELD[1] - HELD[0]) * progress
    weight = SATURATION * model.units.reward_scale.sum()

    def whole(actors: Any) -> tuple[Array, Promise]:
        played = imagined(env, spec.actors, actors, dynamics, first, play_key, steepest, held)
        promise = Promise(played.returns.mean(0), env.reported(played.returns).std())
        return promise.returns.sum() - env.horizon * weight * played.saturation, promise

    steps = settings.imagined_steps
    if steps == 0 or steps >= env.horizon:
        return Imagination(whole, lambda actors, promise: promise)
    sample = drawn(store, age, first_key, settings.model_members, settings.imagined_episodes)
    starts = Starts(
        jnp.moveaxis(sample.state, -1, 1).reshape(first.shape),
        sample.time.ravel().astype(jnp.int32),
    )

    terminal = terminal_values(spec, model.critics) if model.critics else None
    discount = settings.discount if model.critics else 1.0
    ahead = (dynamics, starts, steps, play_key, steepest, held, discount, terminal)

    def short(actors: Any) -> tuple[Array, tuple[()]]:
        played = imagined_from(env, spec.actors, actors, *ahead)
        return played.returns.mean(0).sum() - steps * weight * played.saturation, ()

    return Imagination(
        short, lambda actors, nothing: jax.tree.map(finite_or_worst, whole(actors)[1])
    )


def believed(spec: LearnerSpec, model: Model, store: Episode, age: Ages) -> Dynamics:
    """What imagined episodes are played through."""
    if spec.settings.dynamics == "true":
        return true_dynamics(spec.env)
    return learnt_dynamics(
        models_of(spec),
        model.networks,
        model.units,
        model.residual,
        state_range(store, age, MARGIN),
        reward_range(store, age),
    )
