"""How close an epoch of training comes to its bare matrix products.

    python benchmarks/update.py [ENV] [--algorithm NAME] [--seeds N] [--batch SIZE]

For the default preset, and an algorithm whose critics have errors of their own: the time of an
epoch (episode, replay, updates, step rules) against the time of the bare batched matrix products of
the same shapes and number. These are measured one by one in the same process, all members at once
or in chunks, whichever is faster. Ratio 1 would mean that nothing but the products takes time.
"""

import argparse
import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

import mastac
from common import median_seconds, training_of, write
from mastac.agents import each_member
from mastac.learning import LearnerSpec
from mastac.learning.loop import Program
from mastac.runs import chunk_for, resolve

# A layer's output, and the gradients of its weights and of its inputs, as products of
# i inputs, o outputs and a batch b.
FORWARD, WEIGHTS, INPUTS = "io,ib->ob", "ib,ob->io", "io,ob->ib"


class Product(NamedTuple):
    """Batched matrix products of one shape, and how often an update has them."""

    formula: str
    members: int
    inputs: int
    outputs: int
    times: int

    def flop(self, batch: int) -> int:
        return 2 * self.members * self.inputs * self.outputs * batch * self.times


def layers(width: int, hidden: tuple[int, ...], outputs: int) -> list[tuple[int, int]]:
    """Inputs and outputs of each layer of a perceptron."""
    return list(itertools.pairwise([width, *hidden, outputs]))


def products(spec: LearnerSpec, seeds: int) -> Iterator[Product]:
    """The products of one update, without those that no learner would compute.

    Critics that are credited to one agent alone need the gradient of its action only: a product too
    small to count.
    """
    settings = spec.settings
    times = 1 if settings.finite_horizon else 0
    for bucket in spec.buckets:
        width = bucket.state_rows.shape[1] + bucket.action_rows.shape[1] + times
        members, for_many = seeds * len(bucket.terms), bucket.slot_rows.shape[1] > 1
        for layer, (inputs, outputs) in enumerate(layers(width, settings.critic_hidden, 1)):
            yield Product(FORWARD, members, inputs, outputs, 3)  # target, loss, actors' step
            yield Product(WEIGHTS, members, inputs, outputs, 1)
            # The actors' step, and the loss except in the first layer.
            yield Product(INPUTS, members, inputs, outputs, int(for_many) if layer == 0 else 2)
    obs, act = int(spec.env.obs_sizes.max()), int(spec.env.action_sizes.max())
    members = seeds * spec.env.num_agents
    for layer, (inputs, outputs) in enumerate(layers(obs, settings.actor_hidden, act)):
        yield Product(FORWARD, members, inputs, outputs, 2)  # target policy, current policy
        yield Product(WEIGHTS, members, inputs, outputs, 1)
        if layer > 0:
            yield Product(INPUTS, members, inputs, outputs, 1)


def product_seconds(product: Product, batch: int) -> float:
    """Time of one such product, the faster of all members at once and in the learner's chunks.

    The operands are laid out as the learner has them.
    """
    key, formula = jax.random.key(0), product.formula
    inputs, outputs = product.inputs, product.outputs
    shapes = {"io": (inputs, outputs), "ib": (inputs, batch), "ob": (outputs, batch)}
    left, right = (
        jax.random.normal(key, (product.members, *shapes[name]))
        for name in formula.split("->")[0].split(",")
    )
    best = float("inf")
    for chunk in (0, chunk_for(1)):

        @jax.jit
        def call(left, right, chunk=chunk):
            return each_member(lambda a, b: jnp.einsum(formula, a, b), left, right, chunk=chunk)

        seconds = median_seconds(lambda call=call: call(left, right), 15)
        best = min(best, seconds)
    return best


def epoch_seconds(program: Program, keys: Any, epochs: int) -> float:
    """Time of an epoch, after a first chunk that compiles and fills the replay."""
    length = epochs // 4
    state = program.init(keys)
    state, _ = program.advance(state, keys, jnp.asarray(length), length)

    def chunk():
        nonlocal state
        state, metrics = program.advance(state, keys, jnp.asarray(2 * length), length)
        return metrics

    return median_seconds(chunk, 7) / length


def main(env_id: str, algorithm: str, seeds: int, batch: int | None, epochs: int = 24) -> None:
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
    settings = config.settings
    if settings.mixer != "none" or settings.twin_critics:
        raise SystemExit("the products are counted for single critics with errors of their own")
    plan, program, keys = training_of(env, config)
    seconds = epoch_seconds(program, keys, epochs)
    counted = [product for product in products(plan.spec, seeds) if product.times]
    bare = sum(product.times * product_seconds(product, settings.batch_size) for product in counted)
    flop = sum(product.flop(settings.batch_size) for product in counted)
    update = seconds / settings.updates_per_epoch
    header = ["env", "algorithm", "seeds", "batch_size", "updates_per_epoch"]
    header += ["epoch_ms", "update_ms", "products_ms"]
    header += ["ratio", "update_gflops", "products_gflops"]
    row = [env_id, algorithm, seeds, settings.batch_size, settings.updates_per_epoch]
    row += [1e3 * seconds, 1e3 * update, 1e3 * bare]
    row += [update / bare, flop / update / 1e9, flop / bare / 1e9]
    write(f"update-{env_id}" + ("" if algorithm == "mastac" else f"-{algorithm}"), header, [row])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("env", nargs="?", default="thermal-40")
    parser.add_argument("--algorithm", default="mastac")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--batch", type=int)
    args = parser.parse_args()
    main(args.env, args.algorithm, args.seeds, args.batch)
