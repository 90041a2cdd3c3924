"""What an epoch measures, from what its updates measure."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from mastac.learning.spec import Metrics


class EpochMetrics(NamedTuple):
    """One row of `metrics.csv`; NaN where nothing was measured.

    - `episode_return`: undiscounted, of the exploring policies, as the environment reports it.
    - `critic_loss`, `value`: means over values and over the epoch's updates; NaN in epochs without
        an update, and where there is no critic.
    - `gradient_norm`: mean over agents and over the updates in which actors moved; NaN in epochs
        without one.
    - `env_steps`: of `RunState`, after the epoch.
    - `agent_gradient_norm`: of each agent's actor alone; no column of the table. Of a chunk of
        epochs it is the mean over those in which it was measured, `[seeds, agents]`.
    """

    episode_return: Float[Array, ""]
    critic_loss: Float[Array, ""]
    value: Float[Array, ""]
    gradient_norm: Float[Array, ""]
    env_steps: Int[Array, ""] | None = None
    agent_gradient_norm: Float[Array, " agents"] | None = None


def epoch_means(metrics: Metrics) -> Metrics:
    """Means over an epoch's updates, stacked along the leading axis.

    The gradients' norms over those updates in which actors moved: in the others there is none. NaN
    if they moved in none.
    """
    flags = jnp.asarray(metrics.actors_moved)
    moved = flags.sum().astype(jnp.float32)
    # Norms are 0 where actors did not move, so the mean over all updates is scaled up.
    norm = jnp.where(moved > 0, metrics.gradient_norm.mean(0) * (len(flags) / moved), jnp.nan)
    loss = None if metrics.critic_loss is None else metrics.critic_loss.mean(0)
    return Metrics(loss, metrics.value.mean(0), norm, moved > 0)


class NormSums(NamedTuple):
    """Sums of the norms of single agents over epochs, and over how many. Small for many epochs."""

    total: Float[Array, "seeds agents"]
    epochs: Float[Array, "seeds agents"]

    @staticmethod
    def none(seeds: int, agents: int) -> "NormSums":
        """Before the first epoch."""
        return NormSums(jnp.zeros((seeds, agents)), jnp.zeros((seeds, agents)))

    def with_row(self, row: EpochMetrics) -> tuple["NormSums", EpochMetrics]:
        """With an epoch of all seeds, and the row without what has been added."""
        norms = jnp.asarray(row.agent_gradient_norm)
        known = jnp.isfinite(norms)
        sums = NormSums(self.total + jnp.where(known, norms, 0.0), self.epochs + known)
        return sums, row._replace(agent_gradient_norm=None)

    def means(self) -> Float[Array, "seeds agents"]:
        """NaN where nothing was measured."""
        return self.total / self.epochs


def not_measured(shape: jax.ShapeDtypeStruct) -> Array:
    """NaN for numbers, `False` for flags."""
    nothing = jnp.nan if jnp.issubdtype(shape.dtype, jnp.floating) else False
    return jnp.full(shape.shape, nothing, shape.dtype)
