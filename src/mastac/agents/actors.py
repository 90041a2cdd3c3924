"""Actors: one deterministic policy for each agent, stacked."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from mastac.agents.networks import MLP, each_member, glorot
from mastac.envs.base import Environment

ObsRows = Float[Array, "agents obs batch"]
ActionRows = Float[Array, "agents act batch"]


class Actors(NamedTuple):
    """How to make and apply the actors of one environment; weights are the `MLP` that goes in and out.

    `init`: `key -> weights`. `apply`: `(weights, obs) -> actions`, in the environment's units.
    `explore`: `(weights, obs, noise, random_fraction, key) -> actions`. `smoothed`: `(weights, obs,
    noise, clip, key) -> actions` with Gaussian noise that is clipped at `clip`. `one`: a single
    agent's `(weights, obs, constants)`; `constants`: what each agent's output layer needs to know.
    `apply` is `raw`, `(weights, obs) -> outputs`, and then `head`, `outputs -> actions`.
    """

    init: Callable[[PRNGKeyArray], MLP]
    apply: Callable[[MLP, ObsRows], ActionRows]
    explore: Callable[..., ActionRows]
    smoothed: Callable[..., ActionRows]
    raw: Callable[[MLP, ObsRows], ActionRows]
    head: Callable[[ActionRows], ActionRows]
    one: Callable[..., Float[Array, "act batch"]]
    constants: tuple[Array, ...]


def actors(
    env: Environment, hidden: Sequence[int], output_scale: float = 1.0, chunk: int = 0
) -> Actors:
    """Perceptrons with the environment's output: softmax over shares, `limit * tanh`, linear, or the likeliest choice.

    Observations are centred and scaled as the environment declares. Exploration noise is Gaussian
    with standard deviation `noise`: on the logits of shares and choices, where it leaves them
    valid, and otherwise on the action, in units of its limit, clipped to it. With probability
    `random_fraction` an agent's whole action is drawn uniformly instead. A choice is a row of zeros
    with a one where the logit is largest; it has no slope in the weights.
    """
    obs_width, action_width = int(env.obs_sizes.max()), int(env.action_sizes.max())
    mask = jnp.asarray(np.arange(action_width) < env.action_sizes[:, None])
    rows = (env.num_agents, obs_width)
    center = jnp.asarray(np.broadcast_to(env.obs_center, rows), jnp.float32)
    scale = jnp.asarray(1.0 / np.broadcast_to(env.obs_scale, rows), jnp.float32)
    limit = jnp.asarray(
        np.broadcast_to(env.action_limit, (env.num_agents, action_width)), jnp.float32
    )
    constants = (center, scale, limit, mask)

    def init(key: PRNGKeyArray) -> MLP:
        return glorot(key, env.obs_sizes, obs_width, hidden, action_width, output_scale)

    def head(
        out: Float[Array, "act batch"], limit: Array, mask: Array
    ) -> Float[Array, "act batch"]:
        if env.action_head == "softmax":
            return jax.nn.softmax(jnp.where(mask[:, None], out, -jnp.inf), axis=0)
        if env.action_head == "discrete":
            best = jnp.where(mask[:, None], out, -jnp.inf).argmax(0)
            return jax.nn.one_hot(best, out.shape[0], axis=0, dtype=out.dtype)
        out = jnp.where(mask[:, None], out, 0.0)
        return limit[:, None] * (jnp.tanh(out) if env.action_head == "tanh" else out)

    def one_raw(
        weights: MLP, obs: Float[Array, "obs batch"], center: Array, scale: Array
    ) -> Float[Array, "act batch"]:
        return weights((obs - center[:, None]) * scale[:, None])

    def raw(weights: MLP, obs: ObsRows) -> ActionRows:
        return jax.vmap(one_raw)(weights, obs, center, scale)

    def one(
        weights: MLP, obs: Float[Array, "obs batch"], center, scale, limit, mask
    ) -> Float[Array, "act batch"]:
        return head(one_raw(weights, obs, center, scale), limit, mask)

    def apply(weights: MLP, obs: ObsRows) -> ActionRows:
        return each_member(one, weights, obs, *constants, chunk=chunk)

    def perturbed(out: ActionRows, gauss: ActionRows) -> ActionRows:
        if env.action_head in ("softmax", "discrete"):
            return jax.vmap(head)(out + gauss, limit, mask)
        noisy = jax.vmap(head)(out, limit, mask) + gauss * (limit * mask)[:, :, None]
        return (
            jnp.clip(noisy, -limit[:, :, None], limit[:, :, None])
            if env.action_head == "tanh"
            else noisy
        )

    def smoothed(
        weights: MLP, obs: ObsRows, noise: float, clip: float, key: PRNGKeyArray
    ) -> ActionRows:
        out = raw(weights, obs)
        return perturbed(out, jnp.clip(noise * jax.random.normal(key, out.shape), -clip, clip))

    def explore(
        weights: MLP, obs: ObsRows, noise: Array, random_fraction: Array, key: PRNGKeyArray
    ) -> ActionRows:
        noise_key, uniform_key, choice_key = jax.random.split(key, 3)
        out = raw(weights, obs)
        noisy = perturbed(out, noise * jax.random.normal(noise_key, out.shape))
        if env.action_head == "softmax":
            # Exponential draws, normalised, are uniform on the simplex.
            draw = jnp.where(mask[:, :, None], jax.random.exponential(uniform_key, out.shape), 0.0)
            uniform = draw / draw.sum(1, keepdims=True)
        elif env.action_head == "discrete":
            uniform = heads(jax.random.uniform(uniform_key, out.shape))
        else:
            uniform = (
                jax.random.uniform(uniform_key, out.shape, minval=-1.0) * (limit * mask)[:, :, None]
            )
        is_random = (
            jax.random.uniform(choice_key, (env.num_agents, 1, out.shape[2])) < random_fraction
        )
        return jnp.where(is_random, uniform, noisy)

    def heads(out: ActionRows) -> ActionRows:
        return jax.vmap(head)(out, limit, mask)

    return Actors(init, apply, explore, smoothed, raw, heads, one, constants)
