"""A learner for any layout of critics and any estimator of gradients: the parts put together."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from mastac.agents.actors import actors
from mastac.agents.mixers import mixer
from mastac.agents.networks import MLP, glorot
from mastac.agents.stochastic import StochasticActors, greedy_network
from mastac.envs.base import Environment
from mastac.errors import UserError
from mastac.learning.settings import Settings
from mastac.learning.sharing import alike
from mastac.learning.spec import (
    Learner,
    LearnerSpec,
    LearnerState,
    Update,
    input_scale,
    optimizer,
    times_of,
)
from mastac.learning.updates.coordinated import coordinated_update
from mastac.learning.updates.max_entropy import max_entropy_update, with_temperature
from mastac.learning.updates.mixed import mixed_update
from mastac.learning.updates.on_policy import on_policy_update
from mastac.learning.updates.perturbation import perturbation_update, perturbed
from mastac.learning.updates.simultaneous import simultaneous_update
from mastac.structure.layout import Bucket, CriticLayout


def learner_spec(
    env: Environment,
    layout: CriticLayout,
    settings: Settings,
    total_updates: int = 1,
    chunk: int = 0,
) -> LearnerSpec:
    """What all kinds of update are made of. `total_updates` sets the pace at which the step sizes fall.

    `chunk`: how many critics go through their forward and backward pass together (0: all; see
    `each_member`).
    """
    if layout.schedule is not None and not settings.finite_horizon:
        raise UserError(
            "critics of time-varying couplings must know the time; leave finite_horizon at true"
        )
    # One agent after the other means picking one critic by number, which needs them all in one
    # stack.
    max_waste = 1.0 if settings.coordinated else 0.25
    # Values of states have a place for actions in their layout, since these say whom they advise,
    # and read none.
    read = layout.without_actions() if settings.on_policy else layout
    deterministic = actors(env, settings.actor_hidden, settings.actor_output_scale, chunk)
    return LearnerSpec(
        env=env,
        layout=layout,
        settings=settings,
        buckets=read.buckets(env.state_sizes, env.action_sizes, max_waste),
        actors=deterministic,
        stochastic=StochasticActors(deterministic, settings.noise),
        mixer=mixer(
            settings.mixer,
            layout,
            layout.num_agents * int(env.state_sizes.max()) + times_of(settings),
            settings.mixer_embedding,
        ),
        actor_optimizer=optimizer(
            settings.actor_lr, settings, total_updates // settings.policy_delay
        ),
        critic_optimizer=optimizer(settings.critic_lr, settings, total_updates),
        chunk=chunk,
    )


def update_of(settings: Settings) -> Update:
    """The kind of update that the settings ask for."""
    if settings.mixer != "none":
        return mixed_update
    return coordinated_update if settings.coordinated else simultaneous_update


def initial_critics(bucket: Bucket, settings: Settings, key: PRNGKeyArray) -> MLP:
    """One stack of critics; twins have an axis of two behind the critics'."""
    twins, times = (2 if settings.twin_critics else 1), times_of(settings)
    width = bucket.state_rows.shape[1] + bucket.action_rows.shape[1] + times
    fan_in = np.repeat(bucket.fan_in, twins) + times
    stack = glorot(
        key, fan_in, width, settings.critic_hidden, 1, activation=settings.critic_activation
    )
    scale = input_scale(bucket, settings)
    if scale is not None:
        stack = eqx.tree_at(
            lambda one: one.weights[0],
            stack,
            stack.weights[0] * jnp.repeat(scale, twins, axis=0)[:, :, None],
        )
    if twins == 1:
        return stack
    return jax.tree.map(lambda leaf: leaf.reshape(-1, twins, *leaf.shape[1:]), stack)


