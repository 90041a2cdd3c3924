"""What agents observe in imagined episodes, where it is no known function of the states.

Local models say it, except for entries that have always been equal to a state that their agent
observes: these are that state.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from mastac.agents.local_models import LocalModels, Networks
from mastac.agents.model_inputs import Units, features_of
from mastac.learning.model_based.fitting import Sample
from mastac.learning.model_based.imagined import (
    Observing,
    There,
    all_members,
    by_member,
    clock,
)


class Seeing(NamedTuple):
    """What is known of observations besides the models.

    - `residual`: standard deviation of what the models do not explain, in the environment's units.
    - `is_state`: which entries have always been equal to a state; `row`: to which, of
        [`features_of`][mastac.agents.model_inputs.features_of].
    """

    residual: Float[Array, "agents obs"]
    is_state: Bool[Array, "agents obs"]
    row: Int[Array, "agents obs"]


def no_seeing(agents: int, obs: int) -> Seeing:
    """Before the first episode."""
    shape = (agents, obs)
    return Seeing(jnp.zeros(shape), jnp.zeros(shape, bool), jnp.zeros(shape, jnp.int32))


def seeing_of(models: LocalModels, residual: Float[Array, "agents obs"], sample: Sample) -> Seeing:
    """Which entries are states, in all transitions of a sample; the same for all members."""
    assert sample.obs is not None
    features = features_of(sample.state[:1], bool(models.ends))[0]
    obs = sample.obs[0]
    there = jnp.ones(obs[:, 0].shape, bool) if sample.alive is None else sample.alive[0]
    is_state, row = [], []
    for bucket in models.observations:
        terms, rows = np.asarray(bucket.terms), jnp.asarray(bucket.state_rows)
        off = jnp.abs(obs[terms][:, :, None] - features[rows][:, None])
        largest = jnp.where(there[terms][:, None, None], off, 0.0).max(-1)
        is_state.append(largest.min(-1) == 0.0)
        row.append(jnp.take_along_axis(rows, largest.argmin(-1), axis=1))
    order = np.argsort(np.concatenate([bucket.terms for bucket in models.observations]))
    known = jnp.concatenate(is_state)[order] & models.obs_mask
    return Seeing(residual, known, jnp.concatenate(row)[order])


def learnt_observations(
    models: LocalModels, networks: Networks, units: Units, seeing: Seeing
) -> Observing:
    """The local models of observations; what they do not explain is added as noise of its size."""
    assert units.obs_center is not None and units.obs_scale is not None
    center, scale = units.obs_center, units.obs_scale

    def observe(states: Array, time: Array, key: PRNGKeyArray, there: There) -> Array:
        own = by_member(models, states)
        present = None if there is None else by_member(models, there)
        given = (networks, units, own, clock(models, states, time), present)
        seen = all_members(models.observe(*given)) * scale[None] + center[None]
        seen = seen + seeing.residual[None] * jax.random.normal(key, seen.shape)
        features = features_of(jnp.moveaxis(states, 0, -1)[None], bool(models.ends))[0]
        return jnp.where(seeing.is_state[None], features[seeing.row].transpose(2, 0, 1), seen)

    return observe
