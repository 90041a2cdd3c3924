r"""Links that lose messages, one at a time or in bursts, and that deliver them late.

A link is good or bad, and loses what is sent while it is bad (Gilbert 1960, Elliott 1963). With a
share $p$ of losses and bursts of $L$ messages on average it turns good with probability $1/L$ and
bad with probability $p / (L (1 - p))$. With $L = 1 / (1 - p)$ losses are independent (Bernoulli).
Every link draws from a key of its own, so losses do not depend on who shares a process.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, PRNGKeyArray

from mastac.distributed.lossy import Lossy


def arrivals(
    key: PRNGKeyArray,
    receivers: Int[Array, " own"],
    sources: Int[Array, "own slots"],
    length: int,
    lossy: Lossy,
) -> Bool[Array, "own slots length"]:
    """Which of so many messages, one after the other, arrive on each link.

    An agent always hears itself, in slot 0.

    **Arguments:**

    - `key`: of the epoch, the same for all agents.
    """
    if isinstance(lossy.loss, float) and lossy.loss == 0:
        return jnp.ones((*sources.shape, length), bool)

    def one_link(receiver: Array, sender: Array) -> Bool[Array, " length"]:
        link_key = jax.random.fold_in(jax.random.fold_in(key, receiver), sender)
        return ~lost(link_key, length, lossy.loss, lossy.burst)

    came = jax.vmap(jax.vmap(one_link, (None, 0)))(receivers, sources)
    return came.at[:, 0].set(True)


def lost(key: PRNGKeyArray, length: int, loss: Any, burst: Any = None) -> Bool[Array, " length"]:
    """Which of so many messages on one link are lost; it begins as it is in the long run.

    **Arguments:**

    - `loss`: the share of them, in the long run.
    - `burst`: how many in a row on average; `None`: they are independent.
    """
    draws = jax.random.uniform(key, (length,))
    if burst is None:
        return draws < loss
    to_good = 1.0 / burst
    to_bad = loss * to_good / (1.0 - loss)

    def following(is_bad: Array, draw: Array) -> tuple[Array, Array]:
        is_bad = jnp.where(is_bad, draw >= to_good, draw < to_bad)
        return is_bad, is_bad

    first = draws[0] < loss
    _, rest = jax.lax.scan(following, first, draws[1:])
    return jnp.concatenate([first[None], rest])
