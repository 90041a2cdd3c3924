"""The off-policy learner: structured critics, deterministic policy gradient (paper, Theorem 3.7a and Algorithm 1)."""

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from mastac.agents.actors import Actors
from mastac.agents.networks import ACTIVATIONS, MLP, each_member
from mastac.envs.base import Environment
from mastac.learning.memory import Batch
from mastac.learning.settings import Settings
from mastac.structure.layout import Bucket, CriticLayout


class LearnerState(NamedTuple):
    """Everything that evolves. Critics come in one stack for each bucket of the layout."""

    actors: MLP
    critics: tuple[MLP, ...]
    target_actors: MLP
    target_critics: tuple[MLP, ...]
    actor_optimiser: optax.OptState
    critic_optimisers: tuple[optax.OptState, ...]


class Metrics(NamedTuple):
    """Of one update, one number for each agent."""

    critic_loss: Float[Array, " terms"]
    value: Float[Array, " terms"]
    gradient_norm: Float[Array, " agents"]


class Learner(NamedTuple):
    """What an algorithm is to the training loop."""

    init: Callable[[PRNGKeyArray], LearnerState]
    act: Callable[[LearnerState, Float[Array, "agents obs"]], Float[Array, "agents act"]]
    explore: Callable[..., Float[Array, "agents act"]]
    update: Callable[[LearnerState, Batch, PRNGKeyArray], tuple[LearnerState, Metrics]]


class Rows(NamedTuple):
    """A batch as rows of features, the form that critics gather from; the last row of each is zero."""

    states: Float[Array, "rows batch"]
    actions: Float[Array, "rows batch"]
    time: Float[Array, "times batch"]


class Parts(NamedTuple):
    """What the simultaneous and the coordinated update are made of."""

    env: Environment
    layout: CriticLayout
    settings: Settings
    buckets: tuple[Bucket, ...]
    actors: Actors
    actor_optimiser: optax.GradientTransformation
    critic_optimiser: optax.GradientTransformation
    chunk: int


def append_zeros(rows: Array) -> Array:
    """The row of zeros that padded places of a layout read."""
    return jnp.concatenate([rows, jnp.zeros((1, rows.shape[1]), rows.dtype)])


def optimiser(rate: float, settings: Settings, total_updates: int) -> optax.GradientTransformation:
    """Adam whose step size falls linearly over the run, so that the policy settles instead of wandering."""
    schedule = optax.linear_schedule(rate, rate * settings.lr_final, max(total_updates, 1))
    clip = [optax.clip_by_global_norm(settings.max_grad_norm)] if settings.max_grad_norm > 0 else []
    return optax.chain(*clip, optax.adam(schedule))


def descended(
    optimiser: optax.GradientTransformation, weights: MLP, gradient: MLP, optimiser_state: Any
) -> tuple[MLP, Any]:
    """Weights and optimiser state one step down the gradient."""
    # optax knows trees of arrays by types of its own; a module of arrays is one.
    step, optimiser_state = optimiser.update(cast(Any, gradient), optimiser_state, cast(Any, weights))
    return cast(MLP, optax.apply_updates(cast(Any, weights), step)), optimiser_state


def followed(target: MLP, online: MLP, tau: float) -> MLP:
    r"""Target weights one step after the online ones: $\mu' \leftarrow \tau \mu + (1 - \tau) \mu'$ (line 20)."""
    return jax.tree.map(lambda old, new: old + tau * (new - old), target, online)


def state_rows(env: Environment, state: Float[Array, "batch agents state"]) -> Float[Array, "rows batch"]:
    """States centred and scaled as the environment declares, one row for each feature."""
    rows = (state - env.state_center) / env.state_scale
    return append_zeros(rows.reshape(len(state), -1).T)


def action_units(env: Environment) -> tuple[np.ndarray, np.ndarray]:
    """Centre and scale `[agents, act]` of the actions that critics read."""
    shape = (env.num_agents, int(env.action_sizes.max()))
    scale = env.action_limit if env.action_scale is None else env.action_scale
    center = np.broadcast_to(env.action_center, shape).astype(np.float32)
    return center, np.broadcast_to(scale, shape).astype(np.float32)


def action_rows(env: Environment, actions: Float[Array, "agents act batch"]) -> Float[Array, "rows batch"]:
    """Actions centred and scaled as the environment declares, one row for each feature."""
    center, scale = action_units(env)
    return append_zeros(((actions - center[:, :, None]) / scale[:, :, None]).reshape(-1, actions.shape[-1]))


