"""What is known of the dynamics: local models, their units and errors, and what was seen."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from mastac.agents.local_models import LocalModels, Networks, local_models
from mastac.agents.model_inputs import Units
from mastac.learning.buffer import Episode
from mastac.learning.model_based.fitting import (
    errors_of,
    fit,
    newest,
    newest_transitions,
    optimizer,
)
from mastac.learning.model_based.imagined import (
    Dynamics,
    Observing,
    learnt_dynamics,
    true_dynamics,
)
from mastac.learning.model_based.leaving import Leaving, leaving_of
from mastac.learning.model_based.rounds import after_rounds, work_of
from mastac.learning.model_based.seeing import (
    Seeing,
    learnt_observations,
    no_seeing,
    seeing_of,
)
from mastac.learning.model_based.units import (
    Ages,
    measured_units,
    no_units,
    reward_range,
    slowed,
    state_range,
)
from mastac.learning.spec import LearnerSpec

MARGIN = 0.3  # how far imagined states may leave what was seen, in widths of it


class Known(NamedTuple):
    """What is known of the dynamics.

    - `networks`: of the local models; `()` where the dynamics are the simulator's own.
    - `residual`: of [`Errors`][mastac.learning.model_based.fitting.Errors].
    - `seeing`: what is known of observations; `None` where they are a known function of states.
    """

    networks: Any
    units: Units
    residual: Float[Array, "agents state"]
    seeing: Seeing | None = None


class Seen(NamedTuple):
    """What was seen in the stored episodes, and bounds what is imagined.

    - `states`, `rewards`: the least and the largest; of states with a margin.
    - `leaving`: how agents left; `None` where nobody ever does.
    """

    states: tuple[Float[Array, "agents state"], Float[Array, "agents state"]]
    rewards: tuple[Float[Array, " agents"], Float[Array, " agents"]]
    leaving: Leaving | None


def seen_in(store: Episode, age: Ages) -> Seen:
    """What was seen in a store."""
    return Seen(state_range(store, age, MARGIN), reward_range(store, age), leaving_of(store, age))


def models_of(spec: LearnerSpec) -> LocalModels:
    """The local models that the settings ask for."""
    settings = spec.settings
    return local_models(
        spec.env, settings.model_members, settings.model_units, settings.model_reads == "all"
    )


def first_known(spec: LearnerSpec, key: PRNGKeyArray) -> Known:
    """Before the first episode."""
    env = spec.env
    state = jnp.zeros((env.num_agents, int(env.state_sizes.max())))
    act = jnp.zeros((env.num_agents, int(env.action_sizes.max())))
    networks = models_of(spec).init(key) if spec.settings.dynamics == "learnt" else ()
    seeing = None
    if env.stores_observations:
        seeing = no_seeing(env.num_agents, int(env.obs_sizes.max()))
    obs = None if seeing is None else seeing.residual
    units = no_units(Episode(state, act, jnp.zeros(()), observations=obs))
    return Known(networks, units, state, seeing)


def first_optimizers(known: Known) -> tuple[Any, ...]:
    """The optimizers of the local models, where there are any."""
    return (optimizer().init(known.networks),) if known.networks else ()


def fitted(
    spec: LearnerSpec,
    known: Known,
    optimizers: tuple[Any, ...],
    store: Episode,
    age: Ages,
    key: PRNGKeyArray,
    is_first: Array,
    batch: int,
) -> tuple[Known, tuple[Any, ...], Float[Array, " agents"], Float[Array, ""]]:
    """What is known after a fit, the models' optimizers, and [`unseen_errors`][].

    `batch`: transitions in one step of a member.
    """
    settings = spec.settings
    units = slowed(measured_units(store, age), known.units, is_first)
    if settings.dynamics == "true":
        zero = jnp.zeros(spec.env.num_agents)
        return known._replace(units=units), optimizers, zero, zero[0]
    models = models_of(spec)
    moved = models.in_units(known.networks, known.units, units)
    networks = jax.tree.map(lambda new, old: jnp.where(is_first, old, new), moved, known.networks)
    error, doubt = unseen_errors(spec, models, networks, units, store, age)
    work = work_of(spec.env, settings)
    networks, trained, errors = fit(
        models,
        networks,
        optimizers[0],
        units,
        store,
        age,
        key,
        steps=work.fit_steps,
        times=jnp.where(is_first, work.first_fits, work.fits),
        batch=batch,
        rate=settings.model_lr,
        leaving=leaving_of(store, age),
    )
    seeing = None
    if errors.obs_residual is not None:
        sample = newest_transitions(store, age, models.members)
        seeing = seeing_of(models, errors.obs_residual, sample)
    return Known(networks, units, errors.residual, seeing), (trained,), error, doubt


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


def believed(spec: LearnerSpec, known: Known, seen: Seen) -> tuple[Dynamics, Observing | None]:
    """What imagined episodes are played through, and what is seen in them."""
    if spec.settings.dynamics == "true":
        return true_dynamics(spec.env), None
    learnt = (models_of(spec), known.networks, known.units)
    dynamics = learnt_dynamics(*learnt, known.residual, *seen)
    return dynamics, None if known.seeing is None else learnt_observations(*learnt, known.seeing)
