"""What every learner is made of, and the steps that all of them take."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, PRNGKeyArray

from mastac.agents.actors import Actors
from mastac.agents.mixers import Mixer
from mastac.agents.stochastic import StochasticActors
from mastac.envs.base import Environment
from mastac.errors import UserError
from mastac.learning.settings import Settings
from mastac.structure.layout import Bucket, CriticLayout


class LearnerState(NamedTuple):
    """Everything that evolves. Critics come in one stack for each bucket of the layout, and a mixer after them.

    Twin critics have an axis of two behind that of the critics. On-policy there are no targets:
    `()`.
    """

    actors: Any
    critics: tuple[Any, ...]
    target_actors: Any
    target_critics: tuple[Any, ...]
    actor_optimizer: optax.OptState
    critic_optimizers: tuple[optax.OptState, ...]


class Metrics(NamedTuple):
    """Of one update: one number for each value, and for each agent."""

    critic_loss: Float[Array, " values"]
    value: Float[Array, " values"]
    gradient_norm: Float[Array, " agents"]


class Learner(NamedTuple):
    """What an algorithm is to the training loop.

    `begin`: `(state, key) -> (state, drawn)`, what an episode is played with and what the memory is
    to know of it; `explore`: `(state, obs, noise, random_fraction, key) -> (actions, drawn)`,
    likewise for a step. `update`: `(state, batch, key, count) -> (state, metrics)`; `count` updates
    came before, the same for all seeds.
    """

    init: Callable[[PRNGKeyArray], LearnerState]
    act: Callable[[LearnerState, Float[Array, "agents obs"]], Float[Array, "agents act"]]
    begin: Callable[[LearnerState, PRNGKeyArray], tuple[LearnerState, Any]]
    explore: Callable[..., tuple[Float[Array, "agents act"], Any]]
    update: Callable[..., tuple[LearnerState, Metrics]]


class LearnerSpec(NamedTuple):
    """What the updates are made of."""

    env: Environment
    layout: CriticLayout
    settings: Settings
    buckets: tuple[Bucket, ...]
    actors: Actors
    stochastic: StochasticActors
    mixer: Mixer
    actor_optimizer: optax.GradientTransformation
    critic_optimizer: optax.GradientTransformation
    chunk: int


Update = Callable[[LearnerSpec, LearnerState, Any, PRNGKeyArray, Any], tuple[LearnerState, Metrics]]


def optimizer(rate: float, settings: Settings, total_updates: int) -> optax.GradientTransformation:
    """Adam whose step size falls linearly over the run, so that the policy settles instead of wandering."""
    schedule = optax.linear_schedule(rate, rate * settings.lr_final, max(total_updates, 1))
    clip = [optax.clip_by_global_norm(settings.max_grad_norm)] if settings.max_grad_norm > 0 else []
    return optax.chain(*clip, optax.adam(schedule))


def input_scale(bucket: Bucket, settings: Settings) -> Float[Array, "terms inputs"] | None:
    r"""$\rho^d$ for every input of every critic: `distance_decay` to its distance, 1 for the time; `None`: all are 1.

    First weights that start, and move, $\rho^d$ times as far are those of a critic that reads its
    inputs scaled by that much. What is far away has to matter before it is learnt, and the many
    slopes that an actor adds up hold less noise.
    """
    if settings.distance_decay == 1.0:
        return None
    if bucket.distance is None:
        raise UserError(
            "distance_decay needs a layout that knows its distances; take with_distances(layout, ...)"
        )
    times = np.zeros((len(bucket.terms), times_of(settings)))
    return jnp.asarray(
        settings.distance_decay
        ** np.concatenate([bucket.distance, times], axis=1).astype(np.float32)
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
    """Weights and optimiser state one step down the gradient; a critic's first weights `scale` of a step."""
    # optax knows trees of arrays by types of its own; a module of arrays is one.
    step, optimizer_state = optimizer.update(
        cast(Any, gradient), optimizer_state, cast(Any, weights)
    )
    if scale is not None:
        step = eqx.tree_at(
            lambda critic: critic.weights[0],
            cast(Any, step),
            replace_fn=lambda one: one * scale[:, None],
        )
    return optax.apply_updates(cast(Any, weights), step), optimizer_state


def polyak_update(target: Any, online: Any, tau: float) -> Any:
    r"""Target weights one step after the online ones: $\mu' \leftarrow \tau \mu + (1 - \tau) \mu'$ (line 20)."""
    return jax.tree.map(lambda old, new: old + tau * (new - old), target, online)


def by_term(spec: LearnerSpec, found: Sequence[Array]) -> Array:
    """What was found stack by stack, in the order of the layout's terms."""
    return jnp.concatenate(found)[
        np.argsort(np.concatenate([bucket.terms for bucket in spec.buckets]))
    ]


def is_due(settings: Settings, count: Any) -> Any:
    """Whether actors and targets move at this update; a plain `True` where they always do."""
    return True if settings.policy_delay == 1 else count % settings.policy_delay == 0
