r"""Deterministic actors: one policy $\pi_i(o_i; \theta_i)$ for each agent, stacked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from mastac.agents.networks import MLP, each_member, each_of_kinds, glorot, read_anew
from mastac.envs.base import Environment
from mastac.envs.heads import SATURATED, Head
from mastac.envs.mixed_heads import mask_of
from mastac.structure.kinds import Blocks

ObsBatch = Float[Array, "agents obs batch"]
ActionBatch = Float[Array, "agents act batch"]


class Actor(MLP):
    """Weights of one agent's network, and how it reads observations; stacked over agents.

    Observations enter as `(obs - center) * inverse_scale`. These two are never trained: their
    gradient is zero, and where weights are perturbed they are left out.
    """

    center: Float[Array, "*agents obs"] = eqx.field(kw_only=True)
    inverse_scale: Float[Array, "*agents obs"] = eqx.field(kw_only=True)

    def __call__(self, x: Float[Array, "obs batch"]) -> Float[Array, "outputs batch"]:
        center, inverse_scale = map(jax.lax.stop_gradient, (self.center, self.inverse_scale))
        return super().__call__((x - center[:, None]) * inverse_scale[:, None])


class Constants(NamedTuple):
    """What the policies of all agents know of their environment's actions.

    - `limit`: of the actions, in the environment's units.
    - `mask`: which entries of an action are real, as their head wants to know it.
    """

    limit: Float[Array, "agents act"]
    mask: Bool[Array, "agents act"] | Int[Array, "agents act"]


@dataclass(frozen=True, eq=False)
class Actors:
    """How to make and apply the actors of one environment; their weights are an `Actor`.

    Observations are centred and scaled by what the weights hold: at first as the environment
    declares. What a network gives are the logits; the environment's head makes actions of them, in
    the environment's units.

    - `obs_center`, `obs_inverse_scale`: those of the first weights, `[agents, obs]`.
    - `hidden`, `output_scale`: of [`glorot`][mastac.agents.networks.glorot].
    - `chunk`: of [`each_member`][mastac.agents.networks.each_member].
    - `blocks`: which agents share an actor; weights are then those of the kinds. `None`: none do.
    - `among`: where these are some actors of a team, how many the team has, and which of them these
        are; `None`: all of it.
    """

    head: Head
    constants: Constants
    obs_center: Float[np.ndarray, "agents obs"]
    obs_inverse_scale: Float[np.ndarray, "agents obs"]
    obs_sizes: Int[np.ndarray, " agents"]
    hidden: tuple[int, ...]
    output_scale: float
    chunk: int
    blocks: Blocks | None = None
    among: tuple[int, Int[Array, " agents"]] | None = None

    def drawn(
        self, draw: Callable[..., Array], key: PRNGKeyArray, shape: tuple[int, ...]
    ) -> Float[Array, "agents ..."]:
        """`draw(key, shape)`; for some actors of a team, their rows of what all of it draws.

        So an agent's luck does not depend on which others are computed beside it.
        """
        if self.among is None:
            return draw(key, shape)
        team, rows = self.among
        return draw(key, (team, *shape[1:]))[rows]

    def init(self, key: PRNGKeyArray) -> Actor:
        """First weights of all agents, or of all kinds of them."""
        widths = self.obs_center.shape[1], self.constants.mask.shape[1]
        own = slice(None) if self.blocks is None else self.blocks.kinds.first
        sizes = self.obs_sizes[own]
        network = glorot(key, sizes, widths[0], self.hidden, widths[1], self.output_scale)
        return Actor(
            network.weights,
            network.biases,
            network.activation,
            center=jnp.asarray(self.obs_center[own]),
            inverse_scale=jnp.asarray(self.obs_inverse_scale[own]),
        )

    def of_agents(self, leaf: Float[Array, "networks *rest"]) -> Float[Array, "agents *rest"]:
        """What networks have, of those that agents have."""
        return leaf if self.blocks is None else leaf[self.blocks.kinds.of]

    def rescaled(
        self,
        weights: Actor,
        center: Float[Array, "agents obs"],
        scale: Float[Array, "agents obs"],
        keep: bool | Bool[Array, ""] | Bool[Array, " agents"],
    ) -> Actor:
        """The weights with another centre and scale of the observations.

        **Arguments:**

        - `keep`: whether the policy stays the same function of the observations: the first layer
            takes up what changed. Else the layer is left alone, and so the policy changes. Where a
            scale grows more than `MOST_GROWTH` times the input comes to count for less: an input
            that was constant so far had no say, and must not get a loud one.
        """
        moved = (center - weights.center) * weights.inverse_scale
        after = read_anew(weights, scale * weights.inverse_scale, moved)
        kept = jnp.broadcast_to(jnp.asarray(keep), center.shape[:1])
        return eqx.tree_at(
            lambda actor: (actor.weights[0], actor.biases[0], actor.center, actor.inverse_scale),
            weights,
            (
                jnp.where(kept[:, None, None], after.weights[0], weights.weights[0]),
                jnp.where(kept[:, None], after.biases[0], weights.biases[0]),
                center,
                1.0 / scale,
            ),
        )

    def apply(self, weights: Actor, obs: ObsBatch) -> ActionBatch:
        """The actions of all agents."""
        if self.blocks is not None:
            return self.actions_of(self.logits(weights, obs))
        return each_member(self.one, weights, obs, *self.constants, chunk=self.chunk)

    def one(
        self, weights: Actor, obs: Float[Array, "obs batch"], limit: Array, mask: Array
    ) -> Float[Array, "act batch"]:
        """The actions of a single agent, from its weights and its row of each of the constants."""
        return self.head.apply(weights(obs), limit[:, None], mask[:, None], axis=0)

    def logits(self, weights: Actor, obs: ObsBatch) -> ActionBatch:
        """The outputs of all agents' networks, before the head."""
        if self.blocks is not None:
            return self._logits_of_kinds(weights, obs, self.blocks)
        return jax.vmap(lambda actor, seen: actor(seen))(weights, obs)

    def _logits_of_kinds(self, weights: Actor, obs: ObsBatch, blocks: Blocks) -> ActionBatch:
        bias = weights.biases[-1]
        apply = lambda actor, seen: actor(seen)  # noqa: E731
        if len(bias) == len(blocks.kinds.first):
            return each_of_kinds(apply, weights, obs, blocks=blocks)
        # For an episode agents have last biases of their own.
        none = jnp.zeros((len(blocks.kinds.first), *bias.shape[1:]), bias.dtype)
        unbiased = eqx.tree_at(lambda actor: actor.biases[-1], weights, none)
        return each_of_kinds(apply, unbiased, obs, blocks=blocks) + bias[:, :, None]

    def actions_of(self, logits: ActionBatch) -> ActionBatch:
        """What the logits of all agents mean."""
        return self.head.apply(logits, *self._limit_and_mask())

    def with_slopes(self, logits: ActionBatch, key: PRNGKeyArray) -> ActionBatch:
        """What the logits mean, as something that has slopes in them; choices are drawn."""
        if not self.head.has_choices:
            return self.actions_of(logits)
        gumbel = self.drawn(jax.random.gumbel, key, logits.shape)
        return straight_through(self.head, logits, *self._limit_and_mask(), gumbel, axis=1)

    def one_with_slopes(
        self,
        weights: Actor,
        obs: Float[Array, "obs batch"],
        limit: Array,
        mask: Array,
        key: PRNGKeyArray,
    ) -> Float[Array, "act batch"]:
        """The same for a single agent, from its weights and its row of each of the constants."""
        if not self.head.has_choices:
            return self.one(weights, obs, limit, mask)
        logits = weights(obs)
        gumbel = jax.random.gumbel(key, logits.shape)
        return straight_through(self.head, logits, limit[:, None], mask[:, None], gumbel, axis=0)

    def explore(
        self,
        weights: Actor,
        obs: ObsBatch,
        noise: Float[Array, ""],
        random_fraction: Float[Array, ""],
        key: PRNGKeyArray,
        draws: bool = False,
    ) -> ActionBatch:
        """Actions with Gaussian noise; some are drawn evenly from all that are valid instead.

        **Arguments:**

        - `noise`: standard deviation, in units of the limit or of logits (`Head.explores_logits`).
        - `random_fraction`: probability, for each agent apart, that its whole action is random.
        - `draws`: whether choices are drawn with the probabilities that the logits give, whatever
            `noise` is.
        """
        noise_key, uniform_key, choice_key = jax.random.split(key, 3)
        logits = self.logits(weights, obs)
        added = noise * self.drawn(jax.random.normal, noise_key, logits.shape)
        if draws and self.head.has_choices:
            gumbel = self.drawn(jax.random.gumbel, noise_key, logits.shape)
            added = jnp.where(self.head.choices(self.constants.mask)[:, :, None], gumbel, added)
        noisy = self.head.perturb(logits, added, *self._limit_and_mask())
        uniform = self.head.from_uniform(
            self.drawn(jax.random.uniform, uniform_key, logits.shape), *self._limit_and_mask()
        )
        each_agent = (logits.shape[0], 1, logits.shape[2])
        is_random = self.drawn(jax.random.uniform, choice_key, each_agent) < random_fraction
        return jnp.where(is_random, uniform, noisy)

    def smoothed(
        self, weights: Actor, obs: ObsBatch, noise: float, clip: float, key: PRNGKeyArray
    ) -> ActionBatch:
        """Actions with Gaussian noise that is clipped at ± `clip` (Fujimoto et al. 2018)."""
        logits = self.logits(weights, obs)
        gauss = noise * self.drawn(jax.random.normal, key, logits.shape)
        gauss = jnp.clip(gauss, -clip, clip)
        return self.head.perturb(logits, gauss, *self._limit_and_mask())

    def saturated(self, logits: ActionBatch, held: Any = SATURATED) -> ActionBatch:
        """How far the logits of all agents are beyond what they are held within."""
        return self.head.saturation(logits, self.constants.mask[:, :, None], held=held)

    def _limit_and_mask(self) -> tuple[Float[Array, "agents act 1"], Array]:
        return self.constants.limit[:, :, None], self.constants.mask[:, :, None]


