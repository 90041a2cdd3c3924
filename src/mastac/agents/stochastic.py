"""Stochastic actors: a distribution of each agent's action given its observation, stacked.

Gaussians before the environment's head: squashed where actions are bounded, logistic-normal for
shares. Where actions are choices: categorical, for some agents or for all.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from mastac.agents.actors import ActionBatch, Actor, Actors, ObsBatch

# Bounds of the logarithm of a standard deviation: beyond them densities overflow.
LOWEST, HIGHEST = math.log(1e-3), math.log(10.0)


class StochasticActor(eqx.Module):
    r"""Weights of one agent's distribution; stacked, all have a leading axis of agents.

    - `mean_network`: its output is the mean of a Gaussian, or the logits of a choice.
    - `log_std`: logarithm of the Gaussian's standard deviation, the same for all observations.
    - `log_temperature`: $\ln \alpha_i$, the worth of entropy, where the soft actor-critic tunes it.
    """

    mean_network: Actor
    log_std: Float[Array, "*agents act"]
    log_temperature: Float[Array, "*agents"] | None = None


class Draw(NamedTuple):
    r"""What was drawn from the distributions.

    - `drawn`: logits, or choices where the head is discrete.
    - `actions`: what they mean, in the environment's units.
    - `log_prob`: $\ln p_i$ of `drawn`, before the head.
    """

    drawn: ActionBatch
    actions: ActionBatch
    log_prob: Float[Array, "agents batch"]


@dataclass(frozen=True, eq=False)
class StochasticActors:
    """How to make and apply stochastic actors; weights are a `StochasticActor`.

    - `std`: the Gaussians' standard deviation at the start, in units of the logits.
    """

    actors: Actors
    std: float

    def init(self, key: PRNGKeyArray) -> StochasticActor:
        """First weights of all agents."""
        start = math.log(min(max(self.std, 1e-3), 10.0))
        network = self.actors.init(key)
        shape = network.biases[-1].shape
        return StochasticActor(network, jnp.full(shape, start, jnp.float32))

    def rescaled(
        self,
        weights: StochasticActor,
        center: Float[Array, "agents obs"],
        scale: Float[Array, "agents obs"],
        keep: bool | Bool[Array, ""] | Bool[Array, " agents"],
    ) -> StochasticActor:
        """As [`Actors.rescaled`][mastac.agents.actors.Actors], for the mean or the choices."""
        network = self.actors.rescaled(weights.mean_network, center, scale, keep)
        return StochasticActor(network, weights.log_std, weights.log_temperature)

    def draw(self, weights: StochasticActor, obs: ObsBatch, key: PRNGKeyArray) -> Draw:
        """Actions at random. Gaussians are reparameterised: differentiable in the weights."""
        head = self.actors.head
        if head.is_discrete:
            drawn = actions = self._chosen(weights, obs, key)
        else:
            mean = self.actors.logits(weights.mean_network, obs)
            drawn = mean + jnp.exp(self._log_stds(weights)) * jax.random.normal(key, mean.shape)
            if head.has_choices:
                chosen = self._chosen(weights, obs, jax.random.fold_in(key, 1))
                drawn = jnp.where(self._choices, chosen, drawn)
            actions = self.actors.actions_of(drawn)
        return Draw(drawn, actions, self.log_prob_and_entropy(weights, obs, drawn)[0])

    def log_prob_and_entropy(
        self, weights: StochasticActor, obs: ObsBatch, drawn: ActionBatch
    ) -> tuple[Float[Array, "agents batch"], Float[Array, "agents batch"]]:
        r"""$\ln p_i(\text{drawn}_i | o_i)$ and the entropy of $p_i$, in nats, before the head.

        The head does not depend on the weights, so scores $\nabla \ln p$ and ratios of densities
        are those of the actions.
        """
        head = self.actors.head
        if head.is_discrete:
            return self._of_choices(weights, obs, drawn)
        gaussian = self._of_gaussians(weights, obs, drawn)
        if not head.has_choices:
            return gaussian
        chosen = self._of_choices(weights, obs, drawn)
        return gaussian[0] + chosen[0], gaussian[1] + chosen[1]

    def actions_and_log_prob(
        self, weights: StochasticActor, obs: ObsBatch, key: PRNGKeyArray
    ) -> tuple[ActionBatch, Float[Array, "agents batch"]]:
        r"""Actions and $\ln \pi_i(a_i | o_i)$ behind the head, differentiable in the weights.

        A Gaussian's own entropy would be a bonus for driving a squashed action to its limit, where
        wide and narrow draws are the same action. Actions are measured in units of their limit.
        Choices come with the expectation of $\ln \pi_i$, whose slopes are exact.
        """
        draw = self.draw(weights, obs, key)
        if not self.actors.head.has_choices:
            return draw.actions, draw.log_prob + self.log_stretch(weights, obs, draw.drawn)
        logits = self.actors.logits(weights.mean_network, obs)
        logits = jnp.where(self._choices, logits, draw.drawn)
        actions = self.actors.with_slopes(logits, key)
        log_prob = -self._of_choices(weights, obs, jax.lax.stop_gradient(actions))[1]
        if self.actors.head.is_discrete:
            return actions, log_prob
        density = self._of_gaussians(weights, obs, draw.drawn)[0]
        return actions, log_prob + density + self.log_stretch(weights, obs, draw.drawn)

    def log_stretch(
        self, weights: StochasticActor, obs: ObsBatch, drawn: ActionBatch
    ) -> Float[Array, "agents batch"]:
        """What the head adds to the log-density ([`Head.log_stretch`][mastac.envs.heads.Head])."""
        mean = self.actors.logits(weights.mean_network, obs)
        mask = self.actors.constants.mask[:, :, None]
        return self.actors.head.log_stretch(drawn, mean, self._log_stds(weights), mask)

    def _log_stds(self, weights: StochasticActor) -> Float[Array, "agents act 1"]:
        """The logarithms of the standard deviations, kept where densities do not overflow."""
        kept = jnp.clip(weights.log_std, LOWEST, HIGHEST)
        return self.actors.of_agents(kept)[:, :, None]

    @property
    def _choices(self) -> Bool[Array, "agents act 1"]:
        return self.actors.head.choices(self.actors.constants.mask)[:, :, None]

    def _log_chances(self, weights: StochasticActor, obs: ObsBatch) -> ActionBatch:
        """Logarithms of the chances of choices; what is none has any."""
        logits, choices = self.actors.logits(weights.mean_network, obs), self._choices
        inside = choices | ~choices.any(1, keepdims=True)
        return jax.nn.log_softmax(jnp.where(inside, logits, -jnp.inf), axis=1)

    def _chosen(self, weights: StochasticActor, obs: ObsBatch, key: PRNGKeyArray) -> ActionBatch:
        chances = self._log_chances(weights, obs)
        return jax.nn.one_hot(
            jax.random.categorical(key, chances, axis=1), chances.shape[1], axis=1
        )

    def _of_choices(
        self, weights: StochasticActor, obs: ObsBatch, drawn: ActionBatch
    ) -> tuple[Float[Array, "agents batch"], Float[Array, "agents batch"]]:
        """The logarithm of the chance of what was chosen, and the entropy."""
        # Padded choices have chance 0 and logarithm -inf: 0 times that is to be 0, and so is its
        # slope.
        logs = jnp.where(self._choices, self._log_chances(weights, obs), 0.0)
        chances = jnp.where(self._choices, jnp.exp(logs), 0.0)
        return (drawn * logs).sum(1), -(chances * logs).sum(1)

    def _of_gaussians(
        self, weights: StochasticActor, obs: ObsBatch, drawn: ActionBatch
    ) -> tuple[Float[Array, "agents batch"], Float[Array, "agents batch"]]:
        """The log-density of drawn logits, and the entropy."""
        mask = self.actors.constants.mask[:, :, None]
        if self.actors.head.has_choices:
            mask = (mask != 0) & ~self._choices
        logs = self._log_stds(weights)
        away = (drawn - self.actors.logits(weights.mean_network, obs)) / jnp.exp(logs)
        density = -0.5 * away**2 - logs - 0.5 * math.log(2 * math.pi)
        entropy = jnp.broadcast_to(logs + 0.5 * math.log(2 * math.pi * math.e), density.shape)
        density, entropy = (jnp.where(mask, entries, 0.0).sum(1) for entries in (density, entropy))
        return density, entropy


def greedy_network(weights: Actor | StochasticActor) -> Actor:
    """The network of the greedy actions: a distribution's mean, or its likeliest choice."""
    return weights.mean_network if isinstance(weights, StochasticActor) else weights
