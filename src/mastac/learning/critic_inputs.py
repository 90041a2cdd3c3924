"""A batch as rows of features, the form that critics gather from."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray
from scipy.sparse import csr_array

from mastac.agents.networks import MLP
from mastac.envs.base import Environment
from mastac.learning.buffer import Batch, Episode
from mastac.learning.spec import LearnerSpec


class Rows(NamedTuple):
    """States, actions and time, one row for each feature; the last row of states and of actions is zero.

    `step` is the time as a number of steps, which chooses what critics of time-varying couplings
    may read.
    """

    states: Float[Array, "rows batch"]
    actions: Float[Array, "rows batch"]
    time: Float[Array, "times batch"]
    step: Int[Array, " batch"]


def append_zeros(rows: Array) -> Array:
    """The row of zeros that padded places of a layout read."""
    return jnp.concatenate([rows, jnp.zeros((1, rows.shape[1]), rows.dtype)])


def state_rows(
    env: Environment, state: Float[Array, "batch agents state"]
) -> Float[Array, "rows batch"]:
    """States centred and scaled as the environment declares, one row for each feature."""
    rows = (state - env.state_center) / env.state_scale
    return append_zeros(rows.reshape(len(state), -1).T)


def action_units(env: Environment) -> tuple[np.ndarray, np.ndarray]:
    """Centre and scale `[agents, act]` of the actions that critics read."""
    shape = (env.num_agents, int(env.action_sizes.max()))
    scale = env.action_limit if env.action_scale is None else env.action_scale
    center = np.broadcast_to(env.action_center, shape).astype(np.float32)
    return center, np.broadcast_to(scale, shape).astype(np.float32)


def action_rows(
    env: Environment, actions: Float[Array, "agents act batch"]
) -> Float[Array, "rows batch"]:
    """Actions centred and scaled as the environment declares, one row for each feature."""
    center, scale = action_units(env)
    return append_zeros(
        ((actions - center[:, :, None]) / scale[:, :, None]).reshape(-1, actions.shape[-1])
    )


def time_rows(spec: LearnerSpec, time: Int[Array, " batch"]) -> Float[Array, "times batch"]:
    """The share of the episode that is over, told to critics that know the horizon."""
    if not spec.settings.finite_horizon:
        return jnp.zeros((0, len(time)), jnp.float32)
    return (2.0 * time / spec.env.horizon - 1.0)[None, :].astype(jnp.float32)


def observations(
    env: Environment, state: Float[Array, "batch agents state"], time: Int[Array, " batch"]
) -> Float[Array, "agents obs batch"]:
    """What every agent sees of a batch of states."""
    return jnp.moveaxis(jax.vmap(env.observed)(state, time), 0, -1)


def critic_input(
    rows: Rows, reads_states: Array, reads_actions: Array, open: Array | None = None
) -> Float[Array, "width batch"]:
    """What one critic reads of a batch: the states and actions of its set, and the time.

    `open` `[times, width]`: what is in its set at which time, the rest reads as zero; `None`: all
    of it always.
    """
    read = jnp.concatenate([rows.states[reads_states], rows.actions[reads_actions]])
    if open is not None:
        read = read * open_at(open, rows.step)
    return jnp.concatenate([read, rows.time])


def open_at(
    open: Bool[Array, "times width"], step: Int[Array, " batch"]
) -> Float[Array, "width batch"]:
    """1 where an input is in the set at the time of a sample, else 0. After the last step nothing more is read."""
    return open.at[step].get(mode="fill", fill_value=False).T.astype(jnp.float32)


def rewards_of_values(spec: LearnerSpec, batch: Batch) -> Float[Array, "values batch"]:
    """What each value predicts of a step: its own agent's reward, or the layout's weighted sum."""
    return predicted_rewards(spec, batch.rewards.T)


def predicted_rewards(
    spec: LearnerSpec, rewards: Float[Array, "agents batch"]
) -> Float[Array, "values batch"]:
    """The agents' rewards, weighted and summed as each value predicts them, and scaled."""
    scale = spec.settings.reward_scale
    weights = spec.layout.rewards.tocoo()
    agents, values = spec.layout.num_agents, spec.layout.num_values
    num_rows = len(spec.layout.rewards.indptr) - 1
    identity = weights.nnz == agents == values == num_rows
    if identity and (weights.row == weights.col).all() and (weights.data == 1).all():
        return scale * rewards
    if weights.nnz == agents * num_rows:
        total = jnp.asarray(weights.toarray(), jnp.float32) @ rewards
    else:
        total = weighted_sums(spec.layout.rewards, rewards)
    # One row of weights stands for all values: they predict the same.
    return jnp.broadcast_to(scale * total, (values, rewards.shape[1]))


def rewards_along(spec: LearnerSpec, rollout: Episode) -> Float[Array, "values episodes time"]:
    """What each value predicts of every step of a rollout."""
    episodes, steps, agents = rollout.rewards.shape
    rewards = predicted_rewards(spec, rollout.rewards.reshape(episodes * steps, agents).T)
    return rewards.reshape(-1, episodes, steps)


def weighted_sums(
    weights: csr_array, rows: Float[Array, "columns batch"]
) -> Float[Array, "rows batch"]:
    """`weights @ rows`, at the cost of the weights that are not zero."""
    entries = weights.tocoo()
    weighted = rows[entries.col] * entries.data.astype(np.float32)[:, None]
    return jax.ops.segment_sum(weighted, entries.row, len(weights.indptr) - 1)


def batch_rows(
    spec: LearnerSpec, batch: Batch, target_actors: MLP, key: PRNGKeyArray | None = None
) -> tuple[Rows, Rows, Float[Array, " batch"]]:
    """The batch as rows, now and at its next states with the target policies' actions, and the discount of each.

    With `target_noise` the target policies' actions are perturbed, by what `key` chooses.
    """
    settings = spec.settings
    next_obs = observations(spec.env, batch.next_state, batch.next_time)
    if settings.target_noise > 0:
        noise, clip = settings.target_noise, settings.target_noise_clip
        return rows_with(
            spec, batch, spec.actors.smoothed(target_actors, next_obs, noise, clip, key)
        )
    return rows_with(spec, batch, spec.actors.apply(target_actors, next_obs))


def rows_with(
    spec: LearnerSpec, batch: Batch, next_actions: Float[Array, "agents act batch"]
) -> tuple[Rows, Rows, Float[Array, " batch"]]:
    """The batch as rows, now and at its next states with these actions, and the discount of each."""
    env, settings = spec.env, spec.settings
    now = Rows(
        states=state_rows(env, batch.state),
        actions=action_rows(env, jnp.moveaxis(batch.actions, 0, -1)),
        time=time_rows(spec, batch.time),
        step=batch.time,
    )
    after = Rows(
        states=state_rows(env, batch.next_state),
        actions=action_rows(env, next_actions),
        time=time_rows(spec, batch.next_time),
        step=batch.next_time,
    )
    # The end of an episode is a time limit: only critics that know the horizon may stop there.
    is_last = batch.next_time == env.horizon
    over_steps = (
        settings.discount
        if batch.ahead is None
        else settings.discount ** batch.ahead.astype(jnp.float32)
    )
    discount = over_steps * jnp.where(is_last & settings.finite_horizon, 0.0, 1.0)
    return now, after, discount.astype(jnp.float32)
