"""Stochastic actors: a distribution for each agent before the environment's head, stacked."""

import math
from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from mastac.agents.actors import ActionRows, Actors, ObsRows
from mastac.agents.networks import MLP
from mastac.envs.base import Environment

LOWEST, HIGHEST = (
    math.log(1e-3),
    math.log(10.0),
)  # of the logarithm of a spread: beyond, densities overflow


class StochasticActor(eqx.Module):
    r"""A network's output is the centre of a Gaussian of spread $e^{l}$, $l$ `log_std`, or the logits of a choice.

    The spread does not depend on the observation. Stacked, all have a leading axis of agents.
    `log_temperature`: what entropy is worth to a soft actor-critic that tunes it.
    """

    mean_network: MLP
    log_std: Float[Array, "*agents act"]
    log_temperature: Float[Array, "*agents"] | None = None


class Draw(NamedTuple):
    """What was drawn, before the head, the actions that it means, and the logarithm of its density, by agent."""

    drawn: ActionRows
    actions: ActionRows
    log_prob: Float[Array, "agents batch"]


class StochasticActors(NamedTuple):
    """How to make and apply stochastic actors; weights are a `StochasticActor`.

    `init`: `key -> weights`. `draw`: `(weights, obs, key) -> Draw`, differentiable in the weights
    for Gaussians. `log_prob_and_entropy`: `(weights, obs, drawn) -> (log_prob, entropy)`, each
    `[agents, batch]`.
    """

    init: Callable[[PRNGKeyArray], StochasticActor]
    draw: Callable[[StochasticActor, ObsRows, PRNGKeyArray], Draw]
    log_prob_and_entropy: Callable[[StochasticActor, ObsRows, ActionRows], tuple[Array, Array]]


def log_stds(weights: StochasticActor) -> Float[Array, "agents act 1"]:
    """The logarithms of the spreads, kept where densities do not overflow."""
    return jnp.clip(weights.log_std, LOWEST, HIGHEST)[:, :, None]


def stochastic_actors(env: Environment, actors: Actors, spread: float) -> StochasticActors:
    r"""Gaussians before the environment's head: squashed for boxes, logistic-normal for shares; choices: categorical.

    Densities and entropies are those of what is drawn, before the head: the head does not depend on
    the weights, so scores and ratios of densities are those of the actions. `spread`: the standard
    deviation at the start, in units of the limit, or of the logits.
    """
    mask = actors.constants[-1]
    is_choice = env.action_head == "discrete"

    def init(key: PRNGKeyArray) -> StochasticActor:
        start = math.log(min(max(spread, 1e-3), 10.0))
        return StochasticActor(actors.init(key), jnp.full(mask.shape, start, jnp.float32))

    def log_chances(weights: StochasticActor, obs: ObsRows) -> ActionRows:
        return jax.nn.log_softmax(
            jnp.where(mask[:, :, None], actors.raw(weights.mean_network, obs), -jnp.inf), axis=1
        )

    def gauss(weights: StochasticActor, obs: ObsRows, key: PRNGKeyArray) -> ActionRows:
        mean_network = actors.raw(weights.mean_network, obs)
        return mean_network + jnp.exp(log_stds(weights)) * jax.random.normal(
            key, mean_network.shape
        )

    def choice(weights: StochasticActor, obs: ObsRows, key: PRNGKeyArray) -> ActionRows:
        chosen = jax.random.categorical(key, log_chances(weights, obs), axis=1)
        return jax.nn.one_hot(chosen, mask.shape[1], axis=1)

    def draw(weights: StochasticActor, obs: ObsRows, key: PRNGKeyArray) -> Draw:
        drawn = (choice if is_choice else gauss)(weights, obs, key)
        return Draw(
            drawn,
            drawn if is_choice else actors.head(drawn),
            log_prob_and_entropy(weights, obs, drawn)[0],
        )

    def log_prob_and_entropy(
        weights: StochasticActor, obs: ObsRows, drawn: ActionRows
    ) -> tuple[Array, Array]:
        if is_choice:
            # Entries that are no choice have no chance; 0 times minus infinity is to be 0, and so
            # is its slope.
            logs = jnp.where(mask[:, :, None], log_chances(weights, obs), 0.0)
            return (drawn * logs).sum(1), -(
                jnp.where(mask[:, :, None], jnp.exp(logs), 0.0) * logs
            ).sum(1)
        logs = log_stds(weights)
        away = (drawn - actors.raw(weights.mean_network, obs)) / jnp.exp(logs)
        density = -0.5 * away**2 - logs - 0.5 * math.log(2 * math.pi)
        entropy = jnp.broadcast_to(logs + 0.5 * math.log(2 * math.pi * math.e), density.shape)
        density, entropy = (
            jnp.where(mask[:, :, None], each, 0.0).sum(1) for each in (density, entropy)
        )
        return density, entropy

    return StochasticActors(init=init, draw=draw, log_prob_and_entropy=log_prob_and_entropy)


def greedy_network(weights: MLP | StochasticActor) -> MLP:
    """The network whose output, through the head, is the greedy action: a distribution's centre or likeliest choice."""
    return weights.mean_network if isinstance(weights, StochasticActor) else weights