def time_rows(parts: Parts, time: Int[Array, " batch"]) -> Float[Array, "times batch"]:
    """The share of the episode that is over, told to critics that know the horizon."""
    if not parts.settings.finite_horizon:
        return jnp.zeros((0, len(time)), jnp.float32)
    return (2.0 * time / parts.env.horizon - 1.0)[None, :].astype(jnp.float32)


def observations(env: Environment, state: Float[Array, "batch agents state"]) -> Float[Array, "agents obs batch"]:
    """What every agent sees of a batch of states."""
    return jnp.moveaxis(jax.vmap(env.observe)(state), 0, -1)


def critic_input(rows: Rows, reads_states: Array, reads_actions: Array) -> Float[Array, "width batch"]:
    """What one critic reads of a batch: the states and actions of its set, and the time."""
    return jnp.concatenate([rows.states[reads_states], rows.actions[reads_actions], rows.time])


def update_term(
    parts: Parts, now: Rows, after: Rows, discount: Float[Array, " batch"], rewards: Float[Array, "terms batch"]
) -> Callable:
    r"""The update of one critic from a batch (lines 14, 18 and 20 of Algorithm 1), for `each_member`.

    Target: $y = r + \gamma Q'(s', a')$ with $a'_k = \\pi'_k(o'_k)$; loss: mean squared error over the batch.
    """

    def one(critic: MLP, target: MLP, optimiser_state, term: Array, reads_states: Array, reads_actions: Array):
        x, x_after = critic_input(now, reads_states, reads_actions), critic_input(after, reads_states, reads_actions)
        y = rewards[term] + discount * target(x_after)[0]

        def loss(critic: MLP) -> tuple[Array, Array]:
            value = critic(x)[0]
            return jnp.mean((y - value) ** 2), jnp.mean(value)

        (error, value), gradient = jax.value_and_grad(loss, has_aux=True)(critic)
        critic, optimiser_state = descended(parts.critic_optimiser, critic, gradient, optimiser_state)
        return critic, followed(target, critic, parts.settings.tau), optimiser_state, error, value

    return one


def action_gradient_term(rows: Rows) -> Callable:
    """Gradient of one critic's value with respect to the actions it reads, all of them from the current policies."""

    def one(critic: MLP, reads_states: Array, reads_actions: Array) -> Float[Array, "width batch"]:
        def value(read: Array) -> Array:
            return critic(jnp.concatenate([rows.states[reads_states], read, rows.time])).sum()

        return jax.grad(value)(rows.actions[reads_actions])

    return one


def replay_gradient_term(rows: Rows, policy_rows: Float[Array, "rows batch"]) -> Callable:
    """The same with the other agents' actions from the replay (line 16 as written): one pass for each agent read.

    Only the first layer's input of the agent in question changes, so that layer is computed once and corrected.
    """

    def one(critic: MLP, reads_states: Array, reads_actions: Array, slot_columns: Array):
        num_states = len(reads_states)
        replayed, chosen = rows.actions[reads_actions], policy_rows[reads_actions]
        first = critic.weights[0]
        x = jnp.concatenate([rows.states[reads_states], replayed, rows.time])
        before = jnp.einsum("io,ib->ob", first, x) + critic.biases[0][:, None]
        rest = MLP(weights=critic.weights[1:], biases=critic.biases[1:], activation=critic.activation)
        of_actions = jnp.concatenate([first[num_states : num_states + len(reads_actions)], jnp.zeros_like(first[:1])])
        changes = append_zeros(chosen - replayed)

        def slot_value(change: Float[Array, "act batch"], columns: Int[Array, " act"]) -> Array:
            return rest(
                ACTIVATIONS[critic.activation](before + jnp.einsum("io,ib->ob", of_actions[columns], change))
            ).sum()

        by_slot = jax.vmap(lambda columns: jax.grad(slot_value)(changes[columns], columns))(slot_columns)
        gradient = jnp.zeros_like(changes).at[slot_columns].add(by_slot)
        return gradient[:-1]

    return one


def action_gradients(
    parts: Parts, critics: tuple[MLP, ...], rows: Rows, policy_rows: Float[Array, "rows batch"]
) -> Float[Array, "rows batch"]:
    r"""$\nabla_{a_i} \hat Q_i$ for every agent: each critic's gradients, weighted by its credit and summed (eq. 11)."""
    total = jnp.zeros_like(policy_rows)
    at_policy = rows._replace(actions=policy_rows)
    for bucket, stack in zip(parts.buckets, critics, strict=True):
        if parts.settings.policy_actions:
            reads = (bucket.state_rows, bucket.action_rows)
            gradient = each_member(action_gradient_term(at_policy), stack, *map(jnp.asarray, reads), chunk=parts.chunk)
        else:
            reads = (bucket.state_rows, bucket.action_rows, bucket.slot_columns)
            term = replay_gradient_term(rows, policy_rows)
            gradient = each_member(term, stack, *map(jnp.asarray, reads), chunk=parts.chunk)
        weighted = gradient if (bucket.credit == 1).all() else gradient * bucket.credit[:, :, None]
        total = total.at[bucket.action_rows].add(weighted)
    return total


