r"""The model-based update: local models of the dynamics, and actors that climb imagined returns.

Every round of a few episodes the local models are fitted to all that was stored. Then the actors
climb the undiscounted return of whole imagined episodes from real first states, by reverse
differentiation through the models or, with `dynamics=true`, through the simulator itself.

What is believed is what was measured. Some episodes are played without exploration; their returns
are what the policies are judged by. Where they fall behind the best that was measured, the actors
go back to those and climb with smaller steps. The last episodes of a run only measure.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from mastac.agents.local_models import LocalModels, Networks, Units, local_models
from mastac.envs.base import Environment
from mastac.learning.buffer import Buffer, Episode, replay_of
from mastac.learning.model_based.climbing import WORST, climb, finite_or_worst
from mastac.learning.model_based.fitting import errors_of, fit, optimizer, taken
from mastac.learning.model_based.imagined import (
    imagined,
    learnt_dynamics,
    true_dynamics,
)
from mastac.learning.model_based.units import (
    Ages,
    ages,
    mean_and_scale,
    measured_units,
    no_units,
    reward_range,
    slowed,
    state_range,
)
from mastac.learning.schedule import UpdateSchedule
from mastac.learning.settings import Settings
from mastac.learning.spec import LearnerSpec, LearnerState, Metrics, UpdateKind

ROUND = 32  # environment steps of a round, at least
FIRST = 128  # environment steps before the first round, at least
GREEDY = 0.15  # share of the episodes that are played without exploration
LAST = 0.05  # share of the episodes, at the end, that only measure
AMPLITUDES = (1.0, 1.0, 0.3)  # shares of random actions in the first episodes
MARGIN = 0.3  # how far imagined states may leave what was seen, in widths of it
SATURATION = 0.1  # weight of saturated logits, in standard deviations of the rewards
FASTER, SLOWER, SLOWEST = 1.3, 0.6, 0.03  # how the step size follows from where the best step was
FIRST_FITS = 3  # the first fit is this many times as long as later ones
BEHIND = 0.5  # a policy that lost this share of what was gained goes back


class Record(NamedTuple):
    """What was promised and what was measured.

    - `rounds`: how many there were.
    - `step_size`: the factor on the actors' step size.
    - `promised`, `spread`: the imagined return of the actors as they are, as it is reported, and
        its standard deviation over episodes.
    - `measured`, `episodes`: the mean return of the episodes that they played without exploration,
        and how many that were.
    - `first`: the mean return of the episodes before the first round.
    - `best`, `best_return`: the actors with the best measured return.
    - `setbacks`: how often actors went back to the best ones.
    - `error`: mean squared error of the models on the last episodes before they saw them, in
        squared scales; `doubt`: the variance of the members there.
    - `only_measures`: whether the next episodes are all without exploration.
    """

    rounds: Int[Array, ""]
    step_size: Float[Array, ""]
    promised: Float[Array, ""]
    spread: Float[Array, ""]
    measured: Float[Array, ""]
    episodes: Float[Array, ""]
    first: Float[Array, ""]
    best: Any
    best_return: Float[Array, ""]
    setbacks: Int[Array, ""]
    error: Float[Array, ""]
    doubt: Float[Array, ""]
    only_measures: Float[Array, ""]


class Model(NamedTuple):
    """What is known of the dynamics, and how this episode is played.

    - `is_greedy`, `amplitude`: without exploration; the share of random actions before the first
        round.
    """

    networks: Networks | tuple[()]
    units: Units
    residual: Float[Array, "agents state"]
    record: Record
    is_greedy: Float[Array, ""]
    amplitude: Float[Array, ""]


class Stored(NamedTuple):
    """All that the update is given: the store, and how many episodes have been added to it."""

    episodes: Episode
    count: Int[Array, ""]


def whole_store(env: Environment, settings: Settings, epochs: int) -> Buffer:
    """A replay of which every update takes all."""
    replay = replay_of(env, settings, epochs)
    return replay._replace(draw=lambda store, count, key: Stored(store, count))


def after_rounds(env: Environment, settings: Settings) -> UpdateSchedule:
    """After every few episodes, one update."""
    first = max(2, -(-FIRST // env.horizon), settings.warmup_epochs)
    return UpdateSchedule(first, -(-ROUND // env.horizon), 1)


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
    record = Record(
        rounds=jnp.int32(0),
        step_size=jnp.ones(()),
        promised=zero,
        spread=zero,
        measured=zero,
        episodes=zero,
        first=zero,
        best=jax.tree.map(jnp.copy, actors),
        best_return=jnp.float32(WORST),
        setbacks=jnp.int32(0),
        error=zero,
        doubt=zero,
        only_measures=zero,
    )
    return (Model(networks, no_units(Episode(state, act, zero)), state, record, zero, zero),)


def model_optimizers(critics: tuple[Model, ...]) -> tuple[Any, ...]:
    """The optimizers of the local models, where there are any."""
    (model,) = critics
    return (optimizer().init(model.networks),) if model.networks else ()


def begin(
    spec: LearnerSpec, state: LearnerState, key: PRNGKeyArray
) -> tuple[LearnerState, Float[Array, ""]]:
    """Decide how an episode is played; the buffer keeps whether it is without exploration."""
    (model,) = state.critics
    greedy_key, amplitude_key = jax.random.split(key)
    begun = model.record.rounds > 0
    share = jnp.where(model.record.only_measures > 0, 1.0, GREEDY)
    is_greedy = begun & (jax.random.uniform(greedy_key) < share)
    amplitude = jax.random.choice(amplitude_key, jnp.asarray(AMPLITUDES))
    model = model._replace(
        is_greedy=is_greedy.astype(jnp.float32), amplitude=jnp.where(begun, -1.0, amplitude)
    )
    return state._replace(critics=(model,)), model.is_greedy


def explore(
    spec: LearnerSpec,
    state: LearnerState,
    obs: Float[Array, "agents obs"],
    noise: Float[Array, ""],
    random_fraction: Float[Array, ""],
    key: PRNGKeyArray,
) -> tuple[Float[Array, "agents act"], None]:
    """Actions with noise, or without in an episode that measures."""
    (model,) = state.critics
    explores = 1.0 - model.is_greedy
    fraction = jnp.where(model.amplitude < 0, random_fraction, model.amplitude)
    actions = spec.actors.explore(
        state.actors, obs[:, :, None], noise * explores, fraction * explores, key
    )
    return actions[:, :, 0], None


def model_update(
    spec: LearnerSpec,
    state: LearnerState,
    stored: Stored,
    key: PRNGKeyArray,
    count: Any = 0,
) -> tuple[LearnerState, Metrics]:
    """One round: judge the policies, fit the models, climb."""
    store, (model,) = stored.episodes, state.critics
    age = ages(len(store.rewards), stored.count)
    is_first = jnp.equal(count, 0)
    fit_key, climb_key = jax.random.split(key)
    actors, record = judged(spec, state.actors, model.record, store, age)
    model, optimizers, errors, doubt = fitted(spec, model, state, store, age, fit_key, is_first)
    actors = with_measured_scales(spec, actors, store, age, ~is_first)
    only_measures = stored.count > spec.episodes - last_episodes(spec)
    progress = stored.count / spec.episodes
    rate = spec.settings.actor_lr * record.step_size * (1.0 - 0.9 * progress)
    objective, promise = imagination(spec, model, store, age, climb_key)
    ascent = climb(objective, actors, spec.settings.climbing_steps, rate)
    actors = jax.tree.map(
        lambda old, new: jnp.where(only_measures, old, new), actors, ascent.actors
    )
    promised, spread = promise(actors)
    late = ascent.best_step > spec.settings.climbing_steps // 2
    pace = jnp.clip(record.step_size * jnp.where(late, FASTER, SLOWER), SLOWEST, 1.0)
    record = record._replace(
        rounds=record.rounds + 1,
        step_size=pace,
        error=errors.mean(),
        doubt=doubt,
        promised=promised.sum() if spec.env.report == "sum" else promised.mean(),
        spread=spread,
        only_measures=only_measures.astype(jnp.float32),
        # What is measured from now on is another policy's, unless nothing was changed.
        measured=jnp.where(only_measures, record.measured, 0.0),
        episodes=jnp.where(only_measures, record.episodes, 0.0),
    )
    learner = state._replace(
        actors=actors,
        critics=(model._replace(record=record),),
        critic_optimizers=optimizers,
    )
    return learner, Metrics(errors, promised, ascent.gradient_norm)


def judged(
    spec: LearnerSpec, actors: Any, record: Record, store: Episode, age: Ages
) -> tuple[Any, Record]:
    """The actors to go on with, after what the last episodes without exploration returned."""
    period = after_rounds(spec.env, spec.settings).period
    returns = spec.env.reported(store.rewards.sum(1))
    place = latest(age, period)
    counts = store.drawn[place]
    total = record.episodes + counts.sum()
    mean = (record.measured * record.episodes + (counts * returns[place]).sum()) / jnp.maximum(
        total, 1.0
    )
    held = age.is_filled / age.is_filled.sum()
    first = jnp.where(record.rounds == 0, (held * returns).sum(), record.first)
    # While models are young, policies may fall back for a while; at the end they must not.
    allowed = jnp.where(record.only_measures > 0, 0.0, BEHIND)
    tolerance = allowed * jnp.maximum(record.best_return - first, 0.0)
    tolerance += 2.0 * record.spread / jnp.sqrt(jnp.maximum(total, 1.0))
    was_measured = counts.sum() > 0
    is_behind = was_measured & (mean < record.best_return - tolerance)
    is_best = was_measured & (mean >= record.best_return)

    def chosen(condition: Array, yes: Any, no: Any) -> Any:
        return jax.tree.map(lambda a, b: jnp.where(condition, a, b), yes, no)

    best = chosen(is_best, actors, record.best)
    return chosen(is_behind, best, actors), record._replace(
        measured=jnp.where(is_behind, 0.0, mean),
        episodes=jnp.where(is_behind, 0.0, total),
        first=first,
        best=best,
        best_return=jnp.where(is_best, mean, record.best_return),
        setbacks=record.setbacks + is_behind,
        step_size=record.step_size * jnp.where(is_behind, 0.5, 1.0),
    )


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
    times = jnp.where(is_first, FIRST_FITS, 1)
    networks, optimizers, errors = fit(
        models,
        networks,
        state.critic_optimizers[0],
        units,
        store,
        age,
        key,
        steps=settings.model_steps,
        times=times,
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
    horizon = spec.env.horizon
    place = latest(age, after_rounds(spec.env, spec.settings).period)
    episode = jnp.repeat(place, horizon)
    time = jnp.tile(jnp.arange(horizon), len(place))
    every = (models.members, len(time))
    sample = taken(store, jnp.broadcast_to(episode, every), jnp.broadcast_to(time, every))
    change, _ = errors_of(models, networks, units, sample)
    real = jnp.maximum(models.mask.sum(1), 1)
    error = (change.mean(0) ** 2).mean(-1).sum(1) / real
    return error, (change.var(0).mean(-1).sum(1) / real).mean()


def imagination(
    spec: LearnerSpec, model: Model, store: Episode, age: Ages, key: PRNGKeyArray
) -> tuple[Callable[[Any], Array], Callable[[Any], tuple[Array, Array]]]:
    """What actors climb this round, and what it promises of them.

    **Returns:** `actors -> objective`; `actors -> (returns of the agents, spread of the reported
    return over episodes)`. First states and noise are the same in all calls.
    """
    env, settings = spec.env, spec.settings
    first_key, play_key = jax.random.split(key)
    episodes = settings.model_members * settings.imagined_episodes
    if settings.dynamics == "true":
        dynamics = true_dynamics(env)
        first = jax.vmap(env.reset)(jax.random.split(first_key, episodes)).astype(jnp.float32)
    else:
        dynamics = learnt_dynamics(
            models_of(spec),
            model.networks,
            model.units,
            model.residual,
            state_range(store, age, MARGIN),
            reward_range(store, age),
        )
        which = jax.random.randint(first_key, (episodes,), 0, age.filled)
        first = store.states[age.order[which], 0]
    weight = SATURATION * env.horizon * model.units.reward_scale.sum()

    def objective(actors: Any) -> Array:
        played = imagined(env, spec.actors, actors, dynamics, first, play_key)
        return played.returns.sum(1).mean() - weight * played.saturation

    def promise(actors: Any) -> tuple[Array, Array]:
        played = imagined(env, spec.actors, actors, dynamics, first, play_key)
        spread = env.reported(played.returns).std()
        return finite_or_worst(played.returns.mean(0)), finite_or_worst(spread)

    return objective, promise


def with_measured_scales(
    spec: LearnerSpec, actors: Any, store: Episode, age: Ages, keep: Array
) -> Any:
    """Actors that read observations in units of the recent ones, where the environment has none."""
    env = spec.env
    if not getattr(env, "measures", lambda name: False)("obs"):
        return actors
    times = jnp.arange(env.horizon)
    obs = jax.vmap(lambda states: jax.vmap(env.observed)(states, times))(store.states[:, :-1])
    center, scale = mean_and_scale(obs, age)
    least = jnp.where(keep, 0.5 / actors.inverse_scale, 0.0)
    return spec.actors.rescaled(actors, center, jnp.maximum(scale, least), keep)


def latest(age: Ages, number: int) -> Int[Array, " number"]:
    """The places of the newest episodes of a store."""
    return age.order[jnp.maximum(age.filled - 1 - jnp.arange(number), 0)]


def last_episodes(spec: LearnerSpec) -> int:
    """How many episodes at the end of a run only measure."""
    period = after_rounds(spec.env, spec.settings).period
    return max(period, math.ceil(LAST * spec.episodes))


UPDATE = UpdateKind(
    update=model_update,
    explore=explore,
    buffer=whole_store,
    schedule=after_rounds,
    begin=begin,
    has_critics=False,
    has_target_actors=False,
    has_target_critics=False,
    first_model=first_model,
    model_optimizers=model_optimizers,
)
