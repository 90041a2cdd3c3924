"""The coordinated update: agents step in sequence, each seeing the steps of those before it.

Section 4.1 of the paper, the loop over agents of Algorithm 1 taken at its word. The cost is linear
in the sum of the sets, as in the simultaneous update: an agent's step moves its own actor and
critic, and the actions that the critics behind it read.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from mastac.agents.actors import Actor
from mastac.agents.networks import MLP
from mastac.learning.actor_step import acts_with_slopes, pays_for_saturation
from mastac.learning.buffer import Batch, replay_of
from mastac.learning.critic_inputs import (
    CriticInputs,
    action_inputs,
    action_units,
    batch_inputs,
    critic_input,
    open_at,
    rewards_of_values,
)
from mastac.learning.critic_step import update_term
from mastac.learning.observing import next_observations_of, observations_of
from mastac.learning.presence import read_of, sample_mean, sample_weights, values_alive
from mastac.learning.schedule import after_episodes
from mastac.learning.spec import (
    LearnerSpec,
    LearnerState,
    Metrics,
    UpdateKind,
    input_scale,
    optimizer_step,
    polyak_update,
)
from mastac.learning.updates.simultaneous import begin_with_offset, explore_by_noise


class CreditedCritics(NamedTuple):
    """For each agent, the critics that it is credited with ($I_{GD}^i$) and where these read it.

    - `terms`, `weight`: numbers of the critics, and the weight of each; filled with critic 0 at
        weight 0.
    - `columns`: places of the agent's action among those that the critic reads; filled with their
        number, where nothing is.
    """

    terms: Int[Array, "agents most"]
    weight: Float[Array, "agents most"]
    columns: Int[Array, "agents most act"]


def credited_critics(spec: LearnerSpec) -> CreditedCritics:
    """The rows of `useful_credit`, padded to the largest, with the columns of the one bucket."""
    (bucket,) = spec.buckets
    credit = spec.layout.useful_credit()
    most, width = int(np.diff(credit.indptr).max()), bucket.action_rows.shape[1]
    agents, act = spec.layout.num_agents, bucket.slot_columns.shape[2]
    terms, weight = np.zeros((agents, most), np.int32), np.zeros((agents, most), np.float32)
    columns = np.full((agents, most, act), width, np.int32)
    for agent in range(agents):
        row = slice(credit.indptr[agent], credit.indptr[agent + 1])
        for place, (term, value) in enumerate(
            zip(credit.indices[row], credit.data[row], strict=True)
        ):
            slot = int(np.flatnonzero(bucket.slot_agents[term] == agent)[0])
            terms[agent, place], weight[agent, place] = term, value
            columns[agent, place] = bucket.slot_columns[term, slot]
    return CreditedCritics(jnp.asarray(terms), jnp.asarray(weight), jnp.asarray(columns))


def member(stack: Any, index: Array) -> Any:
    """One agent's part of a stack."""
    return jax.tree.map(lambda leaf: leaf[index], stack)


def with_member(stack: Any, index: Array, new: Any) -> Any:
    """The stack with one agent's part replaced."""
    return jax.tree.map(lambda leaf, value: leaf.at[index].set(value), stack, new)


class Turn(NamedTuple):
    """What one agent hands to the next.

    - `state`: all weights, those of the agents before it after their steps.
    - `policy_inputs`, `next_inputs`: what the policies, and at the next states the target policies,
        as they are now do in the batch.
    """

    state: LearnerState
    policy_inputs: Float[Array, "features batch"]
    next_inputs: Float[Array, "features batch"]


class Fixed(NamedTuple):
    """What stays the same for all agents of one update; `key` draws where they choose."""

    spec: LearnerSpec
    credited: CreditedCritics
    now: CriticInputs
    after: CriticInputs
    obs: Float[Array, "agents obs batch"]
    next_obs: Float[Array, "agents obs batch"]
    scales: Any
    key: PRNGKeyArray | None


def action_of(
    fixed: Fixed,
    weights: Actor,
    agent: Array,
    obs: Float[Array, "agents obs batch"],
    alive: Any,
    key: PRNGKeyArray | None = None,
) -> Float[Array, "act batch"]:
    """What one agent's actor does, in the critics' units; zeros where it is not there.

    It is greedy unless `key` draws; then choices have slopes.
    """
    spec = fixed.spec
    center, scale = (
        jnp.asarray(unit)[agent][:, None] for unit in action_units(spec.env, fixed.scales)
    )
    constants = (constant[agent] for constant in spec.actors.constants)
    if key is None:
        action = spec.actors.one(weights, obs[agent], *constants)
    else:
        agents_key = jax.random.fold_in(key, agent)
        action = spec.actors.one_with_slopes(weights, obs[agent], *constants, key=agents_key)
    action = (action - center) / scale
    return action if alive is None else jnp.where(alive[agent][None], action, 0.0)


