r"""Links that lose messages, one at a time or in bursts, and that deliver them late.

A link is good or bad, and loses what is sent while it is bad (Gilbert 1960, Elliott 1963). With a
share $p$ of losses and bursts of $L$ messages on average it turns good with probability $1/L$ and
bad with probability $p / (L (1 - p))$. With $L = 1 / (1 - p)$ losses are independent (Bernoulli).
Every link draws from a key of its own, so losses do not depend on who shares a process.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, PRNGKeyArray

from mastac.checks import real_number, whole_number
from mastac.errors import UserError

MISSING = ("hold", "skip")


class Lossy(NamedTuple):
    """How links lose and delay.

    - `loss`: the share of messages that is lost, below 1.
    - `burst`: how many messages in a row are lost on average; `None`: losses are independent.
    - `delay`: after how many steps a message arrives.
    - `missing`: in training, whether the last value that arrived stands in for one that did not
        ("hold"), or an agent's critic leaves out samples that lack something ("skip").
    """

    loss: Any = 0.0
    burst: Any = None
    delay: int = 0
    missing: str = "hold"

    @property
    def is_lossless(self) -> bool:
        """Whether everything arrives, at once."""
        return self.loss == 0 and self.delay == 0


def checked_lossy(
    loss: float = 0.0, burst: float | None = None, delay: int = 0, missing: str = "hold"
) -> Lossy:
    """The same with everything checked.

    **Raises:** `UserError` for a number out of its range, and for bursts that are too short to
    make up so many losses.
    """
    loss = real_number("loss", loss, 0, 1, most_excluded=True)
    delay = whole_number("delay", delay)
    if missing not in MISSING:
        raise UserError(f"missing is '{missing}'; choose hold or skip")
    if burst is not None:
        burst = real_number("burst", burst, 1)
        if burst * (1 - loss) < loss:
            raise UserError(
                f"with a loss of {loss:g} bursts cannot be shorter than {loss / (1 - loss):g} "
                f"messages on average, and burst is {burst:g}; make it longer"
            )
    return Lossy(loss, burst, delay, missing)


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
