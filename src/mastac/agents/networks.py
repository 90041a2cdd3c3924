"""Multilayer perceptrons stacked over agents: one batch of matrix products for all of them."""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from mastac.structure.kinds import Blocks

Result = TypeVar("Result")
State = TypeVar("State")


MOST_GROWTH = 2.0
"""How many times as large a first-layer weight may become when its input's scale grows."""
ACTIVATIONS = {"relu": jax.nn.relu, "silu": jax.nn.silu, "tanh": jnp.tanh}


class MLP(eqx.Module):
    """Weights of perceptrons; every array has a leading axis of members when stacked.

    Inputs and outputs are feature-major, `[features, batch]`: gathering the features that a critic
    reads then copies contiguous rows, and the weight gradient is the fastest of the layouts
    measured on a CPU.
    """

    weights: tuple[Float[Array, "*members _inputs _outputs"], ...]
    biases: tuple[Float[Array, "*members _outputs"], ...]
    activation: str = eqx.field(static=True, default="relu")

    def __call__(self, x: Float[Array, "inputs batch"]) -> Float[Array, "outputs batch"]:
        last = len(self.weights) - 1
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = jnp.einsum("io,ib->ob", weight, x) + bias[:, None]
            if layer < last:
                x = ACTIVATIONS[self.activation](x)
        return x


def glorot(
    key: PRNGKeyArray,
    fan_in: np.ndarray,
    width: int,
    hidden: Sequence[int],
    outputs: int,
    output_scale: float = 1.0,
    activation: str = "relu",
) -> MLP:
    r"""A stack of perceptrons with Glorot-uniform weights and zero biases.

    Uniform within $\pm \sqrt{6 / (n_{in} + n_{out})}$ (Glorot and Bengio 2010, eq. 16).

    **Arguments:**

    - `fan_in`: each member's true number of inputs.
    - `width`: the padded number. Padding changes neither the distribution of the weights nor the
        output.
    - `hidden`, `outputs`: widths of the layers behind.
    - `output_scale`: factor on the last layer's weights.
    - `activation`: between layers, a name in `ACTIVATIONS`.
    """
    members = len(fan_in)
    sizes = [width, *hidden, outputs]
    shapes = [(members, a, b) for a, b in itertools.pairwise(sizes)]
    # One draw for all layers: every draw is a program of its own that takes longer to compile than
    # to run.
    draw = jax.random.uniform(key, (sum(map(math.prod, shapes)),), minval=-1.0, maxval=1.0)
    pieces = jnp.split(draw, np.cumsum([math.prod(shape) for shape in shapes])[:-1])
    weights = []
    for layer, (piece, shape) in enumerate(zip(pieces, shapes, strict=True)):
        inputs = np.maximum(fan_in, 1) if layer == 0 else np.full(members, sizes[layer])
        limit = np.sqrt(6.0 / (inputs + sizes[layer + 1])).astype(np.float32)
        scale = output_scale if layer == len(shapes) - 1 else 1.0
        weights.append(piece.reshape(shape) * (scale * limit).astype(np.float32)[:, None, None])
    biases = tuple(jnp.zeros((members, size), jnp.float32) for size in sizes[1:])
    return MLP(weights=tuple(weights), biases=biases, activation=activation)


def read_anew(
    network: MLP,
    growth: Float[Array, "*members inputs"],
    shift: Float[Array, "*members inputs"],
) -> MLP:
    """The same functions of inputs that are now centred and scaled otherwise.

    **Arguments:**

    - `growth`: the new scale of every input over the old one. Where it is above `MOST_GROWTH` the
        input comes to count for less: one that was constant so far had no say, and must not get a
        loud one.
    - `shift`: how far the centre moved, in old scales.
    """
    counts = jnp.minimum(growth, MOST_GROWTH) / growth
    old = network.weights[0] * counts[..., None]
    return eqx.tree_at(
        lambda tree: (tree.weights[0], tree.biases[0]),
        network,
        (
            old * growth[..., None],
            network.biases[0] + jnp.einsum("...io,...i->...o", old, shift),
        ),
    )


def each_of_kinds(
    function: Callable[..., Result], weights: object, *stacks: object, blocks: Blocks
) -> Result:
    """Apply `function` to every member of the stacks, with the weights of its kind before them.

    **Arguments:**

    - `weights`: of each kind, along a leading axis.
    - `stacks`: trees of arrays with a leading axis of members.
    - `blocks`: which members are of which kind; a block is computed at once.
    """

    def one_block(block: tuple[Array, Array]) -> Result:
        kind, members = block
        own = jax.tree.map(lambda leaf: leaf[kind], weights)
        rows = jax.tree.map(lambda leaf: leaf[members], stacks)
        return jax.vmap(lambda *row: function(own, *row))(*rows)

    found = jax.lax.map(one_block, (jnp.asarray(blocks.kind), jnp.asarray(blocks.members)))
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[blocks.place], found)


def each_member(function: Callable[..., Result], *stacks: object, chunk: int) -> Result:
    """Apply `function` to every member of the stacks, `chunk` members at a time.

    A chunk's activations stay in the cache of a CPU from forward to backward pass; on two cores
    that is more than twice as fast as one product over all agents and seeds. `chunk = 0` takes all
    at once.
    """
    members = jax.tree.leaves(stacks)[0].shape[0]
    size = chunk_of(members, chunk)
    if size == members:
        return jax.vmap(function)(*stacks)
    return jax.lax.map(lambda member: function(*member), stacks, batch_size=size)


def step_each_member(
    function: Callable[..., tuple[State, Result]], state: State, *stacks: object, chunk: int
) -> tuple[State, Result]:
    """Replace every member of a state by what `function` makes of it, a chunk after the other.

    Only the chunk at work is copied. As results of [`each_member`][], which are collected beside
    what they replace, the networks and optimizers of all agents would be written several times.

    **Arguments:**

    - `function`: of a member of the state and those of `stacks`; gives the member's new state, and
        a result.
    - `state`, `stacks`: trees of arrays with a leading axis of members.
    - `chunk`: of [`each_member`][].

    **Returns:** the new state, and the results of all members.
    """
    members = jax.tree.leaves(state)[0].shape[0]
    size = chunk_of(members, chunk)
    if size == members:
        return jax.vmap(function)(state, *stacks)

    def at(state: State, start: Array) -> State:
        cut = jax.lax.dynamic_slice_in_dim
        return jax.tree.map(lambda leaf: cut(leaf, start, size, axis=0), state)

    def step(carry: tuple[State, State], part: tuple[Array, tuple[object, ...]]) -> Any:
        (state, own), (start, others) = carry, part
        new, result = jax.vmap(function)(own, *others)
        put = jax.lax.dynamic_update_slice_in_dim
        state = jax.tree.map(lambda held, rows: put(held, rows, start, axis=0), state, new)
        # The next chunk is cut out now: nothing then reads what is written at this place.
        return (state, at(state, start + size)), result

    starts = jnp.arange(0, members, size)
    parts = jax.tree.map(lambda leaf: leaf.reshape(-1, size, *leaf.shape[1:]), stacks)
    (state, _), results = jax.lax.scan(step, (state, at(state, starts[0])), (starts, parts))
    return state, jax.tree.map(lambda leaf: leaf.reshape(members, *leaf.shape[2:]), results)


def chunk_of(members: int, most: int) -> int:
    """How many members are computed together: at most so many, and 0 stands for all."""
    if most <= 0 or most >= members:
        return members
    return next(size for size in range(most, 0, -1) if members % size == 0)
