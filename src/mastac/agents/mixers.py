"""Mixers: how the terms of a layout become its values."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from mastac.agents.networks import MLP, glorot
from mastac.structure.layout import CriticLayout


class Mixer(NamedTuple):
    """How terms become values.

    - `init`: `key -> weights`.
    - `apply`: `(weights, terms, state) -> values`, each with samples in columns. `state` is that of
        all agents, and the time where critics are told.
    """

    init: Callable[[PRNGKeyArray], Any]
    apply: Callable[
        [Any, Float[Array, "terms batch"], Float[Array, "features batch"]],
        Float[Array, "values batch"],
    ]


class Hypernetworks(NamedTuple):
    """Networks of the state that give the mixer's weights and biases (Rashid et al. 2018)."""

    inner: MLP
    inner_bias: MLP
    outer: MLP
    outer_bias: MLP


def mixer(kind: str, layout: CriticLayout, state_width: int, embedding: int) -> Mixer:
    """The mixer of a layout.

    **Arguments:**

    - `kind`: "none", "sum", "monotonic" or "nonmonotonic"; the last two give a
        [`state_mixer`][mastac.agents.mixers.state_mixer].
    - `state_width`: entries of the state that the mixer's weights depend on.
    - `embedding`: width of the mixer, and of the networks that make its weights.
    """
    if kind in ("monotonic", "nonmonotonic"):
        return state_mixer(layout.num_terms, state_width, embedding, monotonic=kind == "monotonic")
    return sum_mixer(layout)


def sum_mixer(layout: CriticLayout) -> Mixer:
    """Values are the layout's weighted sums of terms; nothing is learnt."""
    if layout.mix is None:
        return Mixer(init=lambda key: (), apply=lambda weights, terms, state: terms)
    mix = layout.mix.tocoo()

    def apply(weights: Any, terms: Array, state: Array) -> Array:
        weighted = terms[mix.col] * mix.data.astype(np.float32)[:, None]
        return jax.ops.segment_sum(weighted, mix.row, layout.num_values)

    return Mixer(init=lambda key: (), apply=apply)


def state_mixer(terms: int, state_width: int, embedding: int, monotonic: bool) -> Mixer:
    r"""One value from all terms by a network whose weights are functions of the state.

    $$Q = w_2(s)^\top \mathrm{elu}\bigl(W_1(s) q / n + b_1(s)\bigr) + b_2(s)$$

    with the $n$ terms $q$ (QMIX, Rashid et al. 2018, figure 2; FACMAC, Peng et al. 2021).
    Monotonic: $|W_1|$ and $|w_2|$, so that $Q$ never falls where a term rises. Otherwise they keep
    their sign (FACMAC-nonmonotonic). $W_1$, $w_2$ and $b_2$ come from networks of one hidden layer,
    $b_1$ from a linear map. The division by $n$ is ours: many terms of one sign would else add up
    to where no unit has a slope.
    """

    def network(key: PRNGKeyArray, hidden: tuple[int, ...], outputs: int) -> MLP:
        stack = glorot(key, np.array([state_width]), state_width, hidden, outputs)
        return jax.tree.map(lambda leaf: leaf[0], stack)

    def init(key: PRNGKeyArray) -> Hypernetworks:
        keys = jax.random.split(key, 4)
        return Hypernetworks(
            inner=network(keys[0], (embedding,), embedding * terms),
            inner_bias=network(keys[1], (), embedding),
            outer=network(keys[2], (embedding,), embedding),
            outer_bias=network(keys[3], (embedding,), 1),
        )

    def apply(weights: Hypernetworks, values: Array, state: Array) -> Array:
        inner, outer = weights.inner(state).reshape(embedding, terms, -1), weights.outer(state)
        if monotonic:
            inner, outer = jnp.abs(inner), jnp.abs(outer)
        hidden = jax.nn.elu(
            jnp.einsum("etb,tb->eb", inner, values) / terms + weights.inner_bias(state)
        )
        return (outer * hidden).sum(0, keepdims=True) + weights.outer_bias(state)

    return Mixer(init=init, apply=apply)
