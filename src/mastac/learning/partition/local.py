"""The learner of one device: the updates of its own agents, with what others send.

Everything here runs on each device of a mesh, on that device's rows, within `jax.shard_map`. The
steps are those of one device (`learning/updates/simultaneous.py`); what is added is the exchange.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from mastac.agents.actors import Constants
from mastac.agents.networks import MLP
from mastac.learning.actor_step import (
    UpdatedActors,
    action_gradient,
    first_twins,
    slot_gradients,
    update_actors,
)
from mastac.learning.buffer import Batch, Episode
from mastac.learning.critic_inputs import CriticInputs, append_zeros, inputs_with, reward_factor
from mastac.learning.critic_step import UpdatedCritics, each_critic, update_term
from mastac.learning.partition.tables import Split, Tables
from mastac.learning.presence import Among
from mastac.learning.scales import Scales, remeasured
from mastac.learning.spec import LearnerSpec, LearnerState, Metrics, actors_due, is_due
from mastac.structure.halos import Exchange

AGENTS = "agents"
"""The axis of the mesh along which agents are spread."""


def received(
    exchange: Exchange,
    sends: Int[Array, " sent"],
    places: Int[Array, " needed"],
    own: Float[Array, "rows batch"],
) -> Float[Array, "needed batch"]:
    """The rows that this device needs of others; zeros where it needs none.

    **Arguments:**

    - `exchange`: says which devices send to which.
    - `sends`, `places`: its tables, of this device alone.
    - `own`: rows of this device.
    """
    arrived, at = [], 0
    for part in exchange.slices:
        rows = own[sends[at : at + part.rows]]
        arrived.append(jax.lax.ppermute(rows, AGENTS, part.pairs))
        at += part.rows
    nothing = jnp.zeros((0, own.shape[1]), own.dtype)
    return append_zeros(jnp.concatenate([nothing, *arrived]))[places]


@dataclass(frozen=True, eq=False)
class Local:
    """One device's part of a learner.

    - `spec`: with the actors and critics of this device.
    - `tables`: without the axis of devices.
    """

    split: Split
    spec: LearnerSpec
    tables: Tables

    def with_halo(self, own: Float[Array, "rows batch"]) -> Float[Array, "more batch"]:
        """Features of actions of own agents, then those of the halo's."""
        tables = self.tables
        halo = received(self.split.actions, tables.sends[0], tables.places[0], own)
        return jnp.concatenate([own, halo])

    def with_credited(self, own: Float[Array, "rows batch"]) -> Float[Array, "more batch"]:
        """The same, of those agents alone that are credited here; zeros of the others."""
        tables = self.tables
        halo = received(self.split.slopes, tables.sends[1], tables.places[1], own)
        return jnp.concatenate([own, halo])

    def given_back(self, slopes: Float[Array, "more batch"]) -> Float[Array, "rows batch"]:
        """Slopes in own actions, of own critics and of those of other devices.

        What is sent back is the transpose of what was sent.
        """
        rows = self.tables.limit.size
        like = jax.ShapeDtypeStruct((rows, slopes.shape[1]), slopes.dtype)
        (total,) = jax.linear_transpose(self.with_credited, like)(slopes)
        return total


def local_part(split: Split, tables: Tables) -> Local:
    """A device's part, from its tables."""
    spec, constants = split.spec, Constants(tables.limit, tables.mask)
    among = (spec.env.num_agents, tables.agents)
    actors = replace(spec.actors, constants=constants, among=among)
    return Local(split, spec._replace(actors=actors, buckets=tables.buckets), tables)


def split_update(
    local: Local, state: LearnerState, batch: Batch, key: PRNGKeyArray | None, count: Any
) -> tuple[LearnerState, Metrics]:
    """`simultaneous_update` of the agents of this device.

    **Arguments:**

    - `state`: of its own agents.
    - `batch`: states and actions of its own agents and its halo; rewards and observations of its
        own.
    """
    spec, tables = local.spec, local.tables
    due = is_due(spec.settings, count)
    next_actions = _target_actions(local, state, batch, key)
    units = state.scales or tables.units
    now, after, discount = inputs_with(spec, batch, next_actions, units)

    def gradient_at(policy_inputs: Float[Array, "features batch"]) -> Array:
        return action_slopes(local, state.critics, now, policy_inputs)

    in_units = state._replace(scales=_of_own(units, len(tables.agents)))
    moving = actors_due(spec.settings, count)
    actors: UpdatedActors = update_actors(spec, in_units, batch, gradient_at, moving, key)
    rewards = reward_factor(spec, units) * batch.rewards.T
    critics = _updated_critics(local, state, now, after, discount, rewards, due)
    metrics = Metrics(critics.losses, critics.values, actors.norms, moving)
    return state.stepped(actors, critics), metrics


