"""The coordinated update: agents step in sequence, each seeing the updates of those before it (Section 4.1)."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, PRNGKeyArray

from mastac.agents.networks import MLP
from mastac.learning.buffer import Batch
from mastac.learning.critic_inputs import (
    action_rows,
    action_units,
    batch_rows,
    critic_input,
    observations,
    open_at,
    rewards_of_values,
)
from mastac.learning.spec import (
    LearnerSpec,
    LearnerState,
    Metrics,
    input_scale,
    optimizer_step,
    polyak_update,
)
from mastac.learning.updates.simultaneous import update_term


class Advised(NamedTuple):
    """For each agent, the critics in its gradient dependency set and where they read its action.

    `terms` and `weight` `[agents, most]`, filled with critic 0 at weight 0; `columns` `[agents,
    most, act]`: places in the critic's action rows, filled with their width.
    """

    terms: Array
    weight: Array
    columns: Array


def advised(spec: LearnerSpec) -> Advised:
    """The rows of `useful_credit`, padded to the largest set, beside the columns of the one bucket of critics."""
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
    return Advised(jnp.asarray(terms), jnp.asarray(weight), jnp.asarray(columns))


def member(stack: Any, index: Array) -> Any:
    """One agent's part of a stack."""
    return jax.tree.map(lambda leaf: leaf[index], stack)


def with_member(stack: Any, index: Array, new: Any) -> Any:
    """The stack with one agent's part replaced."""
    return jax.tree.map(lambda leaf, value: leaf.at[index].set(value), stack, new)


class Turn(NamedTuple):
    """What one agent hands to the next: all weights, and the actions that the policies so far choose."""

    state: LearnerState
    policy_rows: Float[Array, "rows batch"]
    next_rows: Float[Array, "rows batch"]


def coordinated_update(
    spec: LearnerSpec,
    state: LearnerState,
    batch: Batch,
    key: PRNGKeyArray | None = None,
    count: Any = 0,
) -> tuple[LearnerState, Metrics]:
    """Algorithm 1 with the agents in sequence; cost linear in the sum of the sets, as in the simultaneous update."""
    (bucket,) = spec.buckets
    reads_states, reads_actions = jnp.asarray(bucket.state_rows), jnp.asarray(bucket.action_rows)
    advice, scales = advised(spec), input_scale(bucket, spec.settings)
    now, after, discount = batch_rows(spec, batch, state.target_actors)
    one_term = update_term(spec, discount, rewards_of_values(spec, batch))
    obs, next_obs = (
        observations(spec.env, *each)
        for each in ((batch.state, batch.time), (batch.next_state, batch.next_time))
    )
    center, scale = map(jnp.asarray, action_units(spec.env))
    act = scale.shape[1]

    def chosen(weights: MLP, agent: Array, seen: Array) -> Float[Array, "act batch"]:
        constants = (constant[agent] for constant in spec.actors.constants)
        action = spec.actors.one(weights, seen[agent], *constants)
        return (action - center[agent][:, None]) / scale[agent][:, None]

    def advice_of(weights: MLP, agent: Array, turn: Turn) -> Array:
        action = chosen(weights, agent, obs)
        base = turn.policy_rows if spec.settings.others_actions == "policy" else now.actions

        def value(critic: MLP, term: Array, columns: Array) -> Array:
            read = base[reads_actions[term]].at[columns].set(action, mode="drop")
            read = jnp.concatenate([now.states[reads_states[term]], read])
            if bucket.open is not None:
                read = read * open_at(jnp.asarray(bucket.open)[term], now.step)
            return critic(jnp.concatenate([read, now.time])).mean()

        terms = advice.terms[agent]
        values = jax.vmap(value)(member(turn.state.critics[0], terms), terms, advice.columns[agent])
        return advice.weight[agent] @ values

    def one_agent(turn: Turn, agent: Array) -> tuple[Turn, tuple[Array, Array, Array]]:
        weights, optimizer = member((turn.state.actors, turn.state.actor_optimizer), agent)
        gradient = jax.grad(advice_of)(weights, agent, turn)
        ascent = jax.tree.map(jnp.negative, gradient)
        weights, optimizer = optimizer_step(spec.actor_optimizer, weights, ascent, optimizer)
        target_actor = polyak_update(
            member(turn.state.target_actors, agent), weights, spec.settings.tau
        )

        old = turn.state
        reads = (reads_states[agent], reads_actions[agent])
        reads += () if bucket.open is None else (jnp.asarray(bucket.open)[agent],)
        critic, target, critic_optimizer, loss, value = one_term(
            member(old.critics[0], agent),
            member(old.target_critics[0], agent),
            member(old.critic_optimizers[0], agent),
            agent,
            None if scales is None else scales[agent],
            critic_input(now, *reads),
            critic_input(after._replace(actions=turn.next_rows), *reads),
        )
        new_state = LearnerState(
            actors=with_member(old.actors, agent, weights),
            critics=(with_member(old.critics[0], agent, critic),),
            target_actors=with_member(old.target_actors, agent, target_actor),
            target_critics=(with_member(old.target_critics[0], agent, target),),
            actor_optimizer=with_member(old.actor_optimizer, agent, optimizer),
            critic_optimizers=(with_member(old.critic_optimizers[0], agent, critic_optimizer),),
        )
        place = agent * act
        replaced = Turn(
            state=new_state,
            policy_rows=jax.lax.dynamic_update_slice_in_dim(
                turn.policy_rows, chosen(weights, agent, obs), place, 0
            ),
            next_rows=jax.lax.dynamic_update_slice_in_dim(
                turn.next_rows, chosen(target_actor, agent, next_obs), place, 0
            ),
        )
        return replaced, (loss, value, optax.tree.norm(gradient))

    first = Turn(state, action_rows(spec.env, spec.actors.apply(state.actors, obs)), after.actions)
    last, metrics = jax.lax.scan(one_agent, first, jnp.arange(spec.env.num_agents))
    return last.state, Metrics(*metrics)
