r"""Densities of actions themselves: what entropy is to the soft actor-critic (Haarnoja et al. 2018).

A Gaussian's own entropy would be a bonus for driving a squashed action to its limit, where a wide
draw and a narrow one are the same action. So the density is that of the action behind the head.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from mastac.agents.actors import ActionRows, Actors, ObsRows
from mastac.agents.stochastic import StochasticActor, StochasticActors, log_stds
from mastac.envs.base import Environment


def dimensions(env: Environment) -> np.ndarray:
    """`[agents]`: how many numbers of an action are free; shares that sum to one have one less than entries."""
    return env.action_sizes - (1 if env.action_head == "softmax" else 0)


def drawn_actions(
    env: Environment,
    actors: Actors,
    stochastic: StochasticActors,
    weights: StochasticActor,
    obs: ObsRows,
    key: PRNGKeyArray,
) -> tuple[ActionRows, Float[Array, "agents batch"]]:
    r"""Actions and $\ln \pi_i(a_i | o_i)$, differentiable in the weights.

    Actions are measured in units of their limit; shares by all entries but one, whichever it is.
    """
    draw = stochastic.draw(weights, obs, key)
    return draw.actions, draw.log_prob + log_stretch(env, actors, weights, obs, draw.drawn)


def log_stretch(
    env: Environment, actors: Actors, weights: StochasticActor, obs: ObsRows, drawn: ActionRows
) -> Float[Array, "agents batch"]:
    r"""What the head adds to the logarithm of a density: nothing, or minus that of its Jacobian.

    `tanh`: $-\sum_k \ln(1 - \tanh^2 u_k)$. `softmax` of Gaussian logits (logistic-normal): shifting
    all logits changes nothing, so the density is first summed over shifts, which with $w_k = 1 /
    \sigma_k^2$ and $d = u - \mu$ adds $(\sum_k w_k d_k)^2 / 2 \sum_k w_k + \ln(2 \pi / \sum_k w_k)
    / 2$; the Jacobian is the product of the shares.
    """
    mask = actors.constants[-1][:, :, None]

    def summed(entries: ActionRows) -> Float[Array, "agents batch"]:
        return jnp.where(mask, entries, 0.0).sum(1)

    if env.action_head == "linear":
        return jnp.zeros((drawn.shape[0], drawn.shape[2]))
    if env.action_head == "tanh":
        return -summed(2.0 * (math.log(2.0) - drawn - jax.nn.softplus(-2.0 * drawn)))
    away = drawn - actors.raw(weights.mean_network, obs)
    precision = jnp.broadcast_to(jnp.exp(-2.0 * log_stds(weights)), drawn.shape)
    whole = summed(precision)
    shifted = 0.5 * summed(precision * away) ** 2 / whole + 0.5 * jnp.log(2 * math.pi / whole)
    # Where an entry is none, the logarithm is of nothing; it is left out of the sum, and so is its
    # slope.
    shares = jax.nn.log_softmax(jnp.where(mask, drawn, -jnp.inf), axis=1)
    return shifted - summed(shares)
