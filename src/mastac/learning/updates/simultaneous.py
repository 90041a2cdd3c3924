"""The simultaneous update: all critics and actors step from the same parameters (Algorithm 1)."""

from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array, Float, PRNGKeyArray

from mastac.learning.actor_step import action_gradients, update_actors
from mastac.learning.buffer import Batch, replay_of
from mastac.learning.critic_inputs import batch_inputs, rewards_of_values
from mastac.learning.critic_step import update_critics
from mastac.learning.schedule import after_episodes
from mastac.learning.spec import LearnerSpec, LearnerState, Metrics, UpdateKind, actors_due, is_due


def begin_with_offset(
    spec: LearnerSpec, state: LearnerState, key: PRNGKeyArray, noise: Array
) -> tuple[LearnerState, None]:
    """Where `episode_noise` says so, every actor's logits are off by an amount for an episode.

    Noise that changes at every step shows little of what an action does that is kept up.
    """
    if spec.settings.episode_noise == 0:
        return state, None
    bias = spec.actors.of_agents(state.actors.biases[-1])
    drawn = spec.actors.drawn(jax.random.normal, key, bias.shape)
    offset = spec.settings.episode_noise * noise * drawn
    played = eqx.tree_at(lambda actors: actors.biases[-1], state.actors, bias + offset)
    return state._replace(actors=played), None


def explore_by_noise(
    spec: LearnerSpec,
    state: LearnerState,
    obs: Float[Array, "agents obs"],
    noise: Float[Array, ""],
    random_fraction: Float[Array, ""],
    key: PRNGKeyArray,
) -> tuple[Float[Array, "agents act"], None]:
    """Deterministic policies explore by noise on what they do (line 7); choices are drawn."""
    given = (state.actors, obs[:, :, None], noise, random_fraction, key)
    actions = spec.actors.explore(*given, draws=True)
    return actions[:, :, 0], None


def simultaneous_update(
    spec: LearnerSpec,
    state: LearnerState,
    batch: Batch,
    key: PRNGKeyArray | None = None,
    count: Any = 0,
) -> tuple[LearnerState, Metrics]:
    """Lines 12 to 22 of Algorithm 1, for all agents at once: actors, critics, then the targets.

    Actors follow the critics as they were before the step. With `policy_delay` above 1 actors and
    targets move at every so many updates only (Fujimoto et al. 2018).
    """
    due = is_due(spec.settings, count)
    now, after, discount = batch_inputs(spec, batch, state.target_actors, key, state.scales)

    def gradient_at(policy_inputs: Float[Array, "features batch"]) -> Array:
        return action_gradients(spec, state.critics, now, policy_inputs)

    moving = actors_due(spec.settings, count)
    actors = update_actors(spec, state, batch, gradient_at, moving, key)
    rewards = rewards_of_values(spec, batch, state.scales)
    critics = update_critics(spec, state, now, after, discount, rewards, due)
    metrics = Metrics(critics.losses, critics.values, actors.norms, moving)
    return state.stepped(actors, critics), metrics


UPDATE = UpdateKind(
    update=simultaneous_update,
    explore=explore_by_noise,
    begin=begin_with_offset,
    buffer=replay_of,
    schedule=after_episodes,
)
