"""The update of values that are mixed from terms: one error goes through the mixer into all terms.

FACMAC (Peng et al. 2021) and deep coordination graphs with continuous actions (Böhmer et al. 2020).
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from mastac.learning.actor_step import update_actors
from mastac.learning.buffer import Batch, replay_of
from mastac.learning.critic_inputs import CriticInputs, batch_inputs, rewards_of_values
from mastac.learning.critic_step import each_critic
from mastac.learning.presence import sample_mean, sample_weights, values_alive
from mastac.learning.schedule import after_episodes
from mastac.learning.spec import (
    LearnerSpec,
    LearnerState,
    Metrics,
    UpdateKind,
    actors_due,
    by_term,
    is_due,
    optimizer_step,
    polyak_update,
    target_rate,
)
from mastac.learning.updates.simultaneous import begin_with_offset, explore_by_noise


def mixed_values(
    spec: LearnerSpec, critics: tuple[Any, ...], inputs: CriticInputs
) -> Float[Array, "values batch"]:
    """Every value at the states and actions in `inputs`.

    `critics`: the stacks of terms, and the mixer's weights behind them.
    """
    *stacks, mixer = critics
    # A term's activations are computed again in the backward pass: keeping them all costs more than
    # that.
    one = jax.checkpoint(lambda term, x: term(x)[0])
    terms = [
        each_critic(one, bucket, [inputs], stack, chunk=spec.chunk)
        for stack, bucket in zip(stacks, spec.buckets, strict=True)
    ]
    # The mixer's weights depend on the whole state; the last row is padding.
    state = jnp.concatenate([inputs.states[:-1], inputs.time])
    return spec.mixer.apply(mixer, by_term(spec, terms), state)


def mixed_update(
    spec: LearnerSpec,
    state: LearnerState,
    batch: Batch,
    key: PRNGKeyArray | None = None,
    count: Any = 0,
) -> tuple[LearnerState, Metrics]:
    """All terms and the mixer step down the values' error; actors step up the values.

    The loss is summed over values and averaged over the batch. In the actors' gradient all agents
    act by their current policies, as FACMAC has it.
    """
    due = is_due(spec.settings, count)
    now, after, discount = batch_inputs(spec, batch, state.target_actors, key, state.scales)
    next_values = mixed_values(spec, state.target_critics, after)
    kept = discount[None] if discount.ndim == 1 else discount
    y = rewards_of_values(spec, batch, state.scales) + kept * next_values
    alive = values_alive(spec, now.alive)
    weights = sample_weights(alive)

    def loss(critics: tuple[Any, ...]) -> tuple[Array, tuple[Array, Array]]:
        values = mixed_values(spec, critics, now)
        errors = sample_mean((y - values) ** 2, weights)
        return errors.sum(), (errors, sample_mean(values, weights))

    def gradient_at(policy_inputs: Float[Array, "features batch"]) -> Array:
        def total(actions: Array) -> Array:
            values = mixed_values(spec, state.critics, now._replace(actions=actions))
            return (values if alive is None else values * alive).sum()

        return jax.grad(total)(policy_inputs)

    actors = update_actors(spec, state, batch, gradient_at, actors_due(spec.settings, count), key)
    (_, (errors, values)), gradient = jax.value_and_grad(loss, has_aux=True)(state.critics)
    critics, optimizer_state = optimizer_step(
        spec.critic_optimizer, state.critics, gradient, state.critic_optimizers[0]
    )
    learner = LearnerState(
        actors=actors.actors,
        critics=critics,
        target_actors=actors.targets,
        target_critics=polyak_update(
            state.target_critics, critics, target_rate(spec.settings, due)
        ),
        actor_optimizer=actors.optimizers,
        critic_optimizers=(optimizer_state,),
        scales=state.scales,
    )
    return learner, Metrics(errors, values, actors.norms, actors_due(spec.settings, count))


UPDATE = UpdateKind(
    update=mixed_update,
    explore=explore_by_noise,
    begin=begin_with_offset,
    buffer=replay_of,
    schedule=after_episodes,
    has_mixer=True,
)
