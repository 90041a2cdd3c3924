"""The off-policy update: each critic on its own error, deterministic policy gradient (Theorem 3.7a, Algorithm 1)."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from mastac.agents.networks import ACTIVATIONS, MLP, each_member
from mastac.learning.buffer import Batch
from mastac.learning.critic_inputs import (
    Rows,
    action_rows,
    append_zeros,
    batch_rows,
    critic_input,
    observations,
    rewards_of_values,
)
from mastac.learning.sharing import stepped
from mastac.learning.spec import (
    LearnerSpec,
    LearnerState,
    Metrics,
    by_term,
    input_scale,
    is_due,
    optimizer_step,
    polyak_update,
)
from mastac.structure.layout import Bucket


def each_critic(
    function: Callable,
    bucket: Bucket,
    sources: Sequence[Rows],
    *stacks: Any,
    chunk: int,
    more: Sequence[Any] = (),
) -> Any:
    """`function(*members, *more, *inputs)` for every critic: `inputs` is what it reads of each of `sources`.

    Critics that all read the same share one copy instead of gathering their own.
    """
    if bucket.is_shared and bucket.open is None:
        inputs = [
            critic_input(rows, bucket.state_rows[0], bucket.action_rows[0]) for rows in sources
        ]
        return each_member(
            lambda *members: function(*members, *inputs), *stacks, *more, chunk=chunk
        )

    def gathering(reads: tuple[Array, ...], *members: Any) -> Any:
        return function(*members, *(critic_input(rows, *reads) for rows in sources))

    reads = [bucket.state_rows, bucket.action_rows, *([] if bucket.open is None else [bucket.open])]
    return each_member(gathering, tuple(map(jnp.asarray, reads)), *stacks, *more, chunk=chunk)


def update_term(
    spec: LearnerSpec,
    discount: Float[Array, " batch"],
    rewards: Float[Array, "terms batch"],
    due: Any = True,
) -> Callable:
    r"""The update of one critic from a batch (lines 14, 18 and 20 of Algorithm 1); its target follows if it is `due`.

    Target: $y = r + \gamma Q'(s', a')$ with $a'_k = \\pi'_k(o'_k)$; loss: mean squared error over
    the batch. Of twin critics the smaller value enters the target, and both errors are summed.
    """
    twins = spec.settings.twin_critics

    def values(critic: MLP, x: Float[Array, "width batch"]) -> Float[Array, "twins batch"]:
        return jax.vmap(lambda one: one(x)[0])(critic) if twins else critic(x)

    def one(
        critic: MLP,
        target: MLP,
        optimizer_state: Any,
        term: Array,
        scale: Array | None,
        x: Array,
        x_after: Array,
    ):
        y = rewards[term] + discount * values(target, x_after).min(0)

        def loss(critic: MLP) -> tuple[Array, Array]:
            value = values(critic, x)
            return jnp.mean((y - value) ** 2, axis=-1).sum(), jnp.mean(value)

        (error, value), gradient = jax.value_and_grad(loss, has_aux=True)(critic)
        critic, optimizer_state = optimizer_step(
            spec.critic_optimizer, critic, gradient, optimizer_state, scale
        )
        return (
            critic,
            polyak_update(target, critic, spec.settings.tau * due),
            optimizer_state,
            error,
            value,
        )

    return one


def advising(spec: LearnerSpec, critics: tuple[MLP, ...]) -> tuple[MLP, ...]:
    """The critics that actors climb: of twins the first."""
    return jax.tree.map(lambda leaf: leaf[:, 0], critics) if spec.settings.twin_critics else critics


def action_gradient(bucket: Bucket) -> Callable:
    """Gradient of one critic's value with respect to all actions that it reads, from one pass."""
    first, last = (
        bucket.state_rows.shape[1],
        bucket.state_rows.shape[1] + bucket.action_rows.shape[1],
    )

    def one(critic: MLP, x: Float[Array, "width batch"]) -> Float[Array, "actions batch"]:
        def value(read: Array) -> Array:
            return critic(jnp.concatenate([x[:first], read, x[last:]])).sum()

        return jax.grad(value)(x[first:last])

    return one


