"""What every learner is made of, and the steps that all of them take."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from mastac.agents.actors import Actors
from mastac.agents.mixers import Mixer
from mastac.agents.stochastic import StochasticActors
from mastac.envs.base import Environment
from mastac.errors import UserError
from mastac.learning.buffer import Buffer
from mastac.learning.schedule import UpdateSchedule
from mastac.learning.settings import Settings
from mastac.structure.layout import Bucket, CriticLayout


class LearnerState(NamedTuple):
    """Everything of a learner that evolves.

    Critics come in one stack for each bucket of the layout, a mixer after them. Twin critics have
    an axis of two behind that of the critics. What a kind of update has none of is `()`. `scales`
    are the units of what critics read, `()` where the environment declares them all. `model` is
    what is learnt of the dynamics beside critics.
    """

    actors: Any
    critics: tuple[Any, ...]
    target_actors: Any
    target_critics: tuple[Any, ...]
    actor_optimizer: optax.OptState
    critic_optimizers: tuple[optax.OptState, ...]
    scales: Any = ()
    model: Any = ()

    def stepped(self, actors: Any, critics: Any) -> "LearnerState":
        """With the `UpdatedActors` and `UpdatedCritics` of an update."""
        return self._replace(
            actors=actors.actors,
            critics=critics.critics,
            target_actors=actors.targets,
            target_critics=critics.targets,
            actor_optimizer=actors.optimizers,
            critic_optimizers=critics.optimizers,
        )


class Metrics(NamedTuple):
    """What one update measures.

    - `critic_loss`: mean squared error over the batch, before the step; `None` without critics.
    - `value`: mean over the batch of what each value is.
    - `gradient_norm`: of each agent's actor; 0 where actors did not move.
    - `actors_moved`: whether they did (see `policy_delay`).
    """

    critic_loss: Float[Array, " values"] | None
    value: Float[Array, " values"]
    gradient_norm: Float[Array, " agents"]
    actors_moved: Bool[Array, ""] | bool = True


class Learner(NamedTuple):
    """What an algorithm is to the training loop.

    - `init`: `key -> state`.
    - `act`: `(state, obs) -> actions` of the greedy policies.
    - `begin`: `(state, key, noise) -> (state, drawn)`, what an episode is played with, and what the
        buffer is to know of it.
    - `explore`: `(state, obs, noise, random_fraction, key) -> (actions, drawn)`, likewise for a
        step.
    - `update`: `(state, batch, key, count) -> (state, metrics)`; `count` updates came before, the
        same for all seeds.
    - `measure`: `(state, store, count, is_first) -> state`, with the scales that the environment
        leaves open measured anew from `count` episodes; `None` where all are declared.
    """

    init: Callable[[PRNGKeyArray], LearnerState]
    act: Callable[[LearnerState, Float[Array, "agents obs"]], Float[Array, "agents act"]]
    begin: Callable[[LearnerState, PRNGKeyArray, Array], tuple[LearnerState, Any]]
    explore: Callable[..., tuple[Float[Array, "agents act"], Any]]
    update: Callable[..., tuple[LearnerState, Metrics]]
    measure: Callable[..., LearnerState] | None = None


class LearnerSpec(NamedTuple):
    """What the updates are made of; nothing here evolves."""

    env: Environment
    layout: CriticLayout
    settings: Settings
    kind: "UpdateKind"
    buckets: tuple[Bucket, ...]
    actors: Actors
    stochastic: StochasticActors
    mixer: Mixer
    actor_optimizer: optax.GradientTransformation
    critic_optimizer: optax.GradientTransformation
    chunk: int
    episodes: int


Update = Callable[[LearnerSpec, LearnerState, Any, PRNGKeyArray, Any], tuple[LearnerState, Metrics]]


def play_as_is(
    spec: LearnerSpec, state: LearnerState, key: PRNGKeyArray, noise: Array
) -> tuple[LearnerState, None]:
    """An episode is played with the actors as they are."""
    return state, None


def deterministic_actors(spec: LearnerSpec, key: PRNGKeyArray) -> Any:
    """First weights of deterministic policies."""
    return spec.actors.init(key)


class UpdateKind(NamedTuple):
    """One kind of update, and what it needs around it.

    - `update`: `(spec, state, batch, key, count) -> (state, metrics)`.
    - `explore`, `begin`: as in [`Learner`][mastac.learning.spec.Learner], after `spec`.
    - `buffer`: `(env, settings, epochs) -> Buffer`, what batches are drawn from.
    - `schedule`: `(env, settings) -> UpdateSchedule`, when there are updates.
    - `first_actors`: `(spec, key) -> weights`.
    - `has_critics`, `has_mixer`, `has_target_actors`, `has_target_critics`: what evolves.
    - `critics_read_actions`: or states alone.
    - `first_model`: `(spec, actors, key) -> model`, what takes the critics' place where dynamics
        are learnt; `model_optimizers`: its optimizers. `model_beside`: `(spec, key) -> model`, what
        is learnt of them beside critics.
    - `findings`: `state -> numbers by name` that a summary tells of a learner that has ended.
    - `one_stack`: whether critics are picked by number, which needs them all in one stack.
    """

    update: Update
    explore: Callable[..., tuple[Float[Array, "agents act"], Any]]
    buffer: Callable[[Environment, Settings, int], Buffer]
    schedule: Callable[[Environment, Settings], UpdateSchedule]
    begin: Callable[..., tuple[LearnerState, Any]] = play_as_is
    first_actors: Callable[[LearnerSpec, PRNGKeyArray], Any] = deterministic_actors
    has_critics: bool = True
    has_mixer: bool = False
    has_target_actors: bool = True
    has_target_critics: bool = True
    critics_read_actions: bool = True
    one_stack: bool = False
    first_model: Callable[[LearnerSpec, Any, PRNGKeyArray], tuple[Any, ...]] | None = None
    model_optimizers: Callable[[tuple[Any, ...]], tuple[optax.OptState, ...]] = lambda model: ()
    model_beside: Callable[[LearnerSpec, PRNGKeyArray], Any] = lambda spec, key: ()
    findings: Callable[[LearnerState], dict[str, Array]] = lambda state: {}


def optimizer(rate: float, settings: Settings, total_updates: int) -> optax.GradientTransformation:
    """Adam (Kingma and Ba 2015) whose step size falls linearly from `rate` over the run.

    Policies then settle instead of wandering. Gradients are clipped before, each network's by its
    own norm, where `max_grad_norm` says so.
    """
    schedule = optax.linear_schedule(rate, rate * settings.lr_final, max(total_updates, 1))
    clip = [optax.clip_by_global_norm(settings.max_grad_norm)] if settings.max_grad_norm > 0 else []
    return optax.chain(*clip, optax.adam(schedule))


def input_scale(bucket: Bucket, settings: Settings) -> Float[Array, "terms inputs"] | None:
    r"""$\rho^d$ for every input of every network, $\rho$ the knob `distance_decay`.

    $d$ is the input's distance in the layout; the time has distance 0. First weights that start,
    and move, $\rho^d$ times as far are those of a critic that reads its inputs scaled by that much.
    What is far away has to matter before it is learnt, and the many slopes that an actor adds up
    hold less noise.

    **Returns:** `None` where all are 1.

    **Raises:** [`mastac.errors.UserError`][] if the layout knows no distances.
    """
    if settings.distance_decay == 1.0:
        return None
    if bucket.distance is None:
        raise UserError(
            "distance_decay needs a layout that knows its distances; "
            "take with_distances(layout, ...)"
        )
    distance = bucket.distance[bucket.networks]
    times = np.zeros((len(distance), times_of(settings)))
    return jnp.asarray(
        settings.distance_decay ** np.concatenate([distance, times], axis=1).astype(np.float32)
    )


def times_of(settings: Settings) -> int:
    """How many inputs tell critics the time."""
    return 1 if settings.finite_horizon else 0


def optimizer_step(
    optimizer: optax.GradientTransformation,
    weights: Any,
    gradient: Any,
    optimizer_state: Any,
    scale: Float[Array, " inputs"] | None = None,
) -> tuple[Any, Any]:
    """Weights and optimizer state one step down the gradient.

    `scale`: of [`input_scale`][mastac.learning.spec.input_scale]; a critic's first weights take so
    much of the step.
    """
    # optax knows trees of arrays by types of its own; a module of arrays is one.
    step, optimizer_state = optimizer.update(
        cast(Any, gradient), optimizer_state, cast(Any, weights)
    )
    if scale is not None:
        step = eqx.tree_at(
            lambda critic: critic.weights[0],
            cast(Any, step),
            replace_fn=lambda weight: weight * jnp.broadcast_to(scale[:, None], weight.shape),
        )
    return optax.apply_updates(cast(Any, weights), step), optimizer_state


def polyak_update(target: Any, online: Any, tau: float) -> Any:
    r"""Targets after a step: $\mu' \leftarrow \tau \mu + (1 - \tau) \mu'$ (lines 20 and 21)."""
    return jax.tree.map(lambda old, new: old + tau * (new - old), target, online)


def by_term(spec: LearnerSpec, results: Sequence[Array]) -> Array:
    """Results of the stacks, one array for each bucket, in the order of the layout's terms."""
    return jnp.concatenate(results)[
        np.argsort(np.concatenate([bucket.terms for bucket in spec.buckets]))
    ]


def is_due(settings: Settings, count: Any) -> Any:
    """Whether actors and targets move at this update; a plain `True` where they always do."""
    return True if settings.policy_delay == 1 else count % settings.policy_delay == 0


def actors_due(settings: Settings, count: Any) -> Any:
    """Whether actors move at this update: where it is due, and critics have had their time."""
    due = is_due(settings, count)
    return due if settings.critics_first == 0 else due & (count >= settings.critics_first)


def target_rate(settings: Settings, due: Any) -> Any:
    """`tau` where targets are due to move, else 0."""
    return settings.tau if due is True else jnp.where(due, settings.tau, 0.0)