def credited_value(fixed: Fixed, weights: Actor, agent: Array, turn: Turn) -> Float[Array, ""]:
    r"""Batch mean of $\hat Q_i$ (eq. 11) where agent `i` acts by `weights`; differentiated in them.

    The others act by their policies as they are now, or as in the replay (`others_actions`).
    """
    spec, now = fixed.spec, fixed.now
    (bucket,) = spec.buckets
    reads_states, reads_actions = jnp.asarray(bucket.state_rows), jnp.asarray(bucket.action_rows)
    action = action_of(fixed, weights, agent, fixed.obs, now.alive, fixed.key)
    counts, own = values_alive(spec, now.alive), sample_weights(now.alive)
    base = turn.policy_inputs if spec.settings.others_actions == "policy" else now.actions

    def value(critic: MLP, term: Array, columns: Array) -> Array:
        read = base[reads_actions[term]].at[columns].set(action, mode="drop")
        read = jnp.concatenate([now.states[reads_states[term]], read])
        if bucket.open is not None:
            read = read * open_at(jnp.asarray(bucket.open)[term], now.step)
        values = critic(jnp.concatenate([read, now.time]))[0]
        weights = None if counts is None or own is None else own[agent] * counts[term]
        return sample_mean(values, weights)

    terms, columns = fixed.credited.terms[agent], fixed.credited.columns[agent]
    values = jax.vmap(value)(member(turn.state.critics[0], terms), terms, columns)
    return fixed.credited.weight[agent] @ values - saturation_of(fixed, weights, agent, own)


def saturation_of(fixed: Fixed, weights: Actor, agent: Array, present: Any) -> Any:
    """What one agent's logits cost where its head is flat; see `saturation_cost`."""
    spec = fixed.spec
    if not pays_for_saturation(spec):
        return 0.0
    mask = spec.actors.constants.mask[agent][:, None]
    beyond = spec.actors.head.saturation(weights(fixed.obs[agent]), mask, axis=0)
    counts = None if present is None else present[agent]
    return 0.5 * spec.settings.saturation_cost * sample_mean((beyond**2).sum(0), counts)


def coordinated_update(
    spec: LearnerSpec,
    state: LearnerState,
    batch: Batch,
    key: PRNGKeyArray | None = None,
    count: Any = 0,
) -> tuple[LearnerState, Metrics]:
    """Lines 12 to 22 of Algorithm 1, one agent after the other: actor, critic, both targets."""
    (bucket,) = spec.buckets
    scales = input_scale(bucket, spec.settings)
    now, after, discount = batch_inputs(spec, batch, state.target_actors, scales=state.scales)
    obs, next_obs = observations_of(spec.env, batch), next_observations_of(spec.env, batch)
    fixed = Fixed(spec, credited_critics(spec), now, after, obs, next_obs, state.scales, key)
    rewards = rewards_of_values(spec, batch, state.scales)
    one_term = update_term(spec, discount, rewards, counts=values_alive(spec, now.alive))
    act, tau = spec.actors.constants.mask.shape[1], spec.settings.tau

    def one_agent(turn: Turn, agent: Array) -> tuple[Turn, tuple[Array, Array, Array]]:
        old = turn.state
        weights, optimizer = member((old.actors, old.actor_optimizer), agent)
        gradient = jax.grad(lambda actor: credited_value(fixed, actor, agent, turn))(weights)
        descent = jax.tree.map(jnp.negative, gradient)
        weights, optimizer = optimizer_step(spec.actor_optimizer, weights, descent, optimizer)
        target_actor = polyak_update(member(old.target_actors, agent), weights, tau)

        reads = [jnp.asarray(bucket.state_rows)[agent], jnp.asarray(bucket.action_rows)[agent]]
        reads += [] if bucket.open is None else [jnp.asarray(bucket.open)[agent]]
        critic, target, critic_optimizer, loss, value = one_term(
            member(old.critics[0], agent),
            member(old.target_critics[0], agent),
            member(old.critic_optimizers[0], agent),
            agent,
            None if scales is None else scales[agent],
            critic_input(now, *reads),
            critic_input(after._replace(actions=turn.next_inputs), *reads),
        )
        state = LearnerState(
            actors=with_member(old.actors, agent, weights),
            critics=(with_member(old.critics[0], agent, critic),),
            target_actors=with_member(old.target_actors, agent, target_actor),
            target_critics=(with_member(old.target_critics[0], agent, target),),
            actor_optimizer=with_member(old.actor_optimizer, agent, optimizer),
            critic_optimizers=(with_member(old.critic_optimizers[0], agent, critic_optimizer),),
            scales=old.scales,
        )
        replace = jax.lax.dynamic_update_slice_in_dim
        action = action_of(fixed, weights, agent, obs, now.alive, fixed.key)
        next_action = action_of(fixed, target_actor, agent, next_obs, after.alive)
        following = Turn(
            state=state,
            policy_inputs=replace(turn.policy_inputs, action, agent * act, 0),
            next_inputs=replace(turn.next_inputs, next_action, agent * act, 0),
        )
        return following, (loss, value, optax.tree.norm(gradient))

    drawn = acts_with_slopes(spec, state.actors, obs, key)
    policy_inputs = read_of(action_inputs(spec.env, drawn, state.scales), now.alive)
    first = Turn(state, policy_inputs, after.actions)
    last, metrics = jax.lax.scan(one_agent, first, jnp.arange(spec.env.num_agents))
    return last.state, Metrics(*metrics)


UPDATE = UpdateKind(
    update=coordinated_update,
    explore=explore_by_noise,
    begin=begin_with_offset,
    buffer=replay_of,
    schedule=after_episodes,
    one_stack=True,
)