def straight_through(
    head: Head, logits: Array, limit: Array, mask: Array, gumbel: Array, axis: int
) -> Array:
    """Choices drawn with the probabilities that the logits give, as something that has slopes.

    The straight-through Gumbel-softmax estimator (Jang et al. 2017, Maddison et al. 2017): the
    largest of the logits and Gumbel noise is the choice; its slopes are those of the softmax of the
    same sums. They are biased: a choice is taken for a mixture. Between two even choices they are
    two thirds of those of the expectation of a function that is linear in the choice.
    """
    choices = head.choices(mask)
    noisy = logits + jnp.where(choices, gumbel, 0.0)
    soft = jax.nn.softmax(jnp.where(choices, noisy, -1e9), axis=axis)
    hard = head.apply(noisy, limit, mask, axis)
    return jnp.where(choices, soft + jax.lax.stop_gradient(hard - soft), hard)


def actors(
    env: Environment,
    hidden: Sequence[int],
    output_scale: float = 1.0,
    chunk: int = 0,
    blocks: Blocks | None = None,
) -> Actors:
    """Perceptrons with `hidden` layers and the environment's output head."""
    obs_shape = (env.num_agents, int(env.obs_sizes.max()))
    mask = mask_of(env.action_head, env.action_sizes)
    constants = Constants(
        limit=jnp.asarray(np.broadcast_to(env.action_limit, mask.shape), jnp.float32),
        mask=jnp.asarray(mask),
    )
    return Actors(
        env.head,
        constants,
        obs_center=np.broadcast_to(env.obs_center, obs_shape).astype(np.float32),
        obs_inverse_scale=(1.0 / np.broadcast_to(env.obs_scale, obs_shape)).astype(np.float32),
        obs_sizes=env.obs_sizes,
        hidden=tuple(hidden),
        output_scale=output_scale,
        chunk=chunk,
        blocks=blocks,
    )
