"""The update on a GPU beside the CPU's: same learner, same replay, same batch (part of `gpu.py`).

Each algorithm plays a few episodes and learns from them for a few updates on the CPU. From there
both make one update. Compared are the gradients, as the optimizers' first moments hold them, and
the steps of the weights: the norm of the difference over the norm of the CPU's, of every array; the
largest counts.

`highest` are products in float32 throughout. With `default` JAX lets a GPU round the factors of a
product to TF32, which has 10 bits behind the point instead of 23.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import SingleDeviceSharding

import mastac
from gpu_common import Case, Part, Rows, timed

TOLERANCES = {"highest": 1e-3, "default": 5e-2}
EPISODES, UPDATES, REPEATS = 60, 10, 15
CASES: tuple[tuple[str, str], ...] = (
    ("warehouse-9", "mastac"),
    ("warehouse-9", "mastac-coordinated"),
    ("warehouse-9", "maddpg"),
    ("warehouse-9", "facmac"),
    ("warehouse-9", "mastac-ppo"),
    ("thermal-40", "mastac"),
    ("warehouse-9", "mastac-model"),
)
TINY = (("lq-3", "mastac"),)
HEADER = ("env", "algorithm", "device", "precision", "updates_before", "gradient_error")
HEADER += ("gradient_where", "step_error", "step_where", "metrics_error", "tolerance", "is_equal")
HEADER += ("compile_s", "update_ms", "cpu_update_ms")


class Compared:
    """One algorithm, lowered for the CPU, and for the device in each precision."""

    def __init__(self, env: str, algorithm: str, tiny: bool, pool: ThreadPoolExecutor) -> None:
        self.env, self.algorithm = env, algorithm
        self.cpu, self.device = jax.devices("cpu")[0], jax.devices()[-1]
        knobs: dict[str, Any] = {"critic_hidden": [8], "batch_size": 16} if tiny else {}
        if env.startswith("thermal"):
            knobs["critics_first"] = 0  # actors move at once
        # The CPU's program as users have it: networks one after the other, not all at once.
        self.reference = self._case(self.cpu, 1, knobs)
        with jax.default_device(self.cpu):
            self.prepare = self._compiled(pool, self.cpu, self._prepared, 1)
            self.on_cpu = self._compiled(pool, self.cpu, self.reference.update, 3)
        case = self._case(self.device, 0, knobs)
        self.on_device: dict[str, Future[Any]] = {}
        for precision in TOLERANCES:
            with jax.default_device(self.device), jax.default_matmul_precision(precision):
                # A function of its own each: JAX would find the other precision's traced.
                update = lambda *given: case.update(*given)  # noqa: E731
                self.on_device[precision] = self._compiled(pool, self.device, update, 3)

    def _case(self, device: Any, chunk: int, knobs: dict[str, Any]) -> Case:
        with jax.default_device(device):
            env = mastac.make(self.env)
            return Case.of(env, self.algorithm, chunk, EPISODES, "default", **knobs)

    def _compiled(
        self, pool: ThreadPoolExecutor, device: Any, function: Any, arguments: int
    ) -> Future[Any]:
        place = SingleDeviceSharding(device)
        given = self.reference.shapes()[-arguments:]
        shapes = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=place), given
        )
        lowered = jax.jit(function).lower(*shapes)
        return pool.submit(timed, lowered.compile)

    def _prepared(self, key: Any) -> tuple[Any, Any]:
        """A first learner and the episodes that it plays."""
        seed = self.reference.seed
        state = seed.init(key)

        def played(store: Any, epoch: Any) -> tuple[Any, None]:
            episode = seed.played(state.learner, jax.random.fold_in(key, epoch), epoch)
            return self.reference.buffer.add(store, episode, epoch), None

        store, _ = jax.lax.scan(played, state.store, jnp.arange(EPISODES))
        return state.learner, store

    def fill(self, rows: Rows) -> None:
        """Both updates from the same state, and a row for each precision."""
        known = {"env": self.env, "algorithm": self.algorithm, "updates_before": UPDATES}
        known["device"] = self.device.device_kind
        before: Any = None
        after: Any = None
        given: Any = ()
        cpu_ms = 0.0
        for precision, compiling in self.on_device.items():
            tolerance = TOLERANCES[precision]
            with rows.row(**known, precision=precision, tolerance=tolerance) as row:
                if before is None:
                    before, after, given, cpu_ms = self._on_cpu()
                update, row["compile_s"] = compiling.result()
                there = jax.device_put((before, *given), self.device)
                found = update(*there)
                row |= compared(before, after, found)
                row["is_equal"] = max(row["gradient_error"], row["step_error"]) <= tolerance
                row["update_ms"], row["cpu_update_ms"] = milliseconds(update, there), cpu_ms

    def _on_cpu(self) -> tuple[Any, Any, Any, float]:
        """The state before the update that is compared, what it gives, what it takes, its time."""
        keys = [jax.device_put(jax.random.key(k), self.cpu) for k in range(UPDATES + 1)]
        state, store = self.prepare.result()[0](keys[0])
        update = self.on_cpu.result()[0]
        for key in keys[:-1]:
            state, _ = update(state, store, key)
        given = (store, keys[-1])
        return state, update(state, *given), given, milliseconds(update, (state, *given))


def milliseconds(call: Any, given: tuple[Any, ...]) -> float:
    """Median time of a call."""
    return 1e3 * float(np.median([timed(lambda: call(*given))[1] for _ in range(REPEATS)]))


def compared(before: Any, after: Any, found: Any) -> dict[str, Any]:
    """How far what was `found` is from what the CPU has `after` the update."""
    (state, metrics), (other, other_metrics) = after, found
    gradients = moments(state), moments(other)
    old, new, device = (weights(tree) for tree in (before, state, other))
    gradient, gradient_where = worst(*gradients)
    steps = [{name: tree[name] - old[name] for name in old} for tree in (new, device)]
    step, step_where = worst(*steps)
    measured = (arrays(metrics), arrays(other_metrics))
    return {
        "gradient_error": gradient,
        "gradient_where": gradient_where,
        "step_error": step,
        "step_where": step_where,
        "metrics_error": worst(*measured)[0],
    }


def arrays(tree: Any) -> dict[str, np.ndarray]:
    """The arrays of a tree that hold numbers, by their places, in double precision."""
    found, _ = jax.tree.flatten_with_path(tree)
    return {
        jax.tree_util.keystr(path): np.asarray(leaf, np.float64)
        for path, leaf in found
        if jnp.issubdtype(leaf.dtype, jnp.floating)
    }


def moments(state: Any) -> dict[str, np.ndarray]:
    """First moments of the optimizers: means of gradients."""
    optimizers = arrays((state.actor_optimizer, state.critic_optimizers))
    return {name: leaf for name, leaf in optimizers.items() if ".mu" in name}


def weights(state: Any) -> dict[str, np.ndarray]:
    """Weights of actors and critics."""
    return arrays((state.actors, state.critics))


def worst(expected: dict[str, np.ndarray], found: dict[str, np.ndarray]) -> tuple[float, str]:
    """The largest relative difference of an array, and which one has it."""
    errors = {}
    for name, value in expected.items():
        size = float(np.linalg.norm(value))
        difference = float(np.linalg.norm(found[name] - value))
        errors[name] = difference / size if size > 0 else difference
    where = max(errors, key=lambda name: np.inf if np.isnan(errors[name]) else errors[name])
    return errors[where], where


def main() -> None:
    """All algorithms, as many as the time allows."""
    part, _ = Part.from_arguments()
    rows = Rows(part.out / "gpu-check.csv", HEADER)
    with ThreadPoolExecutor(2 if part.tiny else 8) as pool:
        waiting = []
        for env, algorithm in TINY if part.tiny else CASES:
            try:
                waiting.append(Compared(env, algorithm, part.tiny, pool))
            except Exception as error:
                with rows.row(env=env, algorithm=algorithm):
                    raise error
        for compared_ in waiting:
            compared_.fill(rows)


if __name__ == "__main__":
    main()
