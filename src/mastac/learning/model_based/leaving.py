"""When agents leave: which steps were played, who left at them, and in what way."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, PRNGKeyArray

from mastac.learning.buffer import Episode
from mastac.learning.model_based.units import Ages


class Leaving(NamedTuple):
    """How agents have left so far.

    - `together`: whether it was always all of them at once: the end of the episode.
    - `happens`: who has ever left; the others are imagined to stay.
    """

    together: Bool[Array, ""]
    happens: Bool[Array, " agents"]


def left_at(store: Episode, episode: Array, time: Array) -> Bool[Array, "... agents"] | None:
    """For whom of those who were there these steps were the last; `None` where nobody leaves.

    Whoever is truncated has left, too: what is climbed is the return up to then. The end at the
    horizon is no leaving.
    """
    if store.alive is None or store.terminated is None:
        return None
    last = store.alive.shape[1] - 1
    goes_on = store.alive[episode, jnp.minimum(time + 1, last)] | (time == last)[..., None]
    return store.alive[episode, time] & (store.terminated[episode, time] | ~goes_on)


def leaving_of(store: Episode, ages: Ages) -> Leaving | None:
    """How agents left in the episodes that are held; `None` where nobody ever does."""
    if store.alive is None:
        return None
    episodes, steps = store.alive.shape[:2]
    left = left_at(store, jnp.arange(episodes)[:, None], jnp.arange(steps)[None])
    if left is None:
        return None
    held = (ages.is_filled > 0)[:, None, None]
    left, alive = left & held, store.alive & held
    together = (left == (left.any(2, keepdims=True) & alive)).all()
    return Leaving(together, left.any((0, 1)))


def played_steps(
    lengths: Int[Array, " episodes"],
    oldest: Int[Array, " batch"],
    shape: tuple[int, int],
    key: PRNGKeyArray,
) -> tuple[Int[Array, "members batch"], Int[Array, "members batch"]]:
    """Episodes and times, drawn uniformly from the steps that were played.

    **Arguments:**

    - `lengths`: of episodes, from the oldest to the newest.
    - `oldest`: for every place of the batch the first episode that may be drawn.
    - `shape`: of what is drawn, `(members, batch)`.
    """
    ends = jnp.cumsum(lengths)
    first = (ends - lengths)[oldest]
    place = jax.random.randint(key, shape, first[None], ends[-1])
    episode = jnp.searchsorted(ends, place, side="right")
    return episode, place - (ends - lengths)[episode]
