"""The best policies that evaluations found, kept beside those that go on learning.

What a run with `keep=best` ends with. Its evaluations while it trains play other episodes than the
last one, so that luck which chose a policy is not reported as its return.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


class Kept(NamedTuple):
    """Of one seed, or with a leading axis of seeds.

    - `actors`: those with the highest return; before the first evaluation the first ones.
    - `episode_return`: of the evaluation that chose them, as the environment reports it.
    - `epoch`: after which they were evaluated.
    """

    actors: Any
    episode_return: Float[Array, "*seeds"]
    epoch: Int[Array, "*seeds"]


def first_kept(actors: Any) -> Kept:
    """Before the first evaluation, of one seed."""
    lowest = jnp.full((), -jnp.inf, jnp.float32)
    return Kept(jax.tree.map(jnp.copy, actors), lowest, jnp.zeros((), jnp.int32))


def better_of(
    kept: Kept, actors: Any, returns: Float[Array, " seeds"], epoch: int | Int[Array, ""]
) -> Kept:
    """Of every seed what is kept, or the present actors where their evaluation returned more.

    A return that is not a number is not more.
    """
    is_better = returns > kept.episode_return

    def chosen(new: Array, old: Array) -> Array:
        return jnp.where(is_better.reshape(-1, *(1,) * (new.ndim - 1)), new, old)

    return Kept(
        jax.tree.map(chosen, actors, kept.actors),
        jnp.where(is_better, returns, kept.episode_return),
        jnp.where(is_better, epoch, kept.epoch),
    )
