"""A learner for any layout of critics and any kind of update: the parts put together."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from mastac.agents.actors import actors
from mastac.agents.mixers import mixer
from mastac.agents.stochastic import StochasticActors, greedy_network
from mastac.envs.base import Environment
from mastac.errors import UserError
from mastac.learning.buffer import Buffer
from mastac.learning.critic_step import initial_critics
from mastac.learning.scales import declared_scales, remeasured, unseeing
from mastac.learning.schedule import UpdateSchedule
from mastac.learning.settings import Settings
from mastac.learning.sharing import actor_blocks, kinds_of_critics, most_together
from mastac.learning.spec import (
    Learner,
    LearnerSpec,
    LearnerState,
    UpdateKind,
    optimizer,
    times_of,
)
from mastac.learning.updates import (
    coordinated,
    dyna,
    max_entropy,
    mixed,
    model,
    on_policy,
    perturbation,
    simultaneous,
)
from mastac.structure.layout import CriticLayout


def update_kind(settings: Settings) -> UpdateKind:
    """The kind of update that the settings ask for."""
    if settings.max_entropy:
        return max_entropy.UPDATE
    if settings.estimator == "score":
        return on_policy.UPDATE
    if settings.estimator == "model":
        return model.UPDATE
    if settings.estimator == "perturbation":
        return perturbation.UPDATE
    if settings.imagined_data:
        return dyna.UPDATE
    if settings.mixer != "none":
        return mixed.UPDATE
    return coordinated.UPDATE if settings.coordinated else simultaneous.UPDATE


def update_schedule(env: Environment, settings: Settings) -> UpdateSchedule:
    """When a run with these settings updates its learner."""
    return update_kind(settings).schedule(env, settings)


def buffer_of(env: Environment, settings: Settings, epochs: int) -> Buffer:
    """What a run of so many epochs with these settings draws its batches from."""
    return update_kind(settings).buffer(env, settings, epochs)


def learner_spec(
    env: Environment,
    layout: CriticLayout,
    settings: Settings,
    total_updates: int = 1,
    chunk: int = 0,
    episodes: int = 1,
) -> LearnerSpec:
    """What all kinds of update are made of.

    **Arguments:**

    - `layout`: what each critic reads and predicts, and which actors it is credited to.
    - `total_updates`: over how many of them the step sizes fall.
    - `chunk`: how many critics go through their forward and backward pass together; 0: all
        ([`each_member`][mastac.agents.networks.each_member]).
    - `episodes`: of the whole run.

    **Raises:** [`mastac.errors.UserError`][] if couplings change with the time and critics are not
    told it.
    """
    if layout.schedule is not None and not settings.finite_horizon:
        raise UserError(
            "critics of time-varying couplings must know the time; leave finite_horizon at true"
        )
    kind = update_kind(settings)
    # Values of states have a place for actions in their layout, since these say which actors they
    # are credited to, and read none.
    read = layout if kind.critics_read_actions else layout.without_actions()
    deterministic = actors(
        env,
        settings.actor_hidden,
        settings.actor_output_scale,
        chunk,
        actor_blocks(env, settings, chunk),
    )
    actor_updates = total_updates // settings.policy_delay
    state_width = layout.num_agents * int(env.state_sizes.max()) + times_of(settings)
    return LearnerSpec(
        env=env,
        layout=layout,
        settings=settings,
        kind=kind,
        buckets=read.buckets(
            env.state_sizes,
            env.action_sizes,
            max_waste=1.0 if kind.one_stack else 0.25,
            kinds=kinds_of_critics(env, read) if settings.share_critics else None,
            largest=most_together(settings, chunk),
        ),
        actors=deterministic,
        stochastic=StochasticActors(deterministic, settings.noise),
        mixer=mixer(settings.mixer, layout, state_width, settings.mixer_embedding),
        actor_optimizer=optimizer(settings.actor_lr, settings, actor_updates),
        critic_optimizer=optimizer(settings.critic_lr, settings, total_updates),
        chunk=chunk,
        episodes=episodes,
    )


def learner_of(spec: LearnerSpec) -> Learner:
    """The functions that the training loop calls."""

    def act(state: LearnerState, obs: Float[Array, "agents obs"]) -> Float[Array, "agents act"]:
        weights = greedy_network(state.actors)
        if spec.actors.blocks is not None:
            return spec.actors.apply(weights, obs[:, :, None])[:, :, 0]
        return jax.vmap(spec.actors.one)(weights, obs[:, :, None], *spec.actors.constants)[:, :, 0]

    kind = spec.kind
    return Learner(
        init=lambda key: initial_state(spec, key),
        act=act,
        begin=lambda state, *others: kind.begin(spec, state, *others),
        explore=lambda state, *others: kind.explore(spec, state, *others),
        update=lambda state, batch, key, count=0: kind.update(spec, state, batch, key, count),
        measure=(lambda state, *others: remeasured(spec, state, *others))
        if is_measured(spec)
        else None,
    )


def is_measured(spec: LearnerSpec) -> bool:
    """Whether the loop measures scales: some are left open, and there are critics and no model."""
    return spec.settings.estimator in ("pathwise", "score") and bool(spec.env.undeclared)


def initial_state(spec: LearnerSpec, key: PRNGKeyArray) -> LearnerState:
    """First weights and optimizers; targets are copies where there are any."""
    kind = spec.kind
    actor_key, critic_key = jax.random.split(key)
    weights = kind.first_actors(spec, actor_key)
    measures = is_measured(spec)
    if measures or not spec.settings.on_policy:
        weights = unseeing(spec, weights)
    critics: tuple[Any, ...] = tuple(
        initial_critics(bucket, spec.settings, jax.random.fold_in(critic_key, b))
        for b, bucket in enumerate(spec.buckets if kind.has_critics else ())
    )
    if kind.first_model is not None:
        critics = kind.first_model(spec, weights, critic_key)
    if kind.has_mixer:
        critics += (spec.mixer.init(jax.random.fold_in(critic_key, len(critics))),)
        optimizers = (spec.critic_optimizer.init(critics),)
    elif kind.first_model is not None:
        optimizers = kind.model_optimizers(critics)
    else:
        optimizers = tuple(
            jax.vmap(lambda critic: spec.critic_optimizer.init(critic))(stack) for stack in critics
        )
    # Copies: a donated state must not hold the same array twice.
    return LearnerState(
        actors=weights,
        critics=critics,
        target_actors=jax.tree.map(jnp.copy, weights) if kind.has_target_actors else (),
        target_critics=jax.tree.map(jnp.copy, critics) if kind.has_target_critics else (),
        actor_optimizer=jax.vmap(lambda actor: spec.actor_optimizer.init(actor))(weights),
        critic_optimizers=optimizers,
        scales=declared_scales(spec.env) if measures else (),
        model=kind.model_beside(spec, key),
    )
