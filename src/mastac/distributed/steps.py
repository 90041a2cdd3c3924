"""What agents learn from what they heard, and what they answer. Pure functions of their rows.

They call the same actor and critic steps as the learner of one process.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from mastac.agents.actors import Actor
from mastac.agents.networks import MLP, each_member
from mastac.distributed.own import Own, OwnCritics, some_actors
from mastac.learning.actor_step import (
    action_gradient,
    actor_step,
    first_twins,
    pays_for_saturation,
    saturation_cost,
    slot_gradients,
)
from mastac.learning.buffer import Batch
from mastac.learning.critic_inputs import (
    CriticInputs,
    critic_input,
    reward_factor,
    step_discount,
    time_inputs,
)
from mastac.learning.critic_step import update_term
from mastac.learning.presence import sample_weights
from mastac.learning.spec import LearnerSpec, LearnerState, actors_due, is_due

ByAgent = Float[Array, "own act batch"]
BySlot = Float[Array, "own slots act batch"]


def proposed(
    spec: LearnerSpec, own: Own, state: LearnerState, batch: Batch, key: PRNGKeyArray
) -> tuple[ByAgent, ByAgent]:
    r"""$a'_k = \pi'_k(o'_k)$ and $a_k = \pi_k(o_k)$ for a batch of what agents observed."""
    mine = some_actors(spec.actors, own)
    obs, next_obs = batch_last(batch.obs), batch_last(batch.next_obs)
    settings = spec.settings
    if settings.target_noise > 0:
        noise = settings.target_noise, settings.target_noise_clip
        targets = mine.smoothed(state.target_actors, next_obs, *noise, key)
    else:
        targets = mine.apply(state.target_actors, next_obs)
    return targets, mine.apply(state.actors, obs)


def batch_last(stored: Any) -> Float[Array, "own obs batch"]:
    """What agents observed of a batch, which every replay of theirs holds."""
    return jnp.moveaxis(stored, 0, -1)


def stored_actions(own: Own, batch: Batch) -> BySlot:
    """The replayed actions that agents heard, as what stands in for actions that did not arrive."""
    slots, act = own.action_center.shape[1:]
    return jnp.moveaxis(batch.actions, 0, -1).reshape(len(own.agents), slots, act, -1)


class Judged(NamedTuple):
    """What comes of an update's critics: the learner, slopes by slot, loss and value by agent."""

    state: LearnerState
    slopes: BySlot
    losses: Float[Array, " own"]
    values: Float[Array, " own"]


def judged(
    spec: LearnerSpec,
    own: Own,
    state: LearnerState,
    batch: Batch,
    targets: BySlot,
    policies: BySlot,
    is_void: Bool[Array, " own"],
    count: Any,
) -> Judged:
    r"""All own critics one step on, and the slopes $\partial Q_i / \partial a_k$ before it.

    **Arguments:**

    - `batch`: what agents hold of the samples; `alive` marks those that are complete.
    - `targets`, `policies`: what was heard of [`proposed`][mastac.distributed.steps.proposed].
    - `is_void`: whose critic takes no step, since it lacks what the others would do.
    """
    now, after, at_policies = _inputs(spec, own, batch, targets, policies)
    weights = None if batch.alive is None else sample_weights(batch.alive.T)
    rewards = reward_factor(spec) * batch.rewards.T
    counts = None if batch.alive is None else batch.alive.T
    due = is_due(spec.settings, count)
    step = update_term(spec, step_discount(spec, batch), rewards, due, counts)
    critics, target_critics, optimizers, figures = [], [], [], []
    slopes = jnp.zeros(own.sources.shape + targets.shape[2:])
    parts = (state.critics, state.target_critics, state.critic_optimizers, own.critics)
    for stack, target_stack, optimizer_stack, part in zip(*parts, strict=True):
        source = at_policies if spec.settings.others_actions == "policy" else now
        found = _slopes(spec, part, stack, source, at_policies, own.sources.shape[1])
        if weights is not None:  # each critic's mean is over its own complete samples
            found = found * (weights * weights.shape[1])[part.places][:, None, None]
        slopes = slopes.at[part.places].set(found)
        before = (stack, target_stack, optimizer_stack)
        *updated, loss, value = _stepped(spec, part, step, before, now, after)
        kept = is_void[part.places]
        for into, new, old in zip(
            (critics, target_critics, optimizers), updated, before, strict=True
        ):
            into.append(jax.tree.map(lambda a, b, kept=kept: _chosen(kept, b, a), new, old))
        figures.append((part.places, loss, value))
    nothing = jnp.zeros(len(own.agents))
    losses, values = nothing, nothing
    for places, loss, value in figures:
        losses, values = losses.at[places].set(loss), values.at[places].set(value)
    state = state._replace(
        critics=tuple(critics),
        target_critics=tuple(target_critics),
        critic_optimizers=tuple(optimizers),
    )
    return Judged(state, slopes, losses, values)


def improved(
    spec: LearnerSpec,
    own: Own,
    state: LearnerState,
    batch: Batch,
    slopes: ByAgent,
    count: Any,
) -> tuple[LearnerState, Float[Array, " own"]]:
    r"""All own actors one step up $\nabla_{a_i} \hat Q_i$, the sum of the slopes that arrived.

    **Returns:** the learner after it, and the norms of the gradients.
    """
    mine = spec._replace(actors=some_actors(spec.actors, own))
    obs = batch_last(batch.obs)
    center, scale = own.action_center[:, 0, :, None], own.action_scale[:, 0, :, None]

    def gradient() -> Actor:
        def acted(weights: Actor) -> ByAgent:
            return (mine.actors.apply(weights, obs) - center) / scale

        _, pull_back = jax.vjp(acted, state.actors)
        (found,) = pull_back(slopes / slopes.shape[-1])
        if pays_for_saturation(spec):
            cost = jax.grad(lambda weights: -saturation_cost(mine, weights, obs))(state.actors)
            found = jax.tree.map(jnp.add, found, cost)
        return found

    moved = actor_step(mine, state, gradient, actors_due(spec.settings, count))
    after = state._replace(
        actors=moved.actors, target_actors=moved.targets, actor_optimizer=moved.optimizers
    )
    return after, moved.norms


def _inputs(
    spec: LearnerSpec, own: Own, batch: Batch, targets: BySlot, policies: BySlot
) -> tuple[CriticInputs, CriticInputs, CriticInputs]:
    """What critics gather from: now, after, and now with the policies' actions; an axis of own."""

    def states(rows: Float[Array, "batch own heard"]) -> Float[Array, "own features batch"]:
        split = rows.reshape(len(rows), *own.state_center.shape)
        scaled = (split - own.state_center[None]) / own.state_scale[None]
        return _padded(jnp.moveaxis(scaled.reshape(*rows.shape[:2], -1), 0, -1))

    def actions(rows: BySlot) -> Float[Array, "own features batch"]:
        scaled = (rows - own.action_center[..., None]) / own.action_scale[..., None]
        return _padded(scaled.reshape(len(rows), -1, rows.shape[-1]))

    replayed = actions(stored_actions(own, batch))
    now = CriticInputs(states(batch.state), replayed, time_inputs(spec, batch.time), batch.time)
    after = CriticInputs(
        states(batch.next_state),
        actions(targets),
        time_inputs(spec, batch.next_time),
        batch.next_time,
    )
    return now, after, now._replace(actions=actions(policies))


def _padded(features: Float[Array, "own features batch"]) -> Float[Array, "own rows batch"]:
    """With the row of zeros that padded places of a layout read."""
    return jnp.pad(features, ((0, 0), (0, 1), (0, 0)))


def _of(inputs: CriticInputs, place: Int[Array, ""]) -> CriticInputs:
    """What one agent's critic gathers from."""
    return inputs._replace(states=inputs.states[place], actions=inputs.actions[place])


def _stepped(
    spec: LearnerSpec,
    part: OwnCritics,
    step: Any,
    stacks: tuple[Any, Any, Any],
    now: CriticInputs,
    after: CriticInputs,
) -> Any:
    """Critics, targets and optimizers of one stack after their step, losses and values."""
    bucket = part.bucket

    def one(members: Any, place: Array, scale: Any, rows: Any) -> Any:
        x, x_after = (critic_input(_of(inputs, place), *rows) for inputs in (now, after))
        return step(*members, place, scale, x, x_after)

    rows = jnp.asarray(bucket.state_rows), jnp.asarray(bucket.action_rows)
    places = jnp.asarray(part.places)
    return each_member(one, stacks, places, part.scale, rows, chunk=spec.chunk)


def _slopes(
    spec: LearnerSpec,
    part: OwnCritics,
    stack: MLP,
    source: CriticInputs,
    at_policies: CriticInputs,
    num_slots: int,
) -> Float[Array, "critics slots act batch"]:
    """The slopes of one stack of critics in every action that they are credited to, by slot."""
    bucket = part.bucket
    at_once = spec.settings.others_actions == "policy"
    of_all = at_once and bucket.slot_rows.shape[1] > 1
    features = at_policies.actions.shape[1]

    def one(critic: MLP, place: Array, rows: Any, slots: Any) -> Array:
        x = critic_input(_of(source, place), *rows)
        if of_all:
            found = action_gradient(bucket)(critic, x)
            return jnp.zeros((features, x.shape[1])).at[rows[1]].add(found * slots[2][:, None])
        replaced = None if at_once else at_policies.actions[place]
        found = slot_gradients(bucket, replaced)(critic, slots[0], slots[1], x)
        return jnp.zeros((features, x.shape[1])).at[slots[1]].add(found * slots[3][:, None, None])

    (critics,) = first_twins(spec, (stack,))
    rows = jnp.asarray(bucket.state_rows), jnp.asarray(bucket.action_rows)
    slots = (bucket.slot_columns, bucket.slot_rows, bucket.credit, bucket.slot_credit)
    slots = tuple(map(jnp.asarray, slots))
    given = (critics, jnp.asarray(part.places), rows, slots)
    found = each_member(one, *given, chunk=spec.chunk)[:, :-1]
    return found.reshape(len(found), num_slots, -1, found.shape[-1])


def _chosen(choice: Bool[Array, " critics"], one: Array, other: Array) -> Array:
    """`one` for the members that are chosen, else `other`."""
    return jnp.where(choice.reshape(-1, *[1] * (one.ndim - 1)), one, other)
