"""What follows a short imagined episode: the values of critics, trained on all that was stored."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from mastac.agents.local_models import Units
from mastac.agents.networks import MLP
from mastac.learning.buffer import replay_buffer
from mastac.learning.critic_inputs import (
    CriticInputs,
    action_inputs,
    batch_inputs,
    reward_factor,
    rewards_of_values,
    state_inputs,
    time_inputs,
)
from mastac.learning.critic_step import initial_critics, update_critics, values_at
from mastac.learning.model_based.rounds import Stored, work_of
from mastac.learning.scales import Scales, rescaled_critics
from mastac.learning.spec import LearnerSpec, LearnerState


class Critics(NamedTuple):
    """Critics of the rewards to come, one stack for each bucket of the layout, and their targets.

    - `scales`: in what units they read; those of the local models.
    """

    critics: tuple[MLP, ...]
    targets: tuple[MLP, ...]
    optimizers: tuple[Any, ...]
    scales: Scales


def first_critics(spec: LearnerSpec, units: Units, key: PRNGKeyArray) -> Critics | tuple[()]:
    """Before the first round; `()` where imagined episodes end in nothing."""
    if spec.settings.terminal_value == "none":
        return ()
    critics = tuple(
        initial_critics(bucket, spec.settings, jax.random.fold_in(key, number))
        for number, bucket in enumerate(spec.buckets)
    )
    optimizers = tuple(jax.vmap(lambda one: _adam(spec).init(one))(stack) for stack in critics)
    return Critics(critics, jax.tree.map(jnp.copy, critics), optimizers, _scales_in(units))


def trained_critics(
    spec: LearnerSpec,
    before: Critics | tuple[()],
    units: Units,
    actors: Any,
    stored: Stored,
    key: PRNGKeyArray,
    is_first: Array,
) -> Critics | tuple[()]:
    r"""Critics after steps down their temporal-difference errors, as in the updates of MAStAC.

    Targets take the actions of the present policies. Rewards are centred: that shifts values by
    numbers that no action changes, and what is left is of size one.

    **Arguments:**

    - `units`: what critics read in from now on.
    - `is_first`: critics have learnt nothing yet that new units had to preserve.
    """
    if not before:
        return before
    known, scales, work = before, _scales_in(units), work_of(spec.env, spec.settings)
    spec = spec._replace(critic_optimizer=_adam(spec))
    draw = replay_buffer(len(stored.episodes.rewards), spec.settings.batch_size).draw

    def in_new_units(stacks: tuple[MLP, ...]) -> tuple[MLP, ...]:
        moved = tuple(
            rescaled_critics(bucket, stack, known.scales, scales)
            for bucket, stack in zip(spec.buckets, stacks, strict=True)
        )
        return jax.tree.map(lambda old, new: jnp.where(is_first, old, new), stacks, moved)

    def one_step(number: Int[Array, ""], now: Critics) -> Critics:
        batch = draw(*stored, jax.random.fold_in(key, number))
        batch = batch._replace(rewards=batch.rewards - units.reward_center[None])
        learner = LearnerState(actors, now.critics, (), now.targets, (), now.optimizers, scales)
        updated = update_critics(
            spec,
            learner,
            *batch_inputs(spec, batch, actors, scales=scales),
            rewards_of_values(spec, batch, scales),
            due=True,
        )
        return Critics(updated.critics, updated.targets, updated.optimizers, scales)

    steps = work.critic_steps * jnp.where(is_first, work.first_fits, work.fits)
    critics, targets = in_new_units(known.critics), in_new_units(known.targets)
    moved = Critics(critics, targets, known.optimizers, scales)
    return jax.lax.fori_loop(0, steps, one_step, moved)


def terminal_values(
    spec: LearnerSpec, known: Critics
) -> Callable[[Array, Array, Array], Float[Array, "batch values"]]:
    """`(states, actions, times) -> values`, in the environment's units; differentiable."""

    def values(states: Array, actions: Array, times: Array) -> Float[Array, "batch values"]:
        read = CriticInputs(
            states=state_inputs(spec.env, states, known.scales),
            actions=action_inputs(spec.env, jnp.moveaxis(actions, 0, -1), known.scales),
            time=time_inputs(spec, times),
            step=times,
        )
        return values_at(spec, known.critics, read).T / reward_factor(spec, known.scales)

    return values


def _adam(spec: LearnerSpec) -> optax.GradientTransformation:
    return optax.adam(spec.settings.critic_lr)


def _scales_in(units: Units) -> Scales:
    """The units of local models as those of critics, which have one for the rewards of all."""
    reward = jnp.sqrt(jnp.mean(units.reward_scale**2))
    named = units._asdict()
    return Scales(*(named[name] for name in Scales._fields[:-1]), reward=reward)