def remeasured_here(
    local: Local, state: LearnerState, store: Episode, count: Array, is_first: Array
) -> LearnerState:
    """`remeasured` of the agents of this device, and of what it holds of its halo.

    Every device measures the states and actions that it reads from its own replay, and so finds
    what their owners find. Only the reward's scale is a mean over all devices.
    """
    tables, agents = local.tables, local.spec.env.num_agents

    def mean(own: Float[Array, " own"]) -> Float[Array, ""]:
        return jax.lax.psum(jnp.where(tables.is_real, own, 0.0).sum(), AGENTS) / agents

    among = Among(tables.read_mask, mean)
    return remeasured(local.spec, state, store, count, is_first, among)


def _of_own(units: Scales, own: int) -> Scales:
    """Units of a device's own agents, which stand first."""
    return Scales(
        units.state_center[:own],
        units.state_scale[:own],
        units.action_center[:own],
        units.action_scale[:own],
        units.reward,
    )


def _target_actions(
    local: Local, state: LearnerState, batch: Batch, key: PRNGKeyArray | None
) -> Float[Array, "agents act batch"]:
    """What the target policies of own agents and of the halo do at the next states."""
    spec, seen = local.spec, batch.next_obs
    assert seen is not None
    obs, settings = jnp.moveaxis(seen, 0, -1), spec.settings
    if settings.target_noise > 0:
        assert key is not None
        noise, clip = settings.target_noise, settings.target_noise_clip
        own = spec.actors.smoothed(state.target_actors, obs, noise, clip, key)
    else:
        own = spec.actors.apply(state.target_actors, obs)
    everyone = local.with_halo(own.reshape(-1, own.shape[-1]))
    return everyone.reshape(-1, *own.shape[1:])


def action_slopes(
    local: Local,
    critics: tuple[MLP, ...],
    inputs: CriticInputs,
    policy_inputs: Float[Array, "features batch"],
) -> Float[Array, "features batch"]:
    """`action_gradients` of own agents: slopes of all critics of the mesh that are credited.

    **Arguments:**

    - `inputs`: the replayed states and actions, of own agents and of the halo.
    - `policy_inputs`: what the current policies of own agents do, and a row of zeros.
    """
    spec = local.spec
    at_policies = spec.settings.others_actions == "policy"
    send: Callable[[Array], Array] = local.with_halo if at_policies else local.with_credited
    policies = append_zeros(send(policy_inputs[:-1]))
    source = inputs._replace(actions=policies) if at_policies else inputs
    total = jnp.zeros_like(policies)
    for bucket, stack in zip(spec.buckets, first_twins(spec, critics), strict=True):
        if at_policies and bucket.slot_rows.shape[1] > 1:
            one = action_gradient(bucket)
            gradient = each_critic(one, bucket, [source], stack, chunk=spec.chunk)
            weight, place = bucket.credit, bucket.action_rows
        else:
            one = slot_gradients(bucket, None if at_policies else policies)
            slots = [bucket.slot_columns, bucket.slot_rows]
            gradient = each_critic(one, bucket, [source], stack, chunk=spec.chunk, more=slots)
            weight, place = bucket.slot_credit[:, :, None], bucket.slot_rows
        total = total.at[place].add(gradient * weight[..., None])
    return append_zeros(local.given_back(total[:-1]))


def _updated_critics(
    local: Local,
    state: LearnerState,
    now: CriticInputs,
    after: CriticInputs,
    discount: Array,
    rewards: Float[Array, "own batch"],
    due: Any,
) -> UpdatedCritics:
    """`update_critics` of the critics on this device."""
    spec, tables = local.spec, local.tables
    one = update_term(spec, discount, rewards, due)
    losses = values = jnp.zeros(len(rewards))
    stepped = []
    for place, bucket in enumerate(spec.buckets):
        parts = (state.critics, state.target_critics, state.critic_optimizers)
        own = (*(part[place] for part in parts), bucket.terms, tables.first_weights[place])
        *after_step, loss, value = each_critic(one, bucket, [now, after], *own, chunk=spec.chunk)
        stepped.append(after_step)
        # Terms that only fill up have a place beyond the last: they are dropped.
        losses = losses.at[bucket.terms].set(loss, mode="drop")
        values = values.at[bucket.terms].set(value, mode="drop")
    critics, targets, optimizers = zip(*stepped, strict=True)
    return UpdatedCritics(critics, targets, optimizers, losses, values)