def initial_state(spec: LearnerSpec, key: PRNGKeyArray) -> LearnerState:
    """First weights and optimisers; targets are copies where there are any."""
    settings = spec.settings
    actor_key, critic_key = jax.random.split(key)
    is_stochastic = settings.soft or settings.estimator == "score"
    weights = (spec.stochastic if is_stochastic else spec.actors).init(actor_key)
    weights = alike(spec, with_temperature(spec, weights) if settings.soft else weights)
    critics: tuple[Any, ...] = ()
    if settings.estimator != "perturbation":
        critics = tuple(
            initial_critics(bucket, settings, jax.random.fold_in(critic_key, b))
            for b, bucket in enumerate(spec.buckets)
        )
    if settings.mixer != "none":
        critics += (spec.mixer.init(jax.random.fold_in(critic_key, len(critics))),)
        optimizers = (spec.critic_optimizer.init(critics),)
    else:
        optimizers = tuple(
            jax.vmap(lambda one: spec.critic_optimizer.init(one))(stack) for stack in critics
        )
    # Copies: a donated state must not hold the same array twice.
    return LearnerState(
        actors=weights,
        critics=critics,
        target_actors=()
        if is_stochastic or settings.on_policy
        else jax.tree.map(jnp.copy, weights),
        target_critics=() if settings.on_policy else jax.tree.map(jnp.copy, critics),
        actor_optimizer=jax.vmap(lambda one: spec.actor_optimizer.init(one))(weights),
        critic_optimizers=optimizers,
    )


def learner_of(spec: LearnerSpec) -> Learner:
    """The functions that the training loop calls, for the way in which the settings estimate actors' gradients."""
    if spec.settings.soft:
        return max_entropy_learner(spec)
    kinds = {
        "pathwise": off_policy_learner,
        "score": on_policy_learner,
        "perturbation": perturbation_learner,
    }
    return kinds[spec.settings.estimator](spec)


def _learner(spec: LearnerSpec, begin: Callable, explore: Callable, update: Update) -> Learner:
    def act(state: LearnerState, obs: Float[Array, "agents obs"]) -> Float[Array, "agents act"]:
        weights = greedy_network(state.actors)
        return jax.vmap(spec.actors.one)(weights, obs[:, :, None], *spec.actors.constants)[:, :, 0]

    return Learner(
        init=lambda key: initial_state(spec, key),
        act=act,
        begin=begin,
        explore=explore,
        update=lambda state, batch, key, count=0: update(spec, state, batch, key, count),
    )


def off_policy_learner(spec: LearnerSpec) -> Learner:
    """Deterministic policies that explore by noise and learn from a replay."""

    def explore(
        state: LearnerState,
        obs: Float[Array, "agents obs"],
        noise,
        random_fraction,
        key: PRNGKeyArray,
    ):
        return spec.actors.explore(state.actors, obs[:, :, None], noise, random_fraction, key)[
            :, :, 0
        ], None

    return _learner(spec, lambda state, key: (state, None), explore, update_of(spec.settings))


def max_entropy_learner(spec: LearnerSpec) -> Learner:
    """Stochastic policies that explore by what they draw and learn from a replay."""

    def explore(
        state: LearnerState,
        obs: Float[Array, "agents obs"],
        noise,
        random_fraction,
        key: PRNGKeyArray,
    ):
        return spec.stochastic.draw(state.actors, obs[:, :, None], key).actions[:, :, 0], None

    return _learner(spec, lambda state, key: (state, None), explore, max_entropy_update)


def on_policy_learner(spec: LearnerSpec) -> Learner:
    """Stochastic policies that learn from what they have just drawn."""

    def explore(
        state: LearnerState,
        obs: Float[Array, "agents obs"],
        noise,
        random_fraction,
        key: PRNGKeyArray,
    ):
        draw = spec.stochastic.draw(state.actors, obs[:, :, None], key)
        return draw.actions[:, :, 0], (draw.drawn[:, :, 0], draw.log_prob[:, 0])

    return _learner(spec, lambda state, key: (state, None), explore, on_policy_update)


def perturbation_learner(spec: LearnerSpec) -> Learner:
    """Deterministic policies whose weights are moved at random for an episode."""

    def begin(state: LearnerState, key: PRNGKeyArray) -> tuple[LearnerState, Array]:
        return state._replace(actors=perturbed(spec, state.actors, key)), jax.random.key_data(key)

    def explore(
        state: LearnerState,
        obs: Float[Array, "agents obs"],
        noise,
        random_fraction,
        key: PRNGKeyArray,
    ):
        return spec.actors.apply(state.actors, obs[:, :, None])[:, :, 0], None

    return _learner(spec, begin, explore, perturbation_update)
