"""Seeds on several devices: each device that JAX sees trains its share of them.

Nothing is exchanged between devices, so none waits for another.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

Tree = TypeVar("Tree")
SEEDS = "seeds"


def seed_mesh(seeds: int) -> Mesh | None:
    """The largest number of devices that divides the number of seeds; `None` where that is one."""
    devices = jax.devices()
    count = max(number for number in range(1, min(len(devices), seeds) + 1) if seeds % number == 0)
    return None if count == 1 else Mesh(devices[:count], (SEEDS,))


def shard_over_seeds(function: Callable[..., Any], *has_seeds: bool) -> Callable[..., Any]:
    """`function` with every device at work on its own seeds; on one device `function` itself.

    **Arguments:**

    - `function`: its first argument and its results have a leading axis of seeds.
    - `has_seeds`: which of its other arguments have one.
    """
    specs = tuple(PartitionSpec(SEEDS) if has else PartitionSpec() for has in (True, *has_seeds))

    def everywhere(*arguments: Any) -> Any:
        mesh = _mesh_of(arguments[0])
        if mesh is None:
            return function(*arguments)
        shared = jax.shard_map(
            function, mesh=mesh, in_specs=specs, out_specs=PartitionSpec(SEEDS), check_vma=False
        )
        return shared(*arguments)

    return everywhere


def placed(tree: Tree) -> Tree:
    """Arrays with a leading axis of seeds, each part on the device that trains it."""
    mesh = _mesh_of(tree)
    return tree if mesh is None else jax.device_put(tree, NamedSharding(mesh, PartitionSpec(SEEDS)))


def _mesh_of(tree: Any) -> Mesh | None:
    return seed_mesh(jax.tree.leaves(tree)[0].shape[0])
