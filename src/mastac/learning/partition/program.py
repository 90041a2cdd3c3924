"""Training over a mesh of devices with two axes: seeds, and the parts of the agents."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jax.core import Tracer
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Int, Key, PRNGKeyArray

from mastac.envs.episodes import Outcome
from mastac.errors import UserError
from mastac.learning.devices import SEEDS
from mastac.learning.keeping import Kept
from mastac.learning.loop import EpochMetrics, Program, RunState, epochs_from
from mastac.learning.partition.local import AGENTS, local_part
from mastac.learning.partition.seed import OneDevice, one_device
from mastac.learning.partition.tables import Split, Tables, split_over
from mastac.learning.partition.wholes import part_of, whole_of
from mastac.learning.settings import Settings
from mastac.learning.spec import LearnerSpec
from mastac.structure.partition import partitioned

PARTS, SEED_ROWS, EVERYWHERE = (PartitionSpec(*axes) for axes in ((SEEDS, AGENTS), (SEEDS,), ()))


def spread_of(settings: Settings) -> Any:
    """How a state is spread: arrays of the learner and of the store are `[seeds, devices, …]`."""
    kept: Any = Kept(PARTS, SEED_ROWS, SEED_ROWS) if settings.keep == "best" else None  # type: ignore[arg-type]
    steps: Any = None
    return RunState(PARTS, PARTS, SEED_ROWS, SEED_ROWS, steps, kept)  # type: ignore[arg-type]


def agent_mesh(parts: int, seeds: int) -> Mesh:
    """A device for each part, times as many as there are devices for and as divide the seeds.

    **Raises:**

    - [`mastac.errors.UserError`][] if JAX sees too few devices.
    """
    devices = jax.devices()
    if len(devices) < parts:
        raise UserError(
            f"partition={parts} needs {parts} devices, and JAX sees {len(devices)}; lower it, or "
            f"on a CPU set XLA_FLAGS=--xla_force_host_platform_device_count={parts}"
        )
    most = min(len(devices) // parts, seeds)
    times = max(number for number in range(1, most + 1) if seeds % number == 0)
    chosen = np.array(devices[: times * parts]).reshape(times, parts)
    return Mesh(chosen, (SEEDS, AGENTS))


class OnMesh:
    """What one device does, as functions of arrays that are spread over a mesh.

    The tables of all devices are arguments of the compiled programs, not constants in them.
    """

    def __init__(self, split: Split, mesh: Mesh, epochs: int) -> None:
        self.split, self.mesh, self.epochs = split, mesh, epochs
        self.tables = self.put(split.tables, PartitionSpec(AGENTS))
        self.place = self.put(split.place, EVERYWHERE)
        self.spread = spread_of(split.spec.settings)
        self.begin = self.shared(_begun, (SEED_ROWS,), self.spread)

    def put(self, tree: Any, spec: PartitionSpec) -> Any:
        """Arrays that every process has, spread over the mesh."""
        return jax.device_put(tree, NamedSharding(self.mesh, spec))

    def shared(
        self, function: Callable[..., Any], inputs: tuple[Any, ...], outputs: Any
    ) -> Callable[..., Any]:
        """`function(device, *arguments)` on each device, as one of `(tables, place, *arguments)`.

        **Arguments:**

        - `function`: its first argument is the `OneDevice`.
        - `inputs`, `outputs`: how arguments and results are spread.
        """

        def here(tables: Tables, place: Array, *arguments: Any) -> Any:
            own: Tables = jax.tree.map(lambda leaf: leaf[0], tables)
            return function(one_device(local_part(self.split, own), place, self.epochs), *arguments)

        return jax.shard_map(
            here,
            mesh=self.mesh,
            in_specs=(PartitionSpec(AGENTS), EVERYWHERE, *inputs),
            out_specs=outputs,
            check_vma=False,
        )


def program_in_parts(spec: LearnerSpec, parts: int, seeds: int) -> Program:
    """The program of a learner whose agents are cut into so many parts.

    **Raises:**

    - [`mastac.errors.UserError`][] if the update cannot be spread, or JAX sees too few devices.
    """
    split = split_over(spec, partitioned(spec.layout, parts))
    return partitioned_program(split, agent_mesh(parts, seeds), spec.episodes)


def partitioned_program(split: Split, mesh: Mesh, epochs: int) -> Program:
    """The loop over epochs, for all seeds and all parts side by side.

    **Arguments:**

    - `split`: the learner, spread over as many devices as the mesh has along its agents.
    - `mesh`: of [`agent_mesh`][mastac.learning.partition.program.agent_mesh].
    - `epochs`: of the whole run.

    **Returns:** a program whose states are spread; `whole` and `parted` are the ways from one to
    the state that one device would have, and back.
    """
    on_mesh, env = OnMesh(split, mesh, epochs), split.spec.env

    def advanced(device: OneDevice, state: RunState, keys: Array, times: Array) -> Any:
        after, rows = epochs_from(device, own_state(state), jax.random.wrap_key_data(keys), times)
        return _for_all(after), rows

    def played(device: OneDevice, state: RunState, keys: Array) -> Outcome:
        learners = own_state(state).learner
        episodes = jax.random.wrap_key_data(keys)
        return jax.vmap(device.play, in_axes=(0, None))(learners, episodes)

    # What is measured every process has whole: it is small.
    everywhere = NamedSharding(mesh, EVERYWHERE)
    spread = jax.tree.map(
        lambda spec: NamedSharding(mesh, spec),
        on_mesh.spread,
        is_leaf=lambda leaf: isinstance(leaf, PartitionSpec),
    )
    begin = jax.jit(on_mesh.begin, out_shardings=spread)
    on_each = on_mesh.shared(
        advanced, (on_mesh.spread, SEED_ROWS, EVERYWHERE), (on_mesh.spread, SEED_ROWS)
    )
    advancing = jax.jit(on_each, donate_argnums=2, out_shardings=(spread, everywhere))
    on_each = on_mesh.shared(played, (on_mesh.spread, EVERYWHERE), SEED_ROWS)
    evaluating = jax.jit(on_each, out_shardings=everywhere)
    given = (on_mesh.tables, on_mesh.place)

    def init(keys: Key[Array, " seeds"]) -> RunState:
        return begin(*given, _data(keys))

    def advance(
        state: RunState, keys: Key[Array, " seeds"], epoch: Int[Array, ""] | int, length: int
    ) -> tuple[RunState, EpochMetrics]:
        return advancing(*given, state, _data(keys), int(epoch) + np.arange(length))

    def evaluate(state: RunState, key: PRNGKeyArray, episodes: int) -> Outcome:
        return evaluating(*given, state, _data(jax.random.split(key, episodes)))

    def lowered(
        state: RunState | None, keys: Key[Array, " seeds"], length: int | None, episodes: int
    ) -> Iterator[Any]:
        if state is None:
            yield begin.lower(*given, _data(keys))
            return
        if length is not None:
            yield advancing.lower(*given, state, _data(keys), np.arange(length))
        yield evaluating.lower(*given, state, _data(jax.random.split(keys[0], episodes)))

    whole = jax.jit(lambda state: whole_of(split, state), out_shardings=everywhere)
    part = jax.jit(lambda tables, state: part_of(env, state, tables), out_shardings=spread)
    return Program(
        init,
        advance,
        evaluate,
        lowered=lowered,
        whole=whole,
        parted=lambda state: part(on_mesh.tables, on_mesh.put(state, EVERYWHERE)),
    )


def _begun(device: OneDevice, keys: Array) -> RunState:
    return _for_all(jax.vmap(device.init)(jax.random.wrap_key_data(keys)))


def _data(keys: Key[Array, "*any"]) -> Any:
    """What keys are made of: numbers that every process has."""
    data = jax.random.key_data(keys)
    return data if isinstance(data, Tracer) else np.asarray(data)


def own_state(state: RunState) -> RunState:
    """A state within a device: without the axis of devices."""
    return _on_spread(state, lambda leaf: leaf[:, 0])


def _for_all(state: RunState) -> RunState:
    """The inverse of `own_state`."""
    return _on_spread(state, lambda leaf: leaf[:, None])


def _on_spread(state: RunState, function: Callable[[Array], Array]) -> RunState:
    """A state with `function` of all arrays that are spread over devices."""
    kept = state.kept
    learner, store = jax.tree.map(function, (state.learner, state.store))
    if kept is not None:
        kept = kept._replace(actors=jax.tree.map(function, kept.actors))
    return state._replace(learner=learner, store=store, kept=kept)
