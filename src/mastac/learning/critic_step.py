"""Critics one step down their temporal-difference errors, one stack of them after the other."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from mastac.agents.networks import MLP, each_member, each_of_kinds, glorot, step_each_member
from mastac.learning.critic_inputs import CriticInputs, Discount, critic_input
from mastac.learning.presence import sample_mean, sample_weights, values_alive
from mastac.learning.settings import Settings
from mastac.learning.sharing import mean_of_kinds
from mastac.learning.spec import (
    LearnerSpec,
    LearnerState,
    by_term,
    input_scale,
    optimizer_step,
    polyak_update,
    target_rate,
    times_of,
)
from mastac.structure.layout import Bucket


def each_critic(
    function: Callable,
    bucket: Bucket,
    sources: Sequence[CriticInputs],
    *stacks: Any,
    chunk: int,
    more: Sequence[Any] = (),
    each: Callable = each_member,
) -> Any:
    """`function(*members, *more, *inputs)` for every critic of one bucket.

    Critics that all read the same share one copy instead of gathering their own.

    **Arguments:**

    - `sources`: what critics gather from; `inputs` are what a critic reads of each of them.
    - `stacks`: trees of arrays with a leading axis of the bucket's networks.
    - `more`: the same with one of its critics, which are networks unless some share one.
    - `chunk`: of [`each_member`][mastac.agents.networks.each_member].
    - `each`: applies a function to members; where no networks are shared.
    """
    if bucket.shared is not None:
        reads = tuple(map(jnp.asarray, _reads(bucket)))

        def of_kind(weights: tuple[Any, ...], reads: tuple[Array, ...], *more: Any) -> Any:
            return function(*weights, *more, *(critic_input(source, *reads) for source in sources))

        return each_of_kinds(of_kind, stacks, reads, *more, blocks=bucket.shared)
    if bucket.is_shared and bucket.open is None:
        inputs = [
            critic_input(source, bucket.state_rows[0], bucket.action_rows[0]) for source in sources
        ]
        return each(lambda *members: function(*members, *inputs), *stacks, *more, chunk=chunk)

    def gathering(*given: Any) -> Any:
        *members, reads = given
        return function(*members, *(critic_input(source, *reads) for source in sources))

    reads = tuple(map(jnp.asarray, _reads(bucket)))
    return each(gathering, *stacks, *more, reads, chunk=chunk)


def _reads(bucket: Bucket) -> list[np.ndarray]:
    """What each critic gathers, and when."""
    return [bucket.state_rows, bucket.action_rows, *([] if bucket.open is None else [bucket.open])]


def initial_critics(bucket: Bucket, settings: Settings, key: PRNGKeyArray) -> MLP:
    """One stack of networks; twins have an axis of two behind the networks'."""
    twins, times = (2 if settings.twin_critics else 1), times_of(settings)
    width = bucket.state_rows.shape[1] + bucket.action_rows.shape[1] + times
    fan_in = np.repeat(bucket.fan_in[bucket.networks], twins) + times
    stack = glorot(
        key, fan_in, width, settings.critic_hidden, 1, activation=settings.critic_activation
    )
    scale = input_scale(bucket, settings)
    if scale is not None:
        stack = eqx.tree_at(
            lambda critics: critics.weights[0],
            stack,
            stack.weights[0] * jnp.repeat(scale, twins, axis=0)[:, :, None],
        )
    if twins == 1:
        return stack
    return jax.tree.map(lambda leaf: leaf.reshape(-1, twins, *leaf.shape[1:]), stack)


def values_at(
    spec: LearnerSpec, critics: tuple[MLP, ...], inputs: CriticInputs
) -> Float[Array, "values batch"]:
    """Every value of the layout at `inputs`; of critics without twins."""
    values = [
        each_critic(lambda critic, x: critic(x)[0], bucket, [inputs], stack, chunk=spec.chunk)
        for stack, bucket in zip(critics, spec.buckets, strict=True)
    ]
    return by_term(spec, values)


