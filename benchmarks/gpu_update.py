"""The time of an update on a GPU, beside its bare matrix products (part of `gpu.py`).

`mastac` at κ = 2 on rings of warehouses, knobs of the default preset. Timed is one compiled program
that draws a batch from the replay and makes one update of all agents of all seeds. Beside it stand
its matrix products alone, with operands of the same shapes, and the card's rates for large ones.
What the memory does not hold is foreseen from the shapes: it is a row that says so, and is tried
with smaller networks, fewer transitions, or critics computed in groups (`chunk`).
"""

import functools
import math
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

import mastac
from gpu_common import Case, Part, Rows, keys_of, timed, with_seeds
from mastac.envs.base import Environment
from mastac.runs.plan import RunPlan
from mastac.runs.sizes import foreseen
from update import FORWARD, INPUTS, WEIGHTS, Product, products

EPISODES = 20  # in the replay
LIMIT = 0.9  # of the memory of the card
SHAPES = {FORWARD: ("io", "ib", "ob"), WEIGHTS: ("ib", "ob", "io"), INPUTS: ("io", "ob", "ib")}
LARGE, TINY_LARGE = 8192, 256
RATES = ("highest", "default")


class Size(NamedTuple):
    """What is timed. `hidden` and `batch`: `None` for the preset's."""

    agents: int
    seeds: int
    precision: str = "default"


class Variant(NamedTuple):
    """How an update is made smaller. `None`: as in the preset."""

    hidden: list[int] | None = None
    batch: int | None = None
    chunk: int = 0


# Of most value first, since the time may end.
SIZES = [Size(40, 15), Size(640, 15), Size(10_000, 1), Size(100_000, 1), Size(40, 1)]
SIZES += [Size(640, 15, "highest"), Size(40, 128), Size(640, 1), Size(640, 128)]
SIZES += [Size(10_000, 15), Size(10_000, 1, "highest"), Size(40, 15, "highest")]
SIZES += [Size(10_000, 128), Size(100_000, 15), Size(100_000, 128)]
TINY_SIZES = [Size(9, 2)]
VARIANTS = [Variant(), Variant(chunk=2000), Variant(batch=32, chunk=2000)]
VARIANTS += [Variant([16, 16], 32, 2000), Variant([8], 8, 2000)]
TINY_VARIANTS = [Variant(batch=10**8), Variant([8], 8, 3)]
HEADER = ("agents", "seeds", "precision", "hidden", "batch", "chunk", "foreseen_gb", "free_gb")
HEADER += ("state_gb", "build_s", "lower_s", "compile_s", "temporary_gb", "update_ms", "fastest_ms")
HEADER += ("slowest_ms", "repeats", "gflop_of_products", "gflop_of_program", "tflops")
HEADER += ("products_ms", "products_tflops", "ratio")


def repeats_for(seconds: float, part: Part) -> int:
    """How often to time what takes so long: for about a second."""
    return max(3, min(3 if part.tiny else 50, round(1 / max(seconds, 1e-6))))


def needed(case: Case, seeds: int) -> tuple[float, float]:
    """Bytes that the updates of all seeds take, and those that are free."""
    sizes = foreseen(RunPlan(case.config, case.spec, case.seed.schedule, None))
    own = ("an evaluation", "results")  # of a run, and not of an update alone
    total = seeds * sum(part.bytes for part in sizes.parts if part.name not in own)
    return total, LIMIT * (sizes.free or 0)


def bare_products(counted: Sequence[Product], batch: int) -> tuple[Any, dict[str, Any]]:
    """A program of the products alone, each as often as an update has it, and its operands.

    The barriers keep the compiler from taking equal products together.
    """

    def shape(product: Product, axes: str) -> tuple[int, ...]:
        sizes = {"i": product.inputs, "o": product.outputs, "b": batch}
        return (product.members, *(sizes[axis] for axis in axes))

    key = jax.random.key(0, impl="rbg")
    shapes = {shape(p, axes) for p in counted for axes in SHAPES[p.formula][:2]}
    held = {str(given): jax.random.normal(key, given) for given in sorted(shapes)}

    def repeated(product: Product, held: dict[str, Any]) -> Any:
        left, right, result = SHAPES[product.formula]
        operands = held[str(shape(product, left))], held[str(shape(product, right))]

        def again(_: Any, out: Any) -> Any:
            a, b, _ = jax.lax.optimization_barrier((*operands, out))
            return jnp.einsum(f"m{left},m{right}->m{result}", a, b)

        out = jax.lax.fori_loop(0, product.times, again, jnp.zeros(shape(product, result)))
        return out[0, 0, 0]

    return jax.jit(lambda held: [repeated(product, held) for product in counted]), held


