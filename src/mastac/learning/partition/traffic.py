"""What a compiled program sends between devices, read from the program itself."""

import math
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from mastac.learning.loop import RunState
from mastac.learning.partition.program import EVERYWHERE, PARTS, SEED_ROWS, OnMesh, own_state
from mastac.learning.partition.seed import OneDevice
from mastac.learning.partition.tables import Split

NUMBER = 4
"""Bytes of the numbers that are learnt with."""
OPERATIONS = {
    "collective-permute": "source_target_pairs",
    "all-gather": "replica_groups",
    "all-reduce": "replica_groups",
    "all-to-all": "replica_groups",
    "reduce-scatter": "replica_groups",
    "collective-broadcast": "replica_groups",
}
BYTES = {"pred": 1, "s8": 1, "u8": 1, "bf16": 2, "f16": 2, "s32": 4, "u32": 4, "f32": 4}
BYTES |= {"s64": 8, "u64": 8, "f64": 8}


def bytes_between_devices(program: str) -> dict[str, int]:
    """Bytes that cross between devices when a compiled program runs, by the kind of operation.

    A program in a loop is counted once. Of a permutation all pairs of devices count; of a gather
    what each device sends to each other one of its group. Other kinds count as gathers do: an upper
    bound.

    **Arguments:**

    - `program`: the text of a compiled program, `jax.stages.Compiled.as_text()`.

    **Returns:** only kinds that occur.
    """
    total: dict[str, int] = {}
    for line in program.splitlines():
        match = re.match(r"\s*(?:ROOT )?%?[\w.-]+ = (.+?) ([a-z-]+?)(?:-start)?\(", line)
        if match is None or match[2] not in OPERATIONS:
            continue
        kind, groups = match[2], _groups(line, OPERATIONS[match[2]])
        # Where it starts and ends apart, the result is what was given and what is got.
        given = _bytes(match[1].split("]")[0] + "]") if "-start(" in line else _bytes(match[1])
        if kind == "collective-permute":
            sent = given * sum(source != target for source, target in groups)
        else:
            share = given / len(groups[0]) if kind == "all-gather" else given
            sent = int(sum(share * len(group) * (len(group) - 1) for group in groups))
        total[kind] = total.get(kind, 0) + sent
    return total


def _bytes(shapes: str) -> int:
    """Bytes of an array, or of all arrays of a tuple, in the notation of XLA."""
    found = re.findall(r"([a-z]+\d*)\[([\d,]*)\]", shapes)
    return sum(
        BYTES[kind] * math.prod(map(int, filter(None, dims.split(",")))) for kind, dims in found
    )


def _groups(line: str, name: str) -> list[list[int]]:
    """Pairs or groups of devices, as lists or in the short form `[2,4]<=[8]`."""
    short = re.search(name + r"=\[(\d+),(\d+)\]<=", line)
    if short is not None:
        return [list(range(int(short[2])))] * int(short[1])
    match = re.search(name + r"=\{((?:\{[\d,]*\},?)*)\}", line)
    assert match is not None, line
    return [list(map(int, group.split(","))) for group in re.findall(r"\{([\d,]+)\}", match[1])]


def lowered_update(split: Split, mesh: Mesh, seeds: int) -> tuple[Any, tuple[Any, ...]]:
    """One update of all agents and seeds, with its batch drawn.

    **Returns:** a `jax.stages.Lowered`, and the arguments of the program, of which the third, the
    state of the run, is shapes alone.
    """
    on_mesh = OnMesh(split, mesh, split.spec.episodes)

    def updated(device: OneDevice, state: RunState, keys: Any, count: Any) -> Any:
        own = own_state(state)

        def one(learner: Any, store: Any, data: Any) -> Any:
            key = jax.random.wrap_key_data(data)
            batch = device.buffer.draw(store, jnp.asarray(1), key)
            return device.learner.update(learner, batch, key, count)[0]

        after = jax.vmap(one)(own.learner, own.store, keys)
        return jax.tree.map(lambda leaf: leaf[:, None], after)

    keys = np.asarray(jax.random.key_data(jax.random.split(jax.random.key(0), seeds)))
    tables, place = on_mesh.tables, on_mesh.place
    state = jax.eval_shape(on_mesh.begin, tables, place, keys)
    update = jax.jit(on_mesh.shared(updated, (on_mesh.spread, SEED_ROWS, EVERYWHERE), PARTS))
    given = (tables, place, state, keys, np.int32(0))
    return update.lower(*given), given
