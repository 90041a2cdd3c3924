"""What is known of the dynamics: local models, their units and errors, and what they imagine."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from mastac.agents.model_inputs import Units
from mastac.learning.buffer import Episode
from mastac.learning.model_based.climbing import finite_or_worst
from mastac.learning.model_based.fitting import drawn
from mastac.learning.model_based.imagined import (
    Promise,
    Starts,
    all_members,
    imagined,
    imagined_from,
)
from mastac.learning.model_based.known import (
    Known,
    believed,
    first_known,
    first_optimizers,
    seen_in,
)
from mastac.learning.model_based.record import Record, first_record
from mastac.learning.model_based.seeing import Seeing
from mastac.learning.model_based.terminal import Critics, first_critics, terminal_values
from mastac.learning.model_based.units import Ages
from mastac.learning.spec import LearnerSpec

SATURATION = 0.1  # weight of saturated logits, in standard deviations of the rewards
# Logits are held within, up to `LOOSENED` (a share of the run) and at its end: at first so that an
# action keeps a slope whatever a wrong model says; later not: good policies are often at a limit.
HELD = (2.0, 4.0)
LOOSENED = 0.5
STEEPEST = 30.0  # slope of a return along a state, in standard deviations of rewards and states


class Model(NamedTuple):
    """What is known of the dynamics, and how this episode is played.

    - `networks`, `units`, `residual`, `seeing`: of
        [`Known`][mastac.learning.model_based.known.Known].
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
    seeing: Seeing | None = None

    @property
    def known(self) -> Known:
        """What is known of the dynamics."""
        return Known(self.networks, self.units, self.residual, self.seeing)


def first_model(spec: LearnerSpec, actors: Any, key: PRNGKeyArray) -> tuple[Model]:
    """Before the first episode."""
    known, zero = first_known(spec, key), jnp.zeros(())
    critics = first_critics(spec, known.units, jax.random.fold_in(key, 0))
    play = first_record(actors), zero, zero, critics
    return (Model(*known[:3], *play, known.seeing),)


def model_optimizers(critics: tuple[Model, ...]) -> tuple[Any, ...]:
    """The optimizers of the local models, where there are any."""
    return first_optimizers(critics[0].known)


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
    dynamics, observing = believed(spec, model.known, seen_in(store, age))
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
