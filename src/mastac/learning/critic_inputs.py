"""A batch as the features that critics read."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray
from scipy.sparse import csr_array

from mastac.agents.actors import Actor
from mastac.envs.base import Environment
from mastac.learning.buffer import Batch, Episode
from mastac.learning.observing import next_observations_of
from mastac.learning.presence import alive_of, read_of, values_alive
from mastac.learning.spec import LearnerSpec

Discount = Float[Array, " batch"] | Float[Array, "values batch"]
"""What the next value counts for in the target; for each value where agents may leave."""


class CriticInputs(NamedTuple):
    """What critics gather from: features in rows, samples in columns.

    - `states`, `actions`: of all agents, centred and scaled; the last row is zero, which is what
        padded places of a layout read.
    - `time`: the share of the episode that is over, for critics that are told; else no rows.
    - `step`: the same as a number of steps; it chooses what critics of time-varying couplings read.
    - `alive`: who is there; states and actions of the others read as zeros. `None`: everyone.
    """

    states: Float[Array, "features batch"]
    actions: Float[Array, "features batch"]
    time: Float[Array, "times batch"]
    step: Int[Array, " batch"]
    alive: Bool[Array, "agents batch"] | None = None


def append_zeros(features: Array) -> Array:
    """The row of zeros that padded places of a layout read."""
    return jnp.concatenate([features, jnp.zeros((1, features.shape[1]), features.dtype)])


def state_inputs(
    env: Environment, state: Float[Array, "batch agents state"], scales: Any = ()
) -> Float[Array, "features batch"]:
    """States of all agents, centred and scaled as measured, or as the environment declares."""
    if scales:
        scaled = (state - scales.state_center[None]) / scales.state_scale[None]
        return append_zeros(scaled.reshape(len(state), -1).T)
    rows = (1, env.num_agents, int(env.state_sizes.max()))
    center, scale = (
        np.broadcast_to(np.asarray(unit, np.float32), rows)
        for unit in (env.state_center, env.state_scale)
    )
    scaled = (state - center) / scale
    return append_zeros(scaled.reshape(len(state), -1).T)


def action_units(env: Environment, scales: Any = ()) -> tuple[Any, Any]:
    """Centre and scale of the actions that critics read, `[agents, act]`.

    As measured, or as the environment declares; the limit stands for a scale that it leaves open.
    """
    if scales:
        return scales.action_center, scales.action_scale
    shape = (env.num_agents, int(env.action_sizes.max()))
    scale = env.action_limit if env.action_scale is None else env.action_scale
    center = np.broadcast_to(env.action_center, shape).astype(np.float32)
    return center, np.broadcast_to(scale, shape).astype(np.float32)


def action_inputs(
    env: Environment, actions: Float[Array, "agents act batch"], scales: Any = ()
) -> Float[Array, "features batch"]:
    """Actions of all agents, centred and scaled as in `action_units`."""
    center, scale = action_units(env, scales)
    return append_zeros(
        ((actions - center[:, :, None]) / scale[:, :, None]).reshape(-1, actions.shape[-1])
    )


def time_inputs(spec: LearnerSpec, time: Int[Array, " batch"]) -> Float[Array, "times batch"]:
    """The share of the episode that is over, from -1 to 1, for critics that know the horizon."""
    if not spec.settings.finite_horizon:
        return jnp.zeros((0, len(time)), jnp.float32)
    return (2.0 * time.astype(jnp.float32) / spec.env.horizon - 1.0)[None, :]


def critic_input(
    inputs: CriticInputs, reads_states: Array, reads_actions: Array, open: Array | None = None
) -> Float[Array, "width batch"]:
    r"""What one critic reads of a batch: $(s_{I_Q^i}, a_{I_Q^i})$ and the time.

    **Arguments:**

    - `reads_states`, `reads_actions`: the features of its set.
    - `open`: `[times, width]`, what is in its set at which time, the rest reads as zero; `None`:
        all of it always.
    """
    read = jnp.concatenate([inputs.states[reads_states], inputs.actions[reads_actions]])
    if open is not None:
        read = read * open_at(open, inputs.step)
    return jnp.concatenate([read, inputs.time])


def open_at(
    open: Bool[Array, "times width"], step: Int[Array, " batch"]
) -> Float[Array, "width batch"]:
    """1 where an input is in the set at the time of a sample, else 0.

    After the last step nothing is read.
    """
    return open.at[step].get(mode="fill", fill_value=False).T.astype(jnp.float32)


def rewards_of_values(
    spec: LearnerSpec, batch: Batch, scales: Any = ()
) -> Float[Array, "values batch"]:
    """What each value predicts of a step, for a batch from the replay."""
    return predicted_rewards(spec, batch.rewards.T, scales)


def predicted_rewards(
    spec: LearnerSpec, rewards: Float[Array, "agents batch"], scales: Any = ()
) -> Float[Array, "values batch"]:
    r"""$\sum_j w_{vj} r_j$ for every value $v$, times `reward_scale`; $w$: the layout's weights.

    Rewards come in units of the environment's `reward_scale`, as declared or measured.

    MAStAC: $r_v$ alone. Where critics predict team rewards: the mean of all.
    """
    scale = reward_factor(spec, scales)
    weights = spec.layout.rewards.tocoo()
    agents, values = spec.layout.num_agents, spec.layout.num_values
    num_rows = len(spec.layout.rewards.indptr) - 1
    identity = weights.nnz == agents == values == num_rows
    if identity and (weights.row == weights.col).all() and (weights.data == 1).all():
        return scale * rewards
    if weights.nnz == agents * num_rows:
        matrix = jnp.asarray(weights.toarray(), jnp.float32)
        # Critics that read everything are as large as a row for each value, and a product of many
        # rows rounds otherwise than that of one: their stored runs keep their last bits.
        if spec.layout.states.nnz == values * agents:
            matrix = jnp.broadcast_to(matrix, (values, agents))
        total = matrix @ rewards
    else:
        total = weighted_sums(spec.layout.rewards, rewards)
    # One row of weights stands for all values: they predict the same.
    return jnp.broadcast_to(scale * total, (values, rewards.shape[1]))


def reward_factor(spec: LearnerSpec, scales: Any = ()) -> Any:
    """What rewards are multiplied with before they reach critics."""
    return spec.settings.reward_scale / (scales.reward if scales else spec.env.reward_scale)


def rewards_along(
    spec: LearnerSpec, rollout: Episode, scales: Any = ()
) -> Float[Array, "values episodes time"]:
    """What each value predicts of every step of a rollout."""
    episodes, steps, agents = rollout.rewards.shape
    rewards = predicted_rewards(spec, rollout.rewards.reshape(episodes * steps, agents).T, scales)
    return rewards.reshape(-1, episodes, steps)


def weighted_sums(
    weights: csr_array, values: Float[Array, "columns batch"]
) -> Float[Array, "rows batch"]:
    """`weights @ values`, at the cost of the weights that are not zero."""
    entries = weights.tocoo()
    weighted = values[entries.col] * entries.data.astype(np.float32)[:, None]
    return jax.ops.segment_sum(weighted, entries.row, len(weights.indptr) - 1)


def batch_inputs(
    spec: LearnerSpec,
    batch: Batch,
    target_actors: Actor,
    key: PRNGKeyArray | None = None,
    scales: Any = (),
) -> tuple[CriticInputs, CriticInputs, Discount]:
    r"""A batch as critics read it, with $a'_k = \pi'_k(o'_k)$ of the target policies (line 14).

    With `target_noise` these actions are perturbed, by noise that `key` draws.

    **Returns:** as [`inputs_with`][mastac.learning.critic_inputs.inputs_with].
    """
    settings = spec.settings
    next_obs = next_observations_of(spec.env, batch)
    if settings.target_noise > 0:
        noise, clip = settings.target_noise, settings.target_noise_clip
        assert key is not None
        next_actions = spec.actors.smoothed(target_actors, next_obs, noise, clip, key)
    else:
        next_actions = spec.actors.apply(target_actors, next_obs)
    return inputs_with(spec, batch, next_actions, scales)


def inputs_with(
    spec: LearnerSpec,
    batch: Batch,
    next_actions: Float[Array, "agents act batch"],
    scales: Any = (),
) -> tuple[CriticInputs, CriticInputs, Discount]:
    r"""A batch as critics read it, with given actions at the next states.

    **Returns:** `(now, after, discount)`: the replayed states and actions, the next states with
    `next_actions`, and what the value there counts for in the target: `step_discount`, and where
    agents may leave, for each value, 0 once nobody is left whose rewards it predicts.
    """
    env, alive = spec.env, alive_of(batch)
    remains = None if batch.remains is None else batch.remains.T
    actions = jnp.moveaxis(batch.actions, 0, -1)
    now = CriticInputs(
        states=read_of(state_inputs(env, batch.state, scales), alive),
        actions=read_of(action_inputs(env, actions, scales), alive),
        time=time_inputs(spec, batch.time),
        step=batch.time,
        alive=alive,
    )
    after = CriticInputs(
        states=read_of(state_inputs(env, batch.next_state, scales), remains),
        actions=read_of(action_inputs(env, next_actions, scales), remains),
        time=time_inputs(spec, batch.next_time),
        step=batch.next_time,
        alive=remains,
    )
    discount, goes_on = step_discount(spec, batch), values_alive(spec, remains)
    return now, after, discount if goes_on is None else discount[None] * goes_on


def step_discount(spec: LearnerSpec, batch: Batch) -> Float[Array, " batch"]:
    r"""What a value at the next state counts for, whoever is there.

    $\gamma$ ($\gamma^n$ over $n$ steps), or 0 where critics that know the horizon end with the
    episode.
    """
    settings = spec.settings
    # The end of an episode is a time limit: only critics that know the horizon may stop there.
    is_last = batch.next_time == spec.env.horizon
    over_steps = (
        settings.discount
        if batch.ahead is None
        else settings.discount ** batch.ahead.astype(jnp.float32)
    )
    discount = over_steps * jnp.where(is_last & settings.finite_horizon, 0.0, 1.0)
    return discount.astype(jnp.float32)