def actor_gradient(
    parts: Parts,
    weights: MLP,
    obs: Float[Array, "agents obs batch"],
    gradient_at: Callable[[Float[Array, "rows batch"]], Float[Array, "rows batch"]],
) -> MLP:
    r"""Theorem 3.7(a): the batch mean of $\nabla_{\theta_i} \pi_i \, \nabla_{a_i} \hat Q_i$, for all actors at once.

    `gradient_at` gives $\nabla_{a} \hat Q$ for the actions of the current policies, both as rows in the critics'
    units: the learnt critics' in training, the exact ones' where they are known.
    """
    actions, pull_back = jax.vjp(lambda weights: action_rows(parts.env, parts.actors.apply(weights, obs)), weights)
    (gradient,) = pull_back(gradient_at(actions) / actions.shape[-1])
    return gradient


def rewards_of_terms(parts: Parts, batch: Batch) -> Float[Array, "terms batch"]:
    """What each critic predicts of a step: its own agent's reward, or the layout's weighted sum."""
    rewards, scale = batch.rewards.T, parts.settings.reward_scale
    weights = parts.layout.rewards.tocoo()
    identity = weights.nnz == parts.layout.num_agents == parts.layout.num_terms
    if identity and (weights.row == weights.col).all() and (weights.data == 1).all():
        return scale * rewards
    weighted = rewards[weights.col] * weights.data.astype(np.float32)[:, None]
    return scale * jax.ops.segment_sum(weighted, weights.row, parts.layout.num_terms)


def batch_rows(parts: Parts, batch: Batch, target_actors: MLP) -> tuple[Rows, Rows, Float[Array, " batch"]]:
    """The batch as rows, now and one step after with the target policies' actions, and the discount of each."""
    env, settings = parts.env, parts.settings
    now = Rows(
        states=state_rows(env, batch.state),
        actions=action_rows(env, jnp.moveaxis(batch.actions, 0, -1)),
        time=time_rows(parts, batch.time),
    )
    next_actions = parts.actors.apply(target_actors, observations(env, batch.next_state))
    after = Rows(
        states=state_rows(env, batch.next_state),
        actions=action_rows(env, next_actions),
        time=time_rows(parts, batch.time + 1),
    )
    # The end of an episode is a time limit: only critics that know the horizon may stop there.
    is_last = batch.time + 1 == env.horizon
    discount = settings.discount * jnp.where(is_last & settings.finite_horizon, 0.0, 1.0)
    return now, after, discount.astype(jnp.float32)


def simultaneous_update(parts: Parts, state: LearnerState, batch: Batch) -> tuple[LearnerState, Metrics]:
    """All critics and actors step from the same parameters, then the targets follow (Algorithm 1)."""
    now, after, discount = batch_rows(parts, batch, state.target_actors)
    rewards = rewards_of_terms(parts, batch)

    gradient = actor_gradient(
        parts,
        state.actors,
        observations(parts.env, batch.state),
        lambda policy_rows: action_gradients(parts, state.critics, now, policy_rows),
    )
    ascent = jax.tree.map(jnp.negative, gradient)
    new_actors, actor_optimiser = jax.vmap(
        lambda weights, descent, optimiser_state: descended(parts.actor_optimiser, weights, descent, optimiser_state)
    )(state.actors, ascent, state.actor_optimiser)
    target_actors = followed(state.target_actors, new_actors, parts.settings.tau)

    one = update_term(parts, now, after, discount, rewards)
    results = [
        each_member(
            one, critic, target, opt, *map(jnp.asarray, (b.terms, b.state_rows, b.action_rows)), chunk=parts.chunk
        )
        for critic, target, opt, b in zip(
            state.critics, state.target_critics, state.critic_optimisers, parts.buckets, strict=True
        )
    ]
    critics, target_critics, critic_optimisers, losses, values = zip(*results, strict=True)
    back = np.argsort(np.concatenate([bucket.terms for bucket in parts.buckets]))
    norms = jax.vmap(optax.tree.norm)(gradient)
    metrics = Metrics(jnp.concatenate(losses)[back], jnp.concatenate(values)[back], norms)
    return (
        LearnerState(new_actors, critics, target_actors, target_critics, actor_optimiser, critic_optimisers),
        metrics,
    )
