"""Actors one step up the gradients that critics give (Theorem 3.7a, line 16 of Algorithm 1)."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from mastac.agents.actors import Actor
from mastac.agents.networks import ACTIVATIONS, MLP
from mastac.learning.buffer import Batch
from mastac.learning.critic_inputs import CriticInputs, action_inputs, append_zeros
from mastac.learning.critic_step import each_critic
from mastac.learning.observing import observations_of
from mastac.learning.presence import (
    alive_of,
    by_feature,
    read_of,
    sample_mean,
    sample_weights,
    values_alive,
)
from mastac.learning.sharing import gradient_norms, stepped
from mastac.learning.spec import LearnerSpec, LearnerState, polyak_update
from mastac.structure.layout import Bucket

GradientAt = Callable[[Float[Array, "features batch"]], Float[Array, "features batch"]]


class UpdatedActors(NamedTuple):
    """All actors after an update, their targets (`()` without) and optimizers.

    `norms`: of the gradient of each agent's actor; 0 where actors were not due and did not move.
    """

    actors: Any
    targets: Any
    optimizers: Any
    norms: Float[Array, " agents"]


def first_twins(spec: LearnerSpec, critics: tuple[MLP, ...]) -> tuple[MLP, ...]:
    """The critics whose slopes actors follow: of twins the first."""
    return jax.tree.map(lambda leaf: leaf[:, 0], critics) if spec.settings.twin_critics else critics


def action_gradient(bucket: Bucket) -> Callable:
    """Gradient of one critic's value in all actions that it reads, from one pass."""
    first, last = _action_places(bucket)

    def one(critic: MLP, x: Float[Array, "width batch"]) -> Float[Array, "actions batch"]:
        def value(read: Array) -> Array:
            return critic(jnp.concatenate([x[:first], read, x[last:]])).sum()

        return jax.grad(value)(x[first:last])

    return one


def slot_gradients(
    bucket: Bucket, policy_inputs: Float[Array, "features batch"] | None
) -> Callable:
    """Gradients of one critic's value in the action of each agent that it is credited to.

    With `policy_inputs` the other agents' actions are those in `x` and only the agent's own is
    replaced by its current policy's (line 16 as written): a pass for each agent, that is slot, of
    which the first layer is computed once and corrected.
    """
    first, last = _action_places(bucket)

    def one(
        critic: MLP, columns: Int[Array, "slots act"], features: Int[Array, "slots act"], x: Array
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
            columns: Int[Array, " act"], features: Int[Array, " act"]
        ) -> Float[Array, "act batch"]:
            change = (
                jnp.zeros((len(columns), x.shape[1]))
                if policy_inputs is None
                else policy_inputs[features] - read[columns]
            )
            return jax.grad(slot_value)(change, columns)

        return jax.vmap(one_slot)(columns, features)

    return one


def open_actions(
    bucket: Bucket, by_slot: bool, step: Int[Array, " batch"]
) -> Float[Array, "terms ... batch"]:
    """1 where an action is in a critic's set at the time of a sample, of all or by slot."""
    assert bucket.open is not None
    columns = bucket.open[:, :, bucket.state_rows.shape[1] :]
    if by_slot:
        padded = np.concatenate([columns, np.zeros_like(columns[:, :, :1])], axis=2)
        columns = np.stack(
            [term[:, slots] for term, slots in zip(padded, bucket.slot_columns, strict=True)]
        )
    return jnp.moveaxis(
        jnp.asarray(columns, jnp.float32).at[:, step].get(mode="fill", fill_value=0.0), 1, -1
    )


def action_gradients(
    spec: LearnerSpec,
    critics: tuple[MLP, ...],
    inputs: CriticInputs,
    policy_inputs: Float[Array, "features batch"],
) -> Float[Array, "features batch"]:
    r"""$\nabla_{a_i} \hat Q_i$ for every agent, $\hat Q_i = \sum_{j \in I_{GD}^i} Q_j$ (eq. 11).

    In general $\hat Q_i = \sum_j c_{ij} Q_j$ with the layout's credit $c$. One column for each
    sample; nothing is averaged. Of twin critics the first counts (Fujimoto et al. 2018). A value
    whose agents have left has no part.

    **Arguments:**

    - `inputs`: the replayed states and actions.
    - `policy_inputs`: the actions of the current policies. With `others_actions` "policy" the
        gradient is taken there (Theorem 3.7a), from one pass through each critic; with "replay"
        only agent `i`'s own action is its policy's, the others' are replayed (line 16).
    """
    total = jnp.zeros_like(policy_inputs)
    counts = values_alive(spec, inputs.alive)
    at_policies = spec.settings.others_actions == "policy"
    source = inputs._replace(actions=policy_inputs) if at_policies else inputs
    for bucket, stack in zip(spec.buckets, first_twins(spec, critics), strict=True):
        if at_policies and bucket.slot_rows.shape[1] > 1:
            gradient = each_critic(
                action_gradient(bucket), bucket, [source], stack, chunk=spec.chunk
            )
            weight, place = bucket.credit, bucket.action_rows
        else:
            one = slot_gradients(bucket, None if at_policies else policy_inputs)
            slots = [jnp.asarray(bucket.slot_columns), jnp.asarray(bucket.slot_rows)]
            gradient = each_critic(one, bucket, [source], stack, chunk=spec.chunk, more=slots)
            weight, place = bucket.slot_credit[:, :, None], bucket.slot_rows
        if bucket.open is not None:
            gradient = gradient * open_actions(bucket, place is bucket.slot_rows, inputs.step)
        if counts is not None:
            own = counts[bucket.terms].astype(jnp.float32)
            gradient = gradient * own.reshape(len(own), *[1] * (gradient.ndim - 2), -1)
        weighted = gradient if (weight == 1).all() else gradient * weight[..., None]
        if (place == place[:1]).all():  # central critics: a sum, where a scatter would be slow
            weighted, place = weighted.sum(0), place[0]
        total = total.at[place].add(weighted)
    return total