def slot_gradients(bucket: Bucket, policy_rows: Float[Array, "rows batch"] | None) -> Callable:
    """Gradients of one critic's value with respect to the action of each agent that it advises, slot by slot.

    With `policy_rows` the other agents' actions are those in `x` and only the agent's own is
    replaced by its current policy's (line 16 as written): a pass for each slot, of which the first
    layer is computed once and corrected.
    """
    first, last = (
        bucket.state_rows.shape[1],
        bucket.state_rows.shape[1] + bucket.action_rows.shape[1],
    )

    def one(
        critic: MLP, columns: Int[Array, "slots act"], rows: Int[Array, "slots act"], x: Array
    ) -> Array:
        weight = critic.weights[0]
        before = jnp.einsum("io,ib->ob", weight, x) + critic.biases[0][:, None]
        rest = MLP(
            weights=critic.weights[1:], biases=critic.biases[1:], activation=critic.activation
        )
        of_actions = append_zeros(weight[first:last])
        read = append_zeros(x[first:last])

        def slot_value(change: Float[Array, "act batch"], columns: Int[Array, " act"]) -> Array:
            shift = jnp.einsum("io,ib->ob", of_actions[columns], change)
            return rest(ACTIVATIONS[critic.activation](before + shift)).sum()

        def one_slot(
            columns: Int[Array, " act"], rows: Int[Array, " act"]
        ) -> Float[Array, "act batch"]:
            change = (
                jnp.zeros((len(columns), x.shape[1]))
                if policy_rows is None
                else policy_rows[rows] - read[columns]
            )
            return jax.grad(slot_value)(change, columns)

        return jax.vmap(one_slot)(columns, rows)

    return one


def open_actions(
    bucket: Bucket, by_slot: bool, step: Int[Array, " batch"]
) -> Float[Array, "terms ... batch"]:
    """1 where an action is in a critic's set at the time of a sample, for all that it reads or slot by slot."""
    assert bucket.open is not None
    columns = bucket.open[:, :, bucket.state_rows.shape[1] :]
    if by_slot:
        padded = np.concatenate([columns, np.zeros_like(columns[:, :, :1])], axis=2)
        columns = np.stack(
            [each[:, at] for each, at in zip(padded, bucket.slot_columns, strict=True)]
        )
    return jnp.moveaxis(
        jnp.asarray(columns, jnp.float32).at[:, step].get(mode="fill", fill_value=0.0), 1, -1
    )


def action_gradients(
    spec: LearnerSpec, critics: tuple[MLP, ...], rows: Rows, policy_rows: Float[Array, "rows batch"]
) -> Float[Array, "rows batch"]:
    r"""$\nabla_{a_i} \hat Q_i$ for every agent: each critic's gradients, weighted by its credit and summed (eq. 11)."""
    total = jnp.zeros_like(policy_rows)
    from_policy = spec.settings.others_actions == "policy"
    source = rows._replace(actions=policy_rows) if from_policy else rows
    for bucket, stack in zip(spec.buckets, advising(spec, critics), strict=True):
        if from_policy and bucket.slot_rows.shape[1] > 1:
            gradient = each_critic(
                action_gradient(bucket), bucket, [source], stack, chunk=spec.chunk
            )
            weight, place = bucket.credit, bucket.action_rows
        else:
            one = slot_gradients(bucket, None if from_policy else policy_rows)
            slots = [jnp.asarray(bucket.slot_columns), jnp.asarray(bucket.slot_rows)]
            gradient = each_critic(one, bucket, [source], stack, chunk=spec.chunk, more=slots)
            weight, place = bucket.slot_credit[:, :, None], bucket.slot_rows
        if bucket.open is not None:
            gradient = gradient * open_actions(bucket, place is bucket.slot_rows, rows.step)
        weighted = gradient if (weight == 1).all() else gradient * weight[..., None]
        if (place == place[:1]).all():  # central critics: a sum, where a scatter would be slow
            weighted, place = weighted.sum(0), place[0]
        total = total.at[place].add(weighted)
    return total


