"""A learner for any layout of critics: the parts put together."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from mastac.agents.actors import actors
from mastac.agents.networks import glorot
from mastac.envs.base import Environment
from mastac.learning.coordinated import coordinated_update
from mastac.learning.memory import Batch
from mastac.learning.off_policy import Learner, LearnerState, Metrics, Parts, optimiser, simultaneous_update
from mastac.learning.settings import Settings
from mastac.structure.layout import CriticLayout


def learner_parts(
    env: Environment, layout: CriticLayout, settings: Settings, total_updates: int = 1, chunk: int = 0
) -> Parts:
    """What both kinds of update are made of. `total_updates` sets the pace at which the step sizes fall.

    `chunk`: how many critics go through their forward and backward pass together (0: all; see `each_member`).
    """
    # One agent after the other means picking one critic by number, which needs them all in one stack.
    max_waste = 1.0 if settings.coordinated else 0.25
    return Parts(
        env=env,
        layout=layout,
        settings=settings,
        buckets=layout.buckets(env.state_sizes, env.action_sizes, max_waste),
        actors=actors(env, settings.actor_hidden, settings.actor_output_scale, chunk),
        actor_optimiser=optimiser(settings.actor_lr, settings, total_updates),
        critic_optimiser=optimiser(settings.critic_lr, settings, total_updates),
        chunk=chunk,
    )


def off_policy_learner(parts: Parts) -> Learner:
    """The functions that the training loop calls."""
    settings = parts.settings
    times = 1 if settings.finite_horizon else 0
    update_all = coordinated_update if settings.coordinated else simultaneous_update

    def init(key: PRNGKeyArray) -> LearnerState:
        actor_key, critic_key = jax.random.split(key)
        weights = parts.actors.init(actor_key)
        critics = tuple(
            glorot(
                jax.random.fold_in(critic_key, b),
                bucket.fan_in + times,
                bucket.state_rows.shape[1] + bucket.action_rows.shape[1] + times,
                settings.critic_hidden,
                1,
                activation=settings.critic_activation,
            )
            for b, bucket in enumerate(parts.buckets)
        )
        # Copies: a donated state must not hold the same array twice.
        return LearnerState(
            actors=weights,
            critics=critics,
            target_actors=jax.tree.map(jnp.copy, weights),
            target_critics=jax.tree.map(jnp.copy, critics),
            actor_optimiser=jax.vmap(lambda one: parts.actor_optimiser.init(one))(weights),
            critic_optimisers=tuple(jax.vmap(lambda one: parts.critic_optimiser.init(one))(stack) for stack in critics),
        )

    def act(state: LearnerState, obs: Float[Array, "agents obs"]) -> Float[Array, "agents act"]:
        return jax.vmap(parts.actors.one)(state.actors, obs[:, :, None], *parts.actors.constants)[:, :, 0]

    def explore(state: LearnerState, obs: Float[Array, "agents obs"], noise, random_fraction, key: PRNGKeyArray):
        return parts.actors.explore(state.actors, obs[:, :, None], noise, random_fraction, key)[:, :, 0]

    def update(state: LearnerState, batch: Batch, key: PRNGKeyArray) -> tuple[LearnerState, Metrics]:
        return update_all(parts, state, batch)

    return Learner(init=init, act=act, explore=explore, update=update)