def term_loss(
    spec: LearnerSpec,
    discount: Discount,
    rewards: Float[Array, "terms batch"],
    counts: Any = None,
) -> Callable:
    r"""The loss of one critic on a batch (lines 14 and 18 of Algorithm 1).

    $$y_i = r_i + \gamma Q'_i(s'_{I_Q^i}, a'_{I_Q^i}), \qquad
    L_i = \frac{1}{M} \sum_m \bigl(y_i^m - Q_i(s^m_{I_Q^i}, a^m_{I_Q^i})\bigr)^2$$

    The paper has $\gamma$ in the loss; here it is where the Bellman equation has it. Only $Q_i$ is
    differentiated: $y$ comes from the target weights. The mean is over the batch; nothing is
    averaged over critics, so each gets the gradient that it would get alone. Of twin critics the
    smaller target value enters $y$, and both errors are summed (Fujimoto et al. 2018).

    **Arguments:**

    - `discount`: $\gamma$, 0 where the value ends with the episode.
    - `rewards`: $r$, of every value.
    - `counts`: `[values, batch]`, the samples that a value learns from; `None`: all. It learns
        nothing from one that its agents had all left.

    **Returns:** a function of the critic, its target, the number of its term, and its inputs now
    and at the next states. It gives what is followed, and beside it the loss and the mean value.
    """
    twins, relative = spec.settings.twin_critics, spec.settings.relative_errors
    weights = sample_weights(counts)

    def values(critic: MLP, x: Float[Array, "width batch"]) -> Float[Array, "twins batch"]:
        return jax.vmap(lambda twin: twin(x)[0])(critic) if twins else critic(x)

    def loss(
        critic: MLP, target: MLP, term: Array, x: Array, x_after: Array
    ) -> tuple[Array, tuple[Array, Array]]:
        counts = None if weights is None else weights[term][None]
        kept = discount if discount.ndim == 1 else discount[term]
        y = rewards[term] + kept * values(target, x_after).min(0)
        value = values(critic, x)
        error = y[None] - value
        squared = sample_mean(error**2, counts).sum()
        followed = squared
        if relative:
            weight = 1.0 / (1.0 + jax.lax.stop_gradient(value) ** 2)
            # Not 0 where no sample counts.
            weight = weight / jnp.maximum(sample_mean(weight, counts), 1e-30)[:, None]
            followed = sample_mean(weight * error**2, counts).sum()
        mean = value.mean() if counts is None else sample_mean(value, counts).mean()
        return followed, (squared, mean)

    return loss


def update_term(
    spec: LearnerSpec,
    discount: Discount,
    rewards: Float[Array, "terms batch"],
    due: Any = True,
    counts: Any = None,
) -> Callable:
    """The update of one critic from a batch (lines 14, 18 and 20 of Algorithm 1).

    **Arguments:**

    - `discount`, `rewards`, `counts`: of [`term_loss`][].
    - `due`: whether the target follows.

    **Returns:** a function of the critic, its target, its optimizer, the number of its term, the
    scale of its first weights, and its inputs now and at the next states. It gives the critic, the
    target and the optimizer after the step, the loss before it and the mean value.
    """
    slope = jax.value_and_grad(term_loss(spec, discount, rewards, counts), has_aux=True)

    def one(
        critic: MLP, target: MLP, optimizer_state: Any, term: Array, scale: Array | None, *x: Array
    ) -> tuple[MLP, MLP, Any, Array, Array]:
        (_, (error, value)), gradient = slope(critic, target, term, *x)
        critic, optimizer_state = optimizer_step(
            spec.critic_optimizer, critic, gradient, optimizer_state, scale
        )
        target = polyak_update(target, critic, target_rate(spec.settings, due))
        return critic, target, optimizer_state, error, value

    return one


