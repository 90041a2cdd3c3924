"""Actors up the gradient of imagined returns, never below where they began."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

LARGEST_GRADIENT = 1.0  # norm of one actor's; cliffs have far larger ones
RAMP = 5  # steps over which the step size rises: Adam's first ones are as long as any
DECAY = 0.99  # of the squared gradients that Adam remembers
WORST = -3e38  # finite, for what is compared and stored


class Climb(NamedTuple):
    """What climbing gave.

    - `actors`: the best of all that were tried, the first ones among them.
    - `before`, `after`: the objective of the first and of the best ones.
    - `first_promise`, `promise`: what the objective says of them besides.
    - `best_step`: after how many steps the best ones were found.
    - `gradient_norm`: of each agent's actor at the first ones.
    """

    actors: Any
    before: Float[Array, ""]
    after: Float[Array, ""]
    first_promise: Any
    promise: Any
    best_step: Int[Array, ""]
    gradient_norm: Float[Array, " agents"]


def climb(
    objective: Callable[[Any], tuple[Float[Array, ""], Any]],
    actors: Any,
    steps: int,
    rate: Float[Array, ""],
) -> Climb:
    """Adam up the gradient of an objective that is a fixed function of the actors.

    Fixed, because first states and noise are the same at every step: values can be compared, and
    the best actors are kept, not the last.

    **Arguments:**

    - `objective`: `actors -> (what is climbed, what to tell of it)`; where it is not finite, it
        counts as very bad.
    - `actors`: weights with a leading axis of agents.
    - `rate`: Adam's step size.
    """
    adam = optax.adam(1.0, b2=DECAY)

    def one(carry: tuple[Any, ...], step: Int[Array, ""]):
        actors, state, best = carry
        (value, promise), gradient = jax.value_and_grad(objective, has_aux=True)(actors)
        value, promise = jax.tree.map(finite_or_worst, (value, promise))
        gradient, norms = bounded(gradient)
        tried = Climb(actors, value, value, promise, promise, step, norms)
        is_better = (value > best.after) | (step == 0)
        best = jax.tree.map(lambda new, old: jnp.where(is_better, new, old), tried, best)
        move, state = adam.update(gradient, state, actors)
        size = rate * jnp.minimum(1.0, (step + 1.0) / RAMP)
        actors = jax.tree.map(lambda weight, move: weight - size * move, actors, move)
        return (actors, state, best), (value, promise, norms)

    shapes = jax.eval_shape(objective, actors)
    value, promise = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    norms = jnp.zeros(len(jax.tree.leaves(actors)[0]))
    nothing = Climb(actors, value, value, promise, promise, jnp.int32(0), norms)
    start = (actors, adam.init(actors), nothing)
    (_, _, best), tried = jax.lax.scan(one, start, jnp.arange(steps))
    before, promise, norms = jax.tree.map(lambda leaf: leaf[0], tried)
    return best._replace(before=before, first_promise=promise, gradient_norm=norms)


def finite_or_worst(value: Array) -> Array:
    """The value, or the worst there is where it is not finite."""
    return jnp.where(jnp.isfinite(value), value, WORST)


def bounded(gradient: Any) -> tuple[Any, Float[Array, " agents"]]:
    """Each agent's gradient at most `LARGEST_GRADIENT` long, zero where it is not finite."""
    norms = jax.vmap(optax.tree.norm)(gradient)
    factor = jnp.where(jnp.isfinite(norms), LARGEST_GRADIENT / jnp.maximum(norms, 1.0), 0.0)

    def short(leaf: Array) -> Array:
        lined_up = factor.reshape(-1, *[1] * (leaf.ndim - 1))
        return jnp.where(jnp.isfinite(leaf), leaf, 0.0) * lined_up

    return jax.tree.map(short, gradient), finite_or_worst(norms)
