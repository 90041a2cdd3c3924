r"""Gated networks: one hidden layer whose units are products of a gate and a linear function.

$$y = O \, \bigl(g(W x + b) \odot (V x + c)\bigr) + L x + d$$

A unit with a ReLU gate is a product of two linear functions on one side of a plane. Products
of states and actions, squares, and flows that stop at a limit are sums of a few such units, where
an ordinary perceptron needs many. The direct path $L$ holds what is linear. (Gated linear units:
Dauphin et al. 2017; Shazeer 2020.)
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

# A network that starts near zero starts as a guess of the mean.
FIRST_OUTPUT = 0.1


class GatedNetwork(eqx.Module):
    """Weights of gated networks; every array has leading axes of members when stacked."""

    gate: Float[Array, "*members inputs units"]
    gate_bias: Float[Array, "*members units"]
    value: Float[Array, "*members inputs units"]
    value_bias: Float[Array, "*members units"]
    output: Float[Array, "*members units outputs"]
    linear: Float[Array, "*members inputs outputs"]
    bias: Float[Array, "*members outputs"]

    def __call__(self, x: Float[Array, "inputs batch"]) -> Float[Array, "outputs batch"]:
        gate = self.gate.T @ x + self.gate_bias[:, None]
        half = gate.shape[0] // 2  # kinks are for ReLU, the rest is smooth
        gate = jnp.concatenate([jax.nn.relu(gate[:half]), jax.nn.silu(gate[half:])])
        units = gate * (self.value.T @ x + self.value_bias[:, None])
        return self.output.T @ units + self.linear.T @ x + self.bias[:, None]


def gated_networks(
    key: PRNGKeyArray, members: tuple[int, ...], fan_in: np.ndarray, sizes: tuple[int, int, int]
) -> GatedNetwork:
    """A stack of gated networks with normal first weights.

    **Arguments:**

    - `members`: leading axes; the last one is as long as `fan_in`.
    - `fan_in`: each member's true number of inputs.
    - `sizes`: inputs (padded), units, outputs.
    """
    inputs, units, outputs = sizes
    keys = jax.random.split(key, 3)
    scale = (1.0 / np.sqrt(np.maximum(fan_in, 1))).astype(np.float32)[:, None, None]

    def normal(key: PRNGKeyArray, *shape: int) -> Any:
        return jax.random.normal(key, (*members, *shape))

    def zeros(*shape: int) -> Array:
        return jnp.zeros((*members, *shape), jnp.float32)

    lined_up = scale.reshape((1,) * (len(members) - 1) + scale.shape)
    return GatedNetwork(
        gate=normal(keys[0], inputs, units) * lined_up,
        gate_bias=zeros(units),
        value=normal(keys[1], inputs, units) * lined_up,
        value_bias=zeros(units),
        output=normal(keys[2], units, outputs) * (FIRST_OUTPUT / units) ** 0.5,
        linear=zeros(inputs, outputs),
        bias=zeros(outputs),
    )


def rescaled(
    network: GatedNetwork,
    stretch: Float[Array, "*members inputs"],
    shift: Float[Array, "*members inputs"],
    out_stretch: Float[Array, "*members outputs"],
    out_shift: Float[Array, "*members outputs"],
) -> GatedNetwork:
    """The same function of inputs and outputs in other units.

    **Arguments:**

    - `stretch`, `shift`: an input was `stretch * new + shift`.
    - `out_stretch`, `out_shift`: an output becomes `out_stretch * old + out_shift`.
    """

    def first(weight: Array, bias: Array) -> tuple[Array, Array]:
        return weight * stretch[..., None], bias + (weight * shift[..., None]).sum(-2)

    gate, gate_bias = first(network.gate, network.gate_bias)
    value, value_bias = first(network.value, network.value_bias)
    linear, bias = first(network.linear, network.bias)
    return GatedNetwork(
        gate=gate,
        gate_bias=gate_bias,
        value=value,
        value_bias=value_bias,
        output=network.output * out_stretch[..., None, :],
        linear=linear * out_stretch[..., None, :],
        bias=bias * out_stretch + out_shift,
    )