def update_shared(
    spec: LearnerSpec,
    loss: Callable,
    due: Any,
    bucket: Bucket,
    sources: Sequence[CriticInputs],
    stack: tuple[MLP, MLP, Any],
) -> tuple[MLP, MLP, Any, Array, Array]:
    """Critics that stand for all of a kind, one step down the mean of their members' losses.

    Gradients are summed block by block, so that none is held for a single member.

    **Arguments:**

    - `loss`: of [`term_loss`][].
    - `due`: whether targets follow.
    - `sources`: what critics gather from, now and at the next states.
    - `stack`: the critics, their targets and their optimizers.

    **Returns:** all three after the step, and of each member the loss before it and the mean value.
    """
    blocks = bucket.shared
    assert blocks is not None
    critics, targets, optimizers = stack
    reads = (jnp.asarray(bucket.terms), *map(jnp.asarray, _reads(bucket)))

    def of_block(critic: MLP, target: MLP, members: Array, is_real: Array) -> tuple[Array, Any]:
        def of_member(term: Array, *reads: Array) -> tuple[Array, Any]:
            x = (critic_input(source, *reads) for source in sources)
            return loss(critic, target, term, *x)

        followed, measured = jax.vmap(of_member)(*(leaf[members] for leaf in reads))
        return jnp.where(is_real, followed, 0.0).sum(), measured

    def add(total: MLP, block: tuple[Array, Array, Array]) -> tuple[MLP, Any]:
        kind, *of_members = block
        own, target = (jax.tree.map(lambda leaf: leaf[kind], tree) for tree in (critics, targets))
        slope = jax.grad(of_block, has_aux=True)
        gradient, measured = slope(own, target, *of_members)
        return jax.tree.map(lambda sum, new: sum.at[kind].add(new), total, gradient), measured

    nothing = jax.tree.map(jnp.zeros_like, critics)
    kind, members, is_real = map(jnp.asarray, (blocks.kind, blocks.members, blocks.is_real))
    total, measured = jax.lax.scan(add, nothing, (kind, members, is_real))
    step = jax.vmap(lambda *kind: optimizer_step(spec.critic_optimizer, *kind))
    scale = input_scale(bucket, spec.settings)
    gradient = mean_of_kinds(blocks.kinds, total)
    critics, optimizers = step(critics, gradient, optimizers, scale)
    targets = polyak_update(targets, critics, target_rate(spec.settings, due))
    losses, values = (leaf.reshape(-1)[blocks.place] for leaf in measured)
    return critics, targets, optimizers, losses, values


class UpdatedCritics(NamedTuple):
    """All critics after an update, their targets and optimizers; of each value loss and mean."""

    critics: tuple[MLP, ...]
    targets: tuple[MLP, ...]
    optimizers: tuple[Any, ...]
    losses: Float[Array, " values"]
    values: Float[Array, " values"]


def update_critics(
    spec: LearnerSpec,
    state: LearnerState,
    now: CriticInputs,
    after: CriticInputs,
    discount: Discount,
    rewards: Float[Array, "values batch"],
    due: Any,
) -> UpdatedCritics:
    """Every critic one step down its own error, by [`update_term`][mastac.learning.critic_step]."""
    counts = values_alive(spec, now.alive)
    loss = term_loss(spec, discount, rewards, counts)
    one = update_term(spec, discount, rewards, due, counts)

    def of_stack(networks: tuple[MLP, MLP, Any], *given: Any) -> tuple[Any, tuple[Array, Array]]:
        *stepped, loss, value = one(*networks, *given)
        return tuple(stepped), (loss, value)

    stacks = zip(
        state.critics, state.target_critics, state.critic_optimizers, spec.buckets, strict=True
    )
    results = []
    for critics, targets, optimizers, bucket in stacks:
        if bucket.shared is not None:
            stack = (critics, targets, optimizers)
            results.append(update_shared(spec, loss, due, bucket, [now, after], stack))
            continue
        parts = ((critics, targets, optimizers), jnp.asarray(bucket.terms))
        scale = input_scale(bucket, spec.settings)
        stack, measured = each_critic(
            of_stack, bucket, [now, after], *parts, scale, chunk=spec.chunk, each=step_each_member
        )
        results.append((*stack, *measured))
    critics, target_critics, critic_optimizers, losses, values = zip(*results, strict=True)
    return UpdatedCritics(
        critics, target_critics, critic_optimizers, by_term(spec, losses), by_term(spec, values)
    )
