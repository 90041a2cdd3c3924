"""What local models read of their agents' in-neighbours, and in which units."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mastac.structure.layout import Bucket

States = Float[Array, "members agents state batch"]
Actions = Float[Array, "members agents act batch"]
Times = Float[Array, "members batch"]
Numbers = Float[Array, "members agents batch"]

SMALL = 1e-6  # a probability that is as good as none

WIDE = (None, slice(None), slice(None), None)


class Units(NamedTuple):
    """Centre and scale of all that local models read and predict, by agent.

    Those of observations are `None` where none are predicted.
    """

    state_center: Float[Array, "agents state"]
    state_scale: Float[Array, "agents state"]
    action_center: Float[Array, "agents act"]
    action_scale: Float[Array, "agents act"]
    change_center: Float[Array, "agents state"]
    change_scale: Float[Array, "agents state"]
    reward_center: Float[Array, " agents"]
    reward_scale: Float[Array, " agents"]
    obs_center: Float[Array, "agents obs"] | None = None
    obs_scale: Float[Array, "agents obs"] | None = None


def reading(
    units: Units,
    states: States,
    actions: Actions,
    time: Times,
    horizon: int,
    says_who: bool,
    there: Numbers | None,
) -> Callable[[Bucket], Float[Array, "members terms inputs batch"]]:
    """What the networks of a bucket read.

    **Arguments:**

    - `says_who`: whether one more input of each agent says that it is there.
    - `there`: of [`LocalModels`][mastac.agents.local_models.LocalModels].
    """
    states = (states - units.state_center[WIDE]) / units.state_scale[WIDE]
    actions = (actions - units.action_center[WIDE]) / units.action_scale[WIDE]
    of_states, of_actions = features_of(states, says_who), features_of(actions, False)
    clock = (2.0 * time / horizon - 1.0)[:, None, None, :]

    def read(bucket: Bucket) -> Array:
        def gathered(features: Array, width: int, rows: np.ndarray) -> Array:
            values = features[:, rows]
            if there is None:
                return values
            return values * _still_there(there, rows // width, bucket)

        size = (len(time), len(bucket.terms), 1, clock.shape[-1])
        return jnp.concatenate(
            [
                gathered(of_states, states.shape[2] + says_who, bucket.state_rows),
                gathered(of_actions, actions.shape[2], bucket.action_rows),
                jnp.broadcast_to(clock, size),
            ],
            axis=2,
        )

    return read


def _still_there(there: Numbers, owner: np.ndarray, bucket: Bucket) -> Array:
    """The probability that the owner of each input is there, if the one who reads is.

    Those who leave early are taken to be gone whenever those are who leave late.
    """
    padded = jnp.concatenate([there, jnp.zeros_like(there[:, :1])], axis=1)
    reader = there[:, np.asarray(bucket.terms)][:, :, None]
    return jnp.minimum(1.0, padded[:, owner] / jnp.maximum(reader, SMALL))


def input_units(units: Units, bucket: Bucket, says_who: bool, and_own: bool) -> tuple[Array, Array]:
    """Centre and scale of every input of the networks of a bucket, `[terms, inputs]`.

    - `says_who`: one more input of each agent says whether it is there.
    - `and_own`: the agent's own next state follows.
    """

    def gathered(states: Array, actions: Array, fill: float) -> Array:
        with_flag = states
        if says_who:
            with_flag = jnp.pad(states, ((0, 0), (1, 0)), constant_values=fill)
        padded = [jnp.append(numbers.ravel(), fill) for numbers in (with_flag, actions)]
        clock = jnp.full((len(bucket.terms), 1), fill)
        parts = [padded[0][bucket.state_rows], padded[1][bucket.action_rows], clock]
        own = [states[np.asarray(bucket.terms)]] if and_own else []
        return jnp.concatenate(parts + own, axis=1)

    center = gathered(units.state_center, units.action_center, 0.0)
    return center, gathered(units.state_scale, units.action_scale, 1.0)


def width_of(bucket: Bucket) -> int:
    """Inputs of the networks of a bucket: states, actions, and the time."""
    return bucket.state_rows.shape[1] + bucket.action_rows.shape[1] + 1


def features_of(numbers: Array, says_who: bool) -> Float[Array, "members features batch"]:
    """All agents' numbers in one axis, and a row of zeros, which padded places read.

    - `says_who`: before those of each agent there is a one.
    """
    if says_who:
        numbers = jnp.concatenate([jnp.ones_like(numbers[:, :, :1]), numbers], axis=2)
    flat = numbers.reshape(numbers.shape[0], -1, numbers.shape[-1])
    return jnp.concatenate([flat, jnp.zeros_like(flat[:, :1])], axis=1)
