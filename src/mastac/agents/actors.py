r"""Deterministic actors: one policy $\pi_i(o_i; \theta_i)$ for each agent, stacked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from mastac.agents.networks import MLP, each_member, glorot
from mastac.envs.base import Environment
from mastac.envs.heads import Head

ObsBatch = Float[Array, "agents obs batch"]
ActionBatch = Float[Array, "agents act batch"]


class Constants(NamedTuple):
    """What the networks of all agents know of their environment.

    - `obs_center`, `obs_inverse_scale`: observations enter as `(obs - center) * inverse_scale`.
    - `limit`: of the actions, in the environment's units.
    - `mask`: which entries of an action are real.
    """

    obs_center: Float[Array, "agents obs"]
    obs_inverse_scale: Float[Array, "agents obs"]
    limit: Float[Array, "agents act"]
    mask: Bool[Array, "agents act"]


@dataclass(frozen=True, eq=False)
class Actors:
    """How to make and apply the actors of one environment; their weights are an `MLP`.

    Observations are centred and scaled as the environment declares. What a network gives are the
    logits; the environment's head makes actions of them, in the environment's units.

    - `hidden`, `output_scale`: of [`glorot`][mastac.agents.networks.glorot].
    - `chunk`: of [`each_member`][mastac.agents.networks.each_member].
    """

    head: Head
    constants: Constants
    obs_sizes: Int[np.ndarray, " agents"]
    hidden: tuple[int, ...]
    output_scale: float
    chunk: int

    def init(self, key: PRNGKeyArray) -> MLP:
        """First weights of all agents."""
        obs_width, action_width = (self.constants[k].shape[1] for k in (0, -1))
        return glorot(key, self.obs_sizes, obs_width, self.hidden, action_width, self.output_scale)

    def apply(self, weights: MLP, obs: ObsBatch) -> ActionBatch:
        """The actions of all agents."""
        return each_member(self.one, weights, obs, *self.constants, chunk=self.chunk)

    def one(
        self, weights: MLP, obs: Float[Array, "obs batch"], center, inverse_scale, limit, mask
    ) -> Float[Array, "act batch"]:
        """The actions of a single agent, from its weights and its row of each of the constants."""
        logits = _one_logits(weights, obs, center, inverse_scale)
        return self.head.apply(logits, limit[:, None], mask[:, None], axis=0)

    def logits(self, weights: MLP, obs: ObsBatch) -> ActionBatch:
        """The outputs of all agents' networks, before the head."""
        return jax.vmap(_one_logits)(weights, obs, *self.constants[:2])

    def actions_of(self, logits: ActionBatch) -> ActionBatch:
        """What the logits of all agents mean."""
        return self.head.apply(logits, *self._limit_and_mask())

    def explore(
        self,
        weights: MLP,
        obs: ObsBatch,
        noise: Float[Array, ""],
        random_fraction: Float[Array, ""],
        key: PRNGKeyArray,
    ) -> ActionBatch:
        """Actions with Gaussian noise; some are drawn evenly from all that are valid instead.

        **Arguments:**

        - `noise`: standard deviation, in units of the limit or of logits (`Head.explores_logits`).
        - `random_fraction`: probability, for each agent apart, that its whole action is random.
        """
        noise_key, uniform_key, choice_key = jax.random.split(key, 3)
        logits = self.logits(weights, obs)
        gauss = noise * jax.random.normal(noise_key, logits.shape)
        noisy = self.head.perturb(logits, gauss, *self._limit_and_mask())
        uniform = self.head.from_uniform(
            jax.random.uniform(uniform_key, logits.shape), *self._limit_and_mask()
        )
        each_agent = (logits.shape[0], 1, logits.shape[2])
        is_random = jax.random.uniform(choice_key, each_agent) < random_fraction
        return jnp.where(is_random, uniform, noisy)

    def smoothed(
        self, weights: MLP, obs: ObsBatch, noise: float, clip: float, key: PRNGKeyArray
    ) -> ActionBatch:
        """Actions with Gaussian noise that is clipped at ± `clip` (Fujimoto et al. 2018)."""
        logits = self.logits(weights, obs)
        gauss = jnp.clip(noise * jax.random.normal(key, logits.shape), -clip, clip)
        return self.head.perturb(logits, gauss, *self._limit_and_mask())

    def _limit_and_mask(self) -> tuple[Float[Array, "agents act 1"], Bool[Array, "agents act 1"]]:
        return self.constants.limit[:, :, None], self.constants.mask[:, :, None]


def actors(
    env: Environment, hidden: Sequence[int], output_scale: float = 1.0, chunk: int = 0
) -> Actors:
    """Perceptrons with `hidden` layers and the environment's output head."""
    obs_shape = (env.num_agents, int(env.obs_sizes.max()))
    mask = np.arange(int(env.action_sizes.max())) < env.action_sizes[:, None]
    constants = Constants(
        obs_center=jnp.asarray(np.broadcast_to(env.obs_center, obs_shape), jnp.float32),
        obs_inverse_scale=jnp.asarray(1.0 / np.broadcast_to(env.obs_scale, obs_shape), jnp.float32),
        limit=jnp.asarray(np.broadcast_to(env.action_limit, mask.shape), jnp.float32),
        mask=jnp.asarray(mask),
    )
    return Actors(env.head, constants, env.obs_sizes, tuple(hidden), output_scale, chunk)


def _one_logits(
    weights: MLP, obs: Float[Array, "obs batch"], center: Array, inverse_scale: Array
) -> Float[Array, "act batch"]:
    return weights((obs - center[:, None]) * inverse_scale[:, None])
