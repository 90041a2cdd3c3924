"""The simultaneous update on batches that are partly imagined.

Sutton, "Dyna, an Integrated Architecture for Learning, Planning, and Reacting" (1991). It differs
from `mastac` in what a batch holds, and in how many there are. Before the first update after an
episode, the local models of `mastac-model` are fitted to all that was stored. Then every update
draws a part of its batch from the replay, and imagines the rest. What follows is the update of
`mastac` itself.
"""

from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from mastac.envs.base import Environment
from mastac.learning.buffer import Batch, Buffer, replay_of
from mastac.learning.model_based.branches import imagined_transitions
from mastac.learning.model_based.imagined import true_dynamics
from mastac.learning.model_based.known import (
    Known,
    Seen,
    believed,
    first_known,
    first_optimizers,
    fitted,
    seen_in,
)
from mastac.learning.model_based.leaving import Leaving
from mastac.learning.model_based.rounds import Stored, after_rounds
from mastac.learning.model_based.units import ages
from mastac.learning.schedule import UpdateSchedule, after_episodes, exploration_in
from mastac.learning.settings import Settings
from mastac.learning.spec import LearnerSpec, LearnerState, Metrics, UpdateKind
from mastac.learning.updates.simultaneous import (
    begin_with_offset,
    explore_by_noise,
    simultaneous_update,
)

FIT_BATCH = 64  # transitions in one step of a member, as in `mastac-model`


class Drawn(NamedTuple):
    """What an update is given: transitions of the replay, and all that it holds."""

    batch: Batch
    stored: Stored


class Fitted(NamedTuple):
    """What is learnt of the dynamics.

    - `error`, `doubt`: on the last episode before it was fitted: the mean squared error one step
        ahead, in squared scales, and the variance of the members there.
    """

    known: Known
    optimizers: tuple[Any, ...]
    seen: Seen
    error: Float[Array, ""]
    doubt: Float[Array, ""]


def imagined_part(settings: Settings) -> int:
    """How many transitions of a batch are imagined."""
    return round(settings.imagined_share * settings.batch_size)


def replay_and_store(env: Environment, settings: Settings, epochs: int) -> Buffer:
    """A replay that draws the real part of a batch, and hands over itself."""
    real = settings.batch_size - imagined_part(settings)
    replay = replay_of(env, replace(settings, batch_size=real), epochs)

    def draw(store: Any, count: Array, key: PRNGKeyArray) -> Drawn:
        return Drawn(replay.draw(store, count, key), Stored(store, count))

    return replay._replace(draw=draw)


def after_episodes_by_step(env: Environment, settings: Settings) -> UpdateSchedule:
    """After every episode, so many updates for each of its steps, once the real part is there."""
    real = max(1, settings.batch_size - imagined_part(settings))
    updates = max(1, round(settings.updates_per_step * env.horizon))
    schedule = replace(settings, batch_size=real, updates_per_epoch=updates)
    return after_episodes(env, schedule)


def model_beside(spec: LearnerSpec, key: PRNGKeyArray) -> Fitted | tuple[()]:
    """Before the first episode; `()` where no models are fitted."""
    if spec.settings.dynamics == "true" or imagined_part(spec.settings) == 0:
        return ()
    # 0 and 1 would give the keys that a split gives.
    known, env = first_known(spec, jax.random.fold_in(key, 2)), spec.env
    zero, nothing = jnp.zeros(()), jnp.zeros(env.num_agents)
    leaving = Leaving(jnp.zeros((), bool), nothing > 0) if env.terminates else None
    seen = Seen((known.residual, known.residual), (nothing, nothing), leaving)
    fitted = Fitted(known, first_optimizers(known), seen, zero, zero)
    return jax.tree.map(jnp.copy, fitted)  # a donated state must not hold the same array twice


def fitted_anew(
    spec: LearnerSpec, model: Fitted, stored: Stored, key: PRNGKeyArray, count: Any
) -> Fitted:
    """The models after the fit that is due before this update, if one is."""
    period = after_rounds(spec.env, spec.settings).period
    period *= spec.kind.schedule(spec.env, spec.settings).updates

    def fit(model: Fitted) -> Fitted:
        store = stored.episodes
        age, is_first = ages(len(store.rewards), stored.total), jnp.equal(count, 0)
        given = (store, age, key, is_first, FIT_BATCH)
        known, optimizers, error, doubt = fitted(spec, model.known, model.optimizers, *given)
        return Fitted(known, optimizers, seen_in(store, age), error.mean(), doubt)

    return jax.lax.cond(count % period == 0, fit, lambda model: model, model)


def dyna_update(
    spec: LearnerSpec,
    state: LearnerState,
    drawn: Drawn,
    key: PRNGKeyArray,
    count: Any = 0,
) -> tuple[LearnerState, Metrics]:
    """The update of `mastac` on a batch with an imagined part, after a fit where one is due."""
    batch, model = drawn.batch, state.model
    number = imagined_part(spec.settings)
    if number > 0:
        fit_key, play_key = (jax.random.fold_in(key, part) for part in (2, 3))
        if model:
            model = fitted_anew(spec, model, drawn.stored, fit_key, count)
        imagined = imagined_batch(spec, state.actors, model, drawn.stored, number, play_key)
        if batch.ahead is not None:
            imagined = imagined._replace(ahead=jnp.ones_like(imagined.time))
        batch = jax.tree.map(lambda *parts: jnp.concatenate(parts), batch, imagined)
    learner, metrics = simultaneous_update(spec, state, batch, key, count)
    return learner._replace(model=model), metrics


def imagined_batch(
    spec: LearnerSpec,
    actors: Any,
    model: Fitted | tuple[()],
    stored: Stored,
    number: int,
    key: PRNGKeyArray,
) -> Batch:
    """So many transitions of the present policies, with the exploration of the last episode."""
    if model:
        leaving = model.seen.leaving
        dynamics = believed(spec, model.known, model.seen)
    else:
        leaving, dynamics = None, (true_dynamics(spec.env), None)
    return imagined_transitions(
        spec,
        actors,
        *dynamics,
        stored,
        number,
        exploration_in(spec.settings, stored.total - 1, spec.episodes),
        key,
        together=False if leaving is None else leaving.together,
    )


def findings(state: LearnerState) -> dict[str, Array]:
    """What a summary says of the models, where there are any."""
    model = state.model
    return {"one_step_error": model.error, "disagreement": model.doubt} if model else {}


UPDATE = UpdateKind(
    update=dyna_update,
    explore=explore_by_noise,
    begin=begin_with_offset,
    buffer=replay_and_store,
    schedule=after_episodes_by_step,
    model_beside=model_beside,
    findings=findings,
)
