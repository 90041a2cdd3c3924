"""The update of values that are mixed from terms: one temporal-difference error goes through all of them."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from mastac.learning.buffer import Batch
from mastac.learning.critic_inputs import Rows, batch_rows, rewards_of_values
from mastac.learning.spec import (
    LearnerSpec,
    LearnerState,
    Metrics,
    by_term,
    is_due,
    optimizer_step,
    polyak_update,
)
from mastac.learning.updates.simultaneous import each_critic, update_actors


def mixed_values(
    spec: LearnerSpec, critics: tuple[Any, ...], rows: Rows
) -> Float[Array, "values batch"]:
    """Every value at the states and actions in `rows`; `critics` are the stacks of terms and the mixer behind them."""
    *stacks, mixer = critics
    # A term's activations are computed again in the backward pass: keeping them all costs more than
    # that.
    one = jax.checkpoint(lambda term, x: term(x)[0])
    found = [
        each_critic(one, bucket, [rows], stack, chunk=spec.chunk)
        for stack, bucket in zip(stacks, spec.buckets, strict=True)
    ]
    state = jnp.concatenate([rows.states[:-1], rows.time])
    return spec.mixer.apply(mixer, by_term(spec, found), state)


def mixed_update(
    spec: LearnerSpec,
    state: LearnerState,
    batch: Batch,
    key: PRNGKeyArray | None = None,
    count: Any = 0,
) -> tuple[LearnerState, Metrics]:
    """All terms and the mixer step down the values' error; actors climb the values, all acting by current policies."""
    due = is_due(spec.settings, count)
    now, after, discount = batch_rows(spec, batch, state.target_actors, key)
    y = rewards_of_values(spec, batch) + discount * mixed_values(spec, state.target_critics, after)

    def loss(critics: tuple[Any, ...]) -> tuple[Array, tuple[Array, Array]]:
        values = mixed_values(spec, critics, now)
        errors = jnp.mean((y - values) ** 2, axis=-1)
        return errors.sum(), (errors, values.mean(-1))

    def gradient_at(policy_rows: Float[Array, "rows batch"]) -> Float[Array, "rows batch"]:
        return jax.grad(
            lambda chosen: mixed_values(spec, state.critics, now._replace(actions=chosen)).sum()
        )(policy_rows)

    actors, target_actors, actor_optimizer, norms = update_actors(
        spec, state, batch, gradient_at, due
    )
    (_, (errors, values)), gradient = jax.value_and_grad(loss, has_aux=True)(state.critics)
    critics, optimizer_state = optimizer_step(
        spec.critic_optimizer, state.critics, gradient, state.critic_optimizers[0]
    )
    target_critics = polyak_update(state.target_critics, critics, spec.settings.tau * due)
    learner = LearnerState(
        actors, critics, target_actors, target_critics, actor_optimizer, (optimizer_state,)
    )
    return learner, Metrics(errors, values, norms)