def actor_gradient(
    spec: LearnerSpec,
    weights: Actor,
    obs: Float[Array, "agents obs batch"],
    gradient_at: GradientAt,
    scales: Any = (),
    alive: Any = None,
    key: PRNGKeyArray | None = None,
) -> Actor:
    r"""Theorem 3.7(a): the batch mean of $\nabla_{\theta_i} \pi_i \, \nabla_{a_i} \hat Q_i$.

    For all actors at once: no actor's action depends on another's weights. Only `weights` are
    differentiated; the critics are taken as they are.

    **Arguments:**

    - `gradient_at`: $\nabla_a \hat Q$ at given actions, both in the critics' units: the learnt
        critics' in training, the exact ones' where they are known.
    - `alive`: who is there in each sample; the mean is over those in which an agent is.
    - `key`: where actions are choices, draws them.
    """

    def acted(weights: Actor) -> Float[Array, "features batch"]:
        actions = acts_with_slopes(spec, weights, obs, key)
        return read_of(action_inputs(spec.env, actions, scales), alive)

    actions, pull_back = jax.vjp(acted, weights)
    (gradient,) = pull_back(over_samples(gradient_at(actions), alive))
    if pays_for_saturation(spec):
        unsaturating = jax.grad(lambda weights: -saturation_cost(spec, weights, obs, alive))(
            weights
        )
        gradient = jax.tree.map(jnp.add, gradient, unsaturating)
    return gradient


def acts_with_slopes(
    spec: LearnerSpec,
    weights: Actor,
    obs: Float[Array, "agents obs batch"],
    key: PRNGKeyArray | None,
) -> Float[Array, "agents act batch"]:
    """What all policies do, differentiable in the weights; `key` draws where they choose."""
    if not spec.env.head.has_choices:
        return spec.actors.apply(weights, obs)
    assert key is not None
    # The key itself draws the noise on the targets' actions.
    draw_key = jax.random.fold_in(key, 1)
    return spec.actors.with_slopes(spec.actors.logits(weights, obs), draw_key)


def over_samples(
    slopes: Float[Array, "features batch"], alive: Any
) -> Float[Array, "features batch"]:
    """Slopes of a batch as their parts of a mean over the samples in which an agent is there."""
    weights = sample_weights(alive)
    return slopes / slopes.shape[-1] if weights is None else slopes * by_feature(weights, slopes)


def pays_for_saturation(spec: LearnerSpec) -> bool:
    """Whether actors pay for logits at which their head is flat."""
    pays = spec.env.action_head == "tanh" or spec.env.head.has_choices
    return pays and spec.settings.saturation_cost > 0


def saturation_cost(
    spec: LearnerSpec, weights: Actor, obs: Float[Array, "agents obs batch"], alive: Any = None
) -> Float[Array, ""]:
    """What logits cost where their head hardly has a slope by which an actor could learn.

    Summed over agents, so that each gets the gradient of its own.
    """
    beyond = spec.actors.saturated(spec.actors.logits(weights, obs))
    costs = (beyond**2).sum(1)
    return 0.5 * spec.settings.saturation_cost * sample_mean(costs, sample_weights(alive)).sum()


def update_actors(
    spec: LearnerSpec,
    state: LearnerState,
    batch: Batch,
    gradient_at: GradientAt,
    due: Any,
    key: PRNGKeyArray | None = None,
) -> UpdatedActors:
    """All deterministic actors one step up [`actor_gradient`][mastac.learning.actor_step]."""

    def gradient() -> Actor:
        obs, alive = observations_of(spec.env, batch), alive_of(batch)
        return actor_gradient(spec, state.actors, obs, gradient_at, state.scales, alive, key)

    return actor_step(spec, state, gradient, due)


def actor_step(
    spec: LearnerSpec, state: LearnerState, gradient_of_all: Callable[[], Any], due: Any
) -> UpdatedActors:
    """All actors one step up a gradient, their targets behind them. Not computed unless `due`."""

    def step() -> UpdatedActors:
        gradient = gradient_of_all()
        descent = jax.tree.map(jnp.negative, gradient)
        actors, optimizers = stepped(spec, state.actors, descent, state.actor_optimizer)
        targets: Any = ()
        if spec.kind.has_target_actors:
            targets = polyak_update(state.target_actors, actors, spec.settings.tau)
        return UpdatedActors(actors, targets, optimizers, gradient_norms(spec, gradient))

    if due is True:
        return step()
    nothing = jnp.zeros(len(jax.tree.leaves(state.actors)[0]))
    resting = UpdatedActors(state.actors, state.target_actors, state.actor_optimizer, nothing)
    return jax.lax.cond(due, step, lambda: resting)


def _action_places(bucket: Bucket) -> tuple[int, int]:
    """Where the actions begin and end in what a critic reads: states stand before, time behind."""
    first = bucket.state_rows.shape[1]
    return first, first + bucket.action_rows.shape[1]
