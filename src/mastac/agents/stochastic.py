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

LOWEST, HIGHEST = math.log(1e-3), math.log(10.0)  # of the logarithm of a spread: beyond, densities overflow


class StochasticActor(eqx.Module):
    r"""A network's output is the centre of a Gaussian of spread $e^{l}$, $l$ `log_spread`, or the logits of a choice.

    The spread does not depend on the observation. Stacked, all have a leading axis of agents. `log_temperature`: what
    entropy is worth to a soft actor-critic that tunes it.
    """

    centre: MLP
    log_spread: Float[Array, "*agents act"]
    log_temperature: Float[Array, "*agents"] | None = None


class Draw(NamedTuple):
    """What was drawn, before the head, the actions that it means, and the logarithm of its density, by agent."""

    drawn: ActionRows
    actions: ActionRows
    log_density: Float[Array, "agents batch"]


class StochasticActors(NamedTuple):
    """How to make and apply stochastic actors; weights are a `StochasticActor`.

    `init`: `key -> weights`. `draw`: `(weights, obs, key) -> Draw`, differentiable in the weights for Gaussians.
    `judge`: `(weights, obs, drawn) -> (log_density, entropy)`, each `[agents, batch]`.
    """

    init: Callable[[PRNGKeyArray], StochasticActor]
    draw: Callable[[StochasticActor, ObsRows, PRNGKeyArray], Draw]
    judge: Callable[[StochasticActor, ObsRows, ActionRows], tuple[Array, Array]]


def log_spreads(weights: StochasticActor) -> Float[Array, "agents act 1"]:
    """The logarithms of the spreads, kept where densities do not overflow."""
    return jnp.clip(weights.log_spread, LOWEST, HIGHEST)[:, :, None]


def stochastic_actors(env: Environment, actors: Actors, spread: float) -> StochasticActors:
    r"""Gaussians before the environment's head: squashed for boxes, logistic-normal for shares; choices: categorical.

    Densities and entropies are those of what is drawn, before the head: the head does not depend on the weights, so
    scores and ratios of densities are those of the actions. `spread`: the standard deviation at the start, in units
    of the limit, or of the logits.
    """
    mask = actors.constants[-1]
    is_choice = env.action_head == "discrete"

    def init(key: PRNGKeyArray) -> StochasticActor:
        start = math.log(min(max(spread, 1e-3), 10.0))
        return StochasticActor(actors.init(key), jnp.full(mask.shape, start, jnp.float32))

    def log_chances(weights: StochasticActor, obs: ObsRows) -> ActionRows:
        return jax.nn.log_softmax(jnp.where(mask[:, :, None], actors.raw(weights.centre, obs), -jnp.inf), axis=1)

    def gauss(weights: StochasticActor, obs: ObsRows, key: PRNGKeyArray) -> ActionRows:
        centre = actors.raw(weights.centre, obs)
        return centre + jnp.exp(log_spreads(weights)) * jax.random.normal(key, centre.shape)

    def choice(weights: StochasticActor, obs: ObsRows, key: PRNGKeyArray) -> ActionRows:
        chosen = jax.random.categorical(key, log_chances(weights, obs), axis=1)
        return jax.nn.one_hot(chosen, mask.shape[1], axis=1)

    def draw(weights: StochasticActor, obs: ObsRows, key: PRNGKeyArray) -> Draw:
        drawn = (choice if is_choice else gauss)(weights, obs, key)
        return Draw(drawn, drawn if is_choice else actors.head(drawn), judge(weights, obs, drawn)[0])

    def judge(weights: StochasticActor, obs: ObsRows, drawn: ActionRows) -> tuple[Array, Array]:
        if is_choice:
            # Entries that are no choice have no chance; 0 times minus infinity is to be 0, and so is its slope.
            logs = jnp.where(mask[:, :, None], log_chances(weights, obs), 0.0)
            return (drawn * logs).sum(1), -(jnp.where(mask[:, :, None], jnp.exp(logs), 0.0) * logs).sum(1)
        logs = log_spreads(weights)
        away = (drawn - actors.raw(weights.centre, obs)) / jnp.exp(logs)
        density = -0.5 * away**2 - logs - 0.5 * math.log(2 * math.pi)
        entropy = jnp.broadcast_to(logs + 0.5 * math.log(2 * math.pi * math.e), density.shape)
        density, entropy = (jnp.where(mask[:, :, None], each, 0.0).sum(1) for each in (density, entropy))
        return density, entropy

    return StochasticActors(init=init, draw=draw, judge=judge)


def greedy_network(weights: MLP | StochasticActor) -> MLP:
    """The network whose output, through the head, is the greedy action: a distribution's centre or likeliest choice."""
    return weights.centre if isinstance(weights, StochasticActor) else weights