def actor_gradient(
    spec: LearnerSpec,
    weights: MLP,
    obs: Float[Array, "agents obs batch"],
    gradient_at: Callable[[Float[Array, "rows batch"]], Float[Array, "rows batch"]],
) -> MLP:
    r"""Theorem 3.7(a): the batch mean of $\nabla_{\theta_i} \pi_i \, \nabla_{a_i} \hat Q_i$, for all actors at once.

    `gradient_at` gives $\nabla_{a} \hat Q$ for the actions of the current policies, both as rows in
    the critics' units: the learnt critics' in training, the exact ones' where they are known.
    """
    actions, pull_back = jax.vjp(
        lambda weights: action_rows(spec.env, spec.actors.apply(weights, obs)), weights
    )
    (gradient,) = pull_back(gradient_at(actions) / actions.shape[-1])
    return gradient


def update_actors(
    spec: LearnerSpec,
    state: LearnerState,
    batch: Batch,
    gradient_at: Callable[[Float[Array, "rows batch"]], Float[Array, "rows batch"]],
    due: Any,
) -> tuple[MLP, MLP, Any, Float[Array, " agents"]]:
    """All actors one step up their gradients, their targets behind them, the optimiser, and the gradients' norms."""

    def gradient() -> MLP:
        return actor_gradient(
            spec, state.actors, observations(spec.env, batch.state, batch.time), gradient_at
        )

    return actor_step(spec, state, gradient, due)


def actor_step(
    spec: LearnerSpec, state: LearnerState, gradient_of_all: Callable[[], Any], due: Any
) -> tuple[Any, Any, Any, Float[Array, " agents"]]:
    """[`update_actors`][] for any gradient; targets are followed where there are any. Not computed unless it is due."""

    def step() -> tuple[Any, Any, Any, Float[Array, " agents"]]:
        gradient = gradient_of_all()
        descent = jax.tree.map(jnp.negative, gradient)
        actors, optimizer_state = stepped(spec, state.actors, descent, state.actor_optimizer)
        targets = (
            ()
            if spec.settings.max_entropy
            else polyak_update(state.target_actors, actors, spec.settings.tau)
        )
        return actors, targets, optimizer_state, jax.vmap(optax.tree.norm)(gradient)

    resting = (
        state.actors,
        state.target_actors,
        state.actor_optimizer,
        jnp.zeros(spec.env.num_agents),
    )
    return step() if due is True else jax.lax.cond(due, step, lambda: resting)


def simultaneous_update(
    spec: LearnerSpec,
    state: LearnerState,
    batch: Batch,
    key: PRNGKeyArray | None = None,
    count: Any = 0,
) -> tuple[LearnerState, Metrics]:
    """All critics and actors step from the same parameters, then the targets follow (Algorithm 1)."""
    due = is_due(spec.settings, count)
    now, after, discount = batch_rows(spec, batch, state.target_actors, key)
    actors, target_actors, actor_optimizer, norms = update_actors(
        spec,
        state,
        batch,
        lambda policy_rows: action_gradients(spec, state.critics, now, policy_rows),
        due,
    )
    found = update_critics(spec, state, now, after, discount, rewards_of_values(spec, batch), due)
    learner = LearnerState(
        actors, found.critics, target_actors, found.targets, actor_optimizer, found.optimizers
    )
    return learner, Metrics(found.losses, found.values, norms)


class UpdatedCritics(NamedTuple):
    """All critics after an update, with their targets and optimisers, and for each value its error and mean."""

    critics: tuple[MLP, ...]
    targets: tuple[MLP, ...]
    optimizers: tuple[Any, ...]
    losses: Float[Array, " values"]
    values: Float[Array, " values"]


def update_critics(
    spec: LearnerSpec,
    state: LearnerState,
    now: Rows,
    after: Rows,
    discount: Float[Array, " batch"],
    rewards: Float[Array, "values batch"],
    due: Any,
) -> UpdatedCritics:
    """Every critic one step down its own error, by [`update_term`][]."""
    one = update_term(spec, discount, rewards, due)
    settings = spec.settings
    results = [
        each_critic(
            one,
            b,
            [now, after],
            critic,
            target,
            opt,
            jnp.asarray(b.terms),
            input_scale(b, settings),
            chunk=spec.chunk,
        )
        for critic, target, opt, b in zip(
            state.critics, state.target_critics, state.critic_optimizers, spec.buckets, strict=True
        )
    ]
    critics, target_critics, critic_optimizers, losses, values = zip(*results, strict=True)
    return UpdatedCritics(
        critics, target_critics, critic_optimizers, by_term(spec, losses), by_term(spec, values)
    )
