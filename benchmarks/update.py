"""How close training comes to its own matrix products: `python benchmarks/update.py [ENV] [SEEDS]`.

For the default preset and five seeds: the time of an epoch (episode, replay, updates, step rules) against the time of
the bare batched matrix products of the same shapes and number, measured one by one in the same process, whichever is
faster of all members at once and in chunks. Ratio 1 would mean that nothing but the products takes time.
"""

import itertools
import sys
import tempfile
from collections.abc import Iterator

import jax
import jax.numpy as jnp

import mastac
from common import median_seconds, write
from mastac.agents.networks import each_member
from mastac.experiments.config import resolve
from mastac.experiments.execution import Execution, chunk_for
from mastac.experiments.folder import RunFolder
from mastac.learning.parts import Parts

FORWARD, WEIGHTS, INPUTS = "io,ib->ob", "ib,ob->io", "io,ob->ib"


def layers(width: int, hidden: tuple[int, ...], outputs: int) -> list[tuple[int, int]]:
    sizes = [width, *hidden, outputs]
    return list(itertools.pairwise(sizes))


def products(parts: Parts) -> Iterator[tuple[str, int, int, int, int]]:
    """(product, members, inputs, outputs, how often) of one update with current-policy actions."""
    settings = parts.settings
    times = 1 if settings.finite_horizon else 0
    for bucket in parts.buckets:
        width = bucket.state_rows.shape[1] + bucket.action_rows.shape[1] + times
        for layer, (inputs, outputs) in enumerate(layers(width, settings.critic_hidden, 1)):
            members = len(bucket.terms)
            yield FORWARD, members, inputs, outputs, 3  # target, loss, actor's step
            yield WEIGHTS, members, inputs, outputs, 1
            yield INPUTS, members, inputs, outputs, 1 if layer == 0 else 2  # actor's step; loss but for the first
    obs, act = int(parts.env.obs_sizes.max()), int(parts.env.action_sizes.max())
    for layer, (inputs, outputs) in enumerate(layers(obs, settings.actor_hidden, act)):
        yield FORWARD, parts.env.num_agents, inputs, outputs, 2  # target policy, current policy
        yield WEIGHTS, parts.env.num_agents, inputs, outputs, 1
        if layer > 0:
            yield INPUTS, parts.env.num_agents, inputs, outputs, 1


def product_seconds(spec: str, members: int, inputs: int, outputs: int, batch: int, repeats: int) -> float:
    """The faster of all members at once and ten at a time, the operands laid out as the learner has them."""
    key = jax.random.key(0)
    shapes = {"io": (inputs, outputs), "ib": (inputs, batch), "ob": (outputs, batch)}
    left, right = (jax.random.normal(key, (members, *shapes[name])) for name in spec.split("->")[0].split(","))
    best = float("inf")
    for chunk in (0, chunk_for(1)):
        call = jax.jit(lambda a, b, chunk=chunk: each_member(lambda x, y: jnp.einsum(spec, x, y), a, b, chunk=chunk))
        best = min(best, median_seconds(lambda call=call: call(left, right), repeats))
    return best


def main(env_id: str = "thermal-40", seeds: int = 5, epochs: int = 24, repeats: int = 15) -> None:
    env = mastac.make(env_id)
    config = resolve(env_id, {}, epochs=epochs, seeds=tuple(range(seeds)), evaluation_interval=epochs // 4)
    updates = config.settings.updates_per_epoch
    with tempfile.TemporaryDirectory() as folder:
        run = Execution(RunFolder(folder), config, env, lambda text: None)
        state = run.program.init(run.keys)
        length = epochs // 4
        # The first chunk compiles and fills the replay; then chunks are timed one after the other.
        state, _ = run.program.advance(state, run.keys, jnp.asarray(length), length)

        def chunk():
            nonlocal state
            state, metrics = run.program.advance(state, run.keys, jnp.asarray(2 * length), length)
            return metrics

        epoch_seconds = median_seconds(chunk, 7) / length
        batch = config.settings.batch_size
        listed = list(products(run.parts))
        bare = sum(
            often * product_seconds(spec, members * seeds, inputs, outputs, batch, repeats)
            for spec, members, inputs, outputs, often in listed
        )
    flop = sum(2 * members * seeds * i * o * batch * often for _, members, i, o, often in listed)
    update_seconds = epoch_seconds / updates
    header = ["env", "seeds", "updates_per_epoch", "epoch_ms", "update_ms", "products_ms", "ratio", "update_gflops"]
    header += ["products_gflops"]
    row = [env_id, seeds, updates, 1e3 * epoch_seconds, 1e3 * update_seconds, 1e3 * bare, update_seconds / bare]
    write(f"update-{env_id}", header, [[*row, flop / update_seconds / 1e9, flop / bare / 1e9]])


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "thermal-40", int(sys.argv[2]) if len(sys.argv) > 2 else 5)
