"""What is known of the dynamics: local models, their units and errors, and what they imagine."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from mastac.agents.local_models import LocalModels, Networks, local_models
from mastac.agents.model_inputs import Units
from mastac.learning.buffer import Episode
from mastac.learning.model_based.climbing import finite_or_worst
from mastac.learning.model_based.fitting import (
    drawn,
    errors_of,
    fit,
    newest,
    newest_transitions,
    optimizer,
)
from mastac.learning.model_based.imagined import (
    Dynamics,
    Observing,
    Promise,
    Starts,
    all_members,
    imagined,
    imagined_from,
    learnt_dynamics,
    true_dynamics,
)
from mastac.learning.model_based.leaving import leaving_of
from mastac.learning.model_based.record import Record, first_record
from mastac.learning.model_based.rounds import after_rounds, work_of
from mastac.learning.model_based.seeing import (
    Seeing,
    learnt_observations,
    no_seeing,
    seeing_of,
)
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
# Logits are held within, up to `LOOSENED` (a share of the run) and at its end: at first so that an
# action keeps a slope whatever a wrong model says; later not: good policies are often at a limit.
HELD = (2.0, 4.0)
LOOSENED = 0.5
STEEPEST = 30.0  # slope of a return along a state, in standard deviations of rewards and states


class Model(NamedTuple):
    """What is known of the dynamics, and how this episode is played.

    - `residual`: of [`Errors`][mastac.learning.model_based.fitting.Errors].
    - `is_greedy`, `amplitude`: without exploration; the share of random actions before the first
        round.
    - `seeing`: what is known of observations; `None` where they are a known function of states.
    - `critics`: what follows a short imagined episode; `()` where nothing does.
    """

    networks: Any
    units: Units
    residual: Float[Array, "agents state"]
    record: Record
    is_greedy: Float[Array, ""]
    amplitude: Float[Array, ""]
    critics: Critics | tuple[()]
    seeing: Seeing | None = None


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
    seeing = None
    if env.stores_observations:
        seeing = no_seeing(env.num_agents, int(env.obs_sizes.max()))
    obs = None if seeing is None else seeing.residual
    units = no_units(Episode(state, act, zero, observations=obs))
    critics = first_critics(spec, units, jax.random.fold_in(key, 0))
    return (Model(networks, units, state, first_record(actors), zero, zero, critics, seeing),)


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
        leaving=leaving_of(store, age),
    )
    seeing = None
    if errors.obs_residual is not None:
        sample = newest_transitions(store, age, models.members)
        seeing = seeing_of(models, errors.obs_residual, sample)
    model = model._replace(networks=networks, units=units, residual=errors.residual, seeing=seeing)
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
    error = (change.mean(0) ** 2).mean(-1).sum(1) / real / sample.share
    return error, (change.var(0).mean(-1).sum(1) / real / sample.share).mean()


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
    dynamics, observing = believed(spec, model, store, age)
    there = None
    if settings.dynamics == "true":
        first = jax.vmap(env.reset)(jax.random.split(first_key, episodes)).astype(jnp.float32)
        there = jnp.ones(first.shape[:2]) if env.terminates else None
    else:
        begun = age.order[jax.random.randint(first_key, (episodes,), 0, age.filled)]
        first = store.states[begun, 0]
        if store.alive is not None:
            there = store.alive[begun, 0].astype(jnp.float32)
    steepest = STEEPEST * model.units.reward_scale.max() / model.units.state_scale
    loosened = jnp.maximum(0.0, (progress - LOOSENED) / (1.0 - LOOSENED))
    held = HELD[0] + (HELD[1] - HELD[0]) * loosened
    weight = SATURATION * model.units.reward_scale.sum()

    def whole(actors: Any) -> tuple[Array, Promise]:
        given = (spec.actors, actors, dynamics, first, play_key, steepest, held, observing, there)
        played = imagined(env, *given)
        spread = env.reported(played.returns).std()
        if there is not None:  # that some leave sooner than others is luck, too
            luck = env.reported(jax.lax.stop_gradient(played.luck))
            spread = jnp.sqrt(spread**2 + (luck**2).mean())
        promise = Promise(played.returns.mean(0), spread)
        return promise.returns.sum() - env.horizon * weight * played.saturation, promise

    steps = settings.imagined_steps
    if steps == 0 or steps >= env.horizon:
        return Imagination(whole, lambda actors, promise: promise)
    sample = drawn(store, age, first_key, settings.model_members, settings.imagined_episodes)
    starts = Starts(
        all_members(sample.state),
        sample.time.ravel().astype(jnp.int32),
        None
        if sample.there is None
        else jnp.moveaxis(sample.there, -1, 1).reshape(first.shape[:2]),
    )

    terminal = terminal_values(spec, model.critics) if model.critics else None
    discount = settings.discount if model.critics else 1.0
    ahead = (dynamics, starts, steps, play_key, steepest, held, observing, discount, terminal)

    def short(actors: Any) -> tuple[Array, tuple[()]]:
        played = imagined_from(env, spec.actors, actors, *ahead)
        return played.returns.mean(0).sum() - steps * weight * played.saturation, ()

    return Imagination(
        short, lambda actors, nothing: jax.tree.map(finite_or_worst, whole(actors)[1])
    )


def believed(
    spec: LearnerSpec, model: Model, store: Episode, age: Ages
) -> tuple[Dynamics, Observing | None]:
    """What imagined episodes are played through, and what is seen in them."""
    if spec.settings.dynamics == "true":
        return true_dynamics(spec.env), None
    learnt = (models_of(spec), model.networks, model.units)
    dynamics = learnt_dynamics(
        *learnt,
        model.residual,
        state_range(store, age, MARGIN),
        reward_range(store, age),
        leaving_of(store, age),
    )
    seeing = model.seeing
    return dynamics, None if seeing is None else learnt_observations(*learnt, seeing)
