r"""The model-based update: local models of the dynamics, and actors that climb imagined returns.

Every round of a few episodes the local models are fitted to all that was stored. Then the actors
climb the undiscounted return of whole imagined episodes from real first states, by reverse
differentiation through the models or, with `dynamics=true`, through the simulator itself.

What is believed is what was measured. Some episodes are played without exploration; their returns
are what the policies are judged by. Where they fall behind the best that was measured, the actors
go back to those and climb with smaller steps. The last episodes of a run only measure.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from mastac.learning.buffer import Episode
from mastac.learning.model_based.climbing import climb
from mastac.learning.model_based.known import fitted
from mastac.learning.model_based.model import first_model, imagination, model_optimizers
from mastac.learning.model_based.record import Record, judged
from mastac.learning.model_based.rounds import (
    Stored,
    after_rounds,
    last_episodes,
    whole_store,
    work_of,
)
from mastac.learning.model_based.terminal import trained_critics
from mastac.learning.model_based.units import Ages, ages, mean_and_scale
from mastac.learning.observing import observations_along
from mastac.learning.spec import LearnerSpec, LearnerState, Metrics, UpdateKind

GREEDY = 0.15  # share of the episodes that are played without exploration
AMPLITUDES = (1.0, 1.0, 0.3)  # shares of random actions in the first episodes
FASTER, SLOWER, SLOWEST = 1.3, 0.6, 0.03  # how the step size follows from where the best step was


def begin(
    spec: LearnerSpec, state: LearnerState, key: PRNGKeyArray, noise: Array
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
    age = ages(len(store.rewards), stored.total)
    is_first = jnp.equal(count, 0)
    fit_key, climb_key = jax.random.split(key)
    work = work_of(spec.env, spec.settings)
    period = after_rounds(spec.env, spec.settings).period
    returns = spec.env.reported(store.rewards.sum(1))
    actors, record = judged(state.actors, model.record, returns, store.drawn, age, period)
    given = (state.critic_optimizers, store, age, fit_key, is_first, spec.settings.batch_size)
    known, optimizers, errors, doubt = fitted(spec, model.known, *given)
    model = model._replace(**known._asdict())
    actors = with_measured_scales(spec, actors, store, age, ~is_first)
    critics_key = jax.random.fold_in(fit_key, 0)
    critics = trained_critics(
        spec, model.critics, model.units, actors, stored, critics_key, is_first
    )
    model = model._replace(critics=critics)
    only_measures = stored.total > spec.episodes - last_episodes(spec.episodes, period)
    progress = stored.total / spec.episodes
    rate = spec.settings.actor_lr * record.step_size * (1.0 - 0.9 * progress)
    objective, promise_of = imagination(spec, model, store, age, climb_key, progress)
    ascent = climb(objective, actors, work.climbing_steps, rate)
    actors, known = jax.tree.map(
        lambda old, new: jnp.where(only_measures, old, new),
        (actors, ascent.first_promise),
        (ascent.actors, ascent.promise),
    )
    promise = promise_of(actors, known)
    late = ascent.best_step > work.climbing_steps // 2
    pace = jnp.clip(record.step_size * jnp.where(late, FASTER, SLOWER), SLOWEST, 1.0)
    record = record._replace(
        rounds=record.rounds + 1,
        step_size=pace,
        error=errors.mean(),
        doubt=doubt,
        promised=spec.env.reported(promise.returns),
        spread=promise.spread,
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
    return learner, Metrics(errors, promise.returns, ascent.gradient_norm)


def with_measured_scales(
    spec: LearnerSpec, actors: Any, store: Episode, age: Ages, keep: Array
) -> Any:
    """Actors that read observations in units of the recent ones, where the environment has none."""
    env = spec.env
    if "obs_scale" not in env.undeclared:
        return actors
    center, scale = mean_and_scale(observations_along(env, store)[:, :-1], age, store.alive)
    least = jnp.where(keep, 0.5 / actors.inverse_scale, 0.0)
    return spec.actors.rescaled(actors, center, jnp.maximum(scale, least), keep)


def findings(state: LearnerState) -> dict[str, Array]:
    """What a summary says of the models: what they promise, and what was measured."""
    (model,) = state.critics
    record: Record = model.record
    seen = {} if model.seeing is None else {"observed_states": model.seeing.is_state.sum((-2, -1))}
    return seen | {
        "promised": record.promised,
        "spread": record.spread,
        "measured": record.measured,
        "measured_episodes": record.episodes,
        "setbacks": record.setbacks,
        "one_step_error": record.error,
        "disagreement": record.doubt,
    }


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
    findings=findings,
)