def measure(size: Size, variant: Variant, part: Part, rows: Rows) -> bool:
    """A row of a size; whether its update could be timed."""
    knobs: dict[str, Any] = {"kappa": 2}
    if variant.hidden is not None:
        knobs |= {"critic_hidden": variant.hidden, "actor_hidden": variant.hidden}
    if variant.batch is not None:
        knobs["batch_size"] = variant.batch
    with rows.row(**size._asdict(), chunk=variant.chunk) as row:
        began = time.perf_counter()
        case = Case.of(ring(size.agents), "mastac", variant.chunk, EPISODES, "default", **knobs)
        row["build_s"] = time.perf_counter() - began
        settings = case.config.settings
        row["hidden"] = "x".join(map(str, settings.critic_hidden))
        row["batch"] = settings.batch_size
        total, free = needed(case, size.seeds)
        row["foreseen_gb"], row["free_gb"] = total / 1e9, free / 1e9
        if total > free:
            row["message"] = f"does not fit: {total / 1e9:.0f} GB of {free / 1e9:.0f} GB"
            return False
        time_update(case, size, part, row)
        if part.left > 1.5 * row["compile_s"]:
            time_products(case, size, part, row)
    jax.clear_caches()
    return "update_ms" in row


@functools.lru_cache(maxsize=1)
def ring(agents: int) -> Environment:
    """The ring, built once for what is tried on it one after the other."""
    return mastac.make(f"warehouse-{agents}")


def time_update(case: Case, size: Size, part: Part, row: dict[str, Any]) -> None:
    """Compile the update and time it."""
    shapes = with_seeds(case.shapes(), size.seeds)
    with jax.default_matmul_precision(size.precision):
        update = jax.jit(jax.vmap(case.update), donate_argnums=0)
        lowered, row["lower_s"] = timed(lambda: update.lower(*shapes))
    row["gflop_of_program"] = (lowered.cost_analysis() or {}).get("flops", 0.0) / 1e9
    compiled, row["compile_s"] = timed(lowered.compile)
    memory = compiled.memory_analysis()
    if memory is not None:
        row["temporary_gb"] = memory.temp_size_in_bytes / 1e9
        row["state_gb"] = memory.argument_size_in_bytes / 1e9
    keys = keys_of(size.seeds)
    state = jax.jit(jax.vmap(case.learner.init))(keys)
    # Times do not depend on what stands in the replay.
    store = jax.tree.map(lambda leaf: jnp.full(leaf.shape, 0.5, leaf.dtype), shapes[1])
    (state, _), _ = timed(lambda: compiled(state, store, keys))
    (state, _), first = timed(lambda: compiled(state, store, keys))
    times = []
    for _ in range(repeats_for(first, part)):
        (state, _), seconds = timed(lambda state=state: compiled(state, store, keys))
        times.append(seconds)
    times.sort()
    middle = times[len(times) // 2]
    flop = sum(p.flop(case.config.settings.batch_size) for p in products(case.spec, size.seeds))
    row |= {"update_ms": 1e3 * middle, "fastest_ms": 1e3 * times[0], "slowest_ms": 1e3 * times[-1]}
    row |= {"repeats": len(times), "gflop_of_products": flop / 1e9, "tflops": flop / middle / 1e12}


def time_products(case: Case, size: Size, part: Part, row: dict[str, Any]) -> None:
    """Time the products of the update alone."""
    batch = case.config.settings.batch_size
    counted = [product for product in products(case.spec, size.seeds) if product.times]
    with jax.default_matmul_precision(size.precision):
        call, given = bare_products(counted, batch)
        timed(lambda: call(given))
    _, first = timed(lambda: call(given))
    times = sorted(timed(lambda: call(given))[1] for _ in range(repeats_for(first, part)))
    seconds = times[len(times) // 2]
    row["products_ms"] = 1e3 * seconds
    row["products_tflops"] = 1e9 * row["gflop_of_products"] / seconds / 1e12
    row["ratio"] = row["update_ms"] / row["products_ms"]


def card_rates(part: Part) -> None:
    """The rates of one large product, and of a stack of small ones as an update has them."""
    rows = Rows(part.out / "gpu-card.csv", ("product", "type", "precision", "ms", "tflops"))
    large, members, batch = (256, 12, 8) if part.tiny else (8192, 9600, 128)
    shapes: dict[str, Any] = {f"{large}³": ((large, large), (large, large))}
    shapes[f"{members} of 64 x 64 by {batch}"] = ((members, 64, 64), (members, 64, batch))
    for name, (left, right) in shapes.items():
        for kind, precision in (("float32", "highest"), ("float32", "default"), ("bfloat16", None)):
            with rows.row(product=name, type=kind, precision=precision or "") as row:
                key = jax.random.key(0)
                given = [jax.random.normal(key, shape, kind) for shape in (left, right)]
                with jax.default_matmul_precision(precision):
                    product = jax.jit(jnp.matmul).lower(*given).compile()
                once = lambda product=product, given=given: timed(lambda: product(*given))[1]  # noqa: E731
                seconds = sorted(once() for _ in range(10))[4]
                row["ms"] = 1e3 * seconds
                row["tflops"] = 2 * math.prod(left) * right[-1] / seconds / 1e12


def main() -> None:
    """The card's rates, then all sizes that the time allows."""
    part, _ = Part.from_arguments()
    card_rates(part)
    rows = Rows(part.out / "gpu-update.csv", HEADER)
    longest = 5.0
    for size in TINY_SIZES if part.tiny else SIZES:
        for variant in TINY_VARIANTS if part.tiny else VARIANTS:
            if part.left < 1.5 * longest:
                rows.add({**size._asdict(), "message": "no time was left"})
                break
            began = time.perf_counter()
            is_timed = measure(size, variant, part, rows)
            longest = max(longest, time.perf_counter() - began)
            if is_timed:
                break


if __name__ == "__main__":
    main()
