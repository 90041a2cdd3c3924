"""How close training comes to its own matrix products: `python benchmarks/update.py [ENV] [--algorithm NAME] …`.

For the default preset and five seeds, an algorithm whose critics have errors of their own: the time
of an epoch (episode, replay, updates, step rules) against the time of the bare batched matrix
products of the same shapes and number, measured one by one in the same process, whichever is faster
of all members at once and in chunks. Ratio 1 would mean that nothing but the products takes time.
"""

import argparse
import itertools
import tempfile
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp

import mastac
from common import median_seconds, write
from mastac.agents.networks import each_member
from mastac.learning.spec import LearnerSpec
from mastac.runs.config import resolve
from mastac.runs.execution import Execution
from mastac.runs.folder import RunFolder
from mastac.runs.plan import chunk_for, plan_run

FORWARD, WEIGHTS, INPUTS = "io,ib->ob", "ib,ob->io", "io,ob->ib"


def layers(width: int, hidden: tuple[int, ...], outputs: int) -> list[tuple[int, int]]:
    sizes = [width, *hidden, outputs]
    return list(itertools.pairwise(sizes))


def products(spec: LearnerSpec) -> Iterator[tuple[str, int, int, int, int]]:
    """(product, members, inputs, outputs, how often) of one update, without what no learner would compute.

    Critics that advise one agent alone need the gradient of its action only: a product too small to
    count.
    """
    settings = spec.settings
    times = 1 if settings.finite_horizon else 0
    for bucket in spec.buckets:
        width = bucket.state_rows.shape[1] + bucket.action_rows.shape[1] + times
        members, advises_many = len(bucket.terms), bucket.slot_rows.shape[1] > 1
        for layer, (inputs, outputs) in enumerate(layers(width, settings.critic_hidden, 1)):
            yield FORWARD, members, inputs, outputs, 3  # target, loss, actor's step
            yield WEIGHTS, members, inputs, outputs, 1
            # The actor's step, and the loss but for the first layer.
            yield INPUTS, members, inputs, outputs, int(advises_many) if layer == 0 else 2
    obs, act = int(spec.env.obs_sizes.max()), int(spec.env.action_sizes.max())
    for layer, (inputs, outputs) in enumerate(layers(obs, settings.actor_hidden, act)):
        yield FORWARD, spec.env.num_agents, inputs, outputs, 2  # target policy, current policy
        yield WEIGHTS, spec.env.num_agents, inputs, outputs, 1
        if layer > 0:
            yield INPUTS, spec.env.num_agents, inputs, outputs, 1


def product_seconds(
    spec: str, members: int, inputs: int, outputs: int, batch: int, repeats: int
) -> float:
    """The faster of all members at once and ten at a time, the operands laid out as the learner has them."""
    key = jax.random.key(0)
    shapes = {"io": (inputs, outputs), "ib": (inputs, batch), "ob": (outputs, batch)}
    left, right = (
        jax.random.normal(key, (members, *shapes[name])) for name in spec.split("->")[0].split(",")
    )
    best = float("inf")
    for chunk in (0, chunk_for(1)):
        call = jax.jit(
            lambda a, b, chunk=chunk: each_member(
                lambda x, y: jnp.einsum(spec, x, y), a, b, chunk=chunk
            )
        )
        best = min(best, median_seconds(lambda call=call: call(left, right), repeats))
    return best


def main(
    env_id: str, algorithm: str, seeds: int, batch: int | None, epochs: int = 24, repeats: int = 15
) -> None:
    env = mastac.make(env_id)
    knobs: dict[str, Any] = {} if batch is None else {"batch_size": batch}
    config = resolve(
        env_id,
        {},
        algorithm=algorithm,
        epochs=epochs,
        seeds=tuple(range(seeds)),
        evaluation_interval=6,
        **knobs,
    )
    updates, batch = config.settings.updates_per_epoch, config.settings.batch_size
    if config.settings.mixer != "none" or config.settings.twin_critics:
        raise SystemExit("the products are counted for single critics with errors of their own")
    with tempfile.TemporaryDirectory() as folder:
        run = Execution(RunFolder(folder), plan_run(env, config), lambda text: None)
        state = run.program.init(run.keys)
        length = epochs // 4
        # The first chunk compiles and fills the replay; then chunks are timed one after the other.
        state, _ = run.program.advance(state, run.keys, jnp.asarray(length), length)

        def chunk():
            nonlocal state
            state, metrics = run.program.advance(state, run.keys, jnp.asarray(2 * length), length)
            return metrics

        epoch_seconds = median_seconds(chunk, 7) / length
        listed = list(products(run.plan.spec))
        bare = sum(
            often * product_seconds(spec, members * seeds, inputs, outputs, batch, repeats)
            for spec, members, inputs, outputs, often in listed
            if often
        )
    flop = sum(2 * members * seeds * i * o * batch * often for _, members, i, o, often in listed)
    update_seconds = epoch_seconds / updates
    header = [
        "env",
        "algorithm",
        "seeds",
        "batch_size",
        "updates_per_epoch",
        "epoch_ms",
        "update_ms",
        "products_ms",
    ]
    header += ["ratio", "update_gflops", "products_gflops"]
    row = [
        env_id,
        algorithm,
        seeds,
        batch,
        updates,
        1e3 * epoch_seconds,
        1e3 * update_seconds,
        1e3 * bare,
    ]
    row += [update_seconds / bare, flop / update_seconds / 1e9, flop / bare / 1e9]
    write(f"update-{env_id}" + ("" if algorithm == "mastac" else f"-{algorithm}"), header, [row])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("env", nargs="?", default="thermal-40")
    parser.add_argument("--algorithm", default="mastac")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--batch", type=int)
    given = parser.parse_args()
    main(given.env, given.algorithm, given.seeds, given.batch)
