"""One measurement of an algorithm of mastac; prints it as JSON. `compare.py` starts it.

python benchmarks/peers/ours.py measure ALGORITHM AGENTS CYCLES
python benchmarks/peers/ours.py episode AGENTS < LOGITS
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))  # for `common`

HIDDEN = [64, 64, 64]
BATCH, REPLAY = 256, 2048


def ring(agents: int) -> Any:
    """Warehouses on a ring, of which the first half have supply."""
    import mastac

    # The nine of the paper stand on another graph.
    pairs = [[i, (i + step) % agents] for i in range(agents) for step in (1, -1)]
    options: dict[str, Any] = {"graph": pairs, "supply": "halves"} if agents == 9 else {}
    return mastac.make(f"warehouse-{agents}", **options)


def measure(algorithm: str, agents: int, cycles: int) -> None:
    """Train, and print when each cycle from the first update on ended, as `theirs.py` does.

    Every cycle is a call of the compiled program. Compiled programs are kept in `MASTAC_CACHE`, as
    those of `mastac train`.
    """
    import resource

    import jax
    import jax.numpy as jnp

    from common import training_of
    from mastac.runs import resolve
    from mastac.runs.compilation_cache import compilation_cache

    env = ring(agents)
    config = resolve(
        env.id,
        env.options,
        algorithm=algorithm,
        kappa=2 if algorithm == "mastac" else "preset",
        epochs=REPLAY // env.horizon,
        actor_hidden=HIDDEN,
        critic_hidden=HIDDEN,
        batch_size=BATCH,
        buffer_size=REPLAY,
        updates_per_epoch=1,
    )
    plan, program, keys = training_of(env, config)
    schedule, ends = plan.schedule, []
    with compilation_cache():
        state = program.init(keys)
        for epoch in range(schedule.first + cycles - 1):
            state, metrics = program.advance(state, keys, jnp.asarray(epoch), 1)
            jax.block_until_ready((state, metrics))
            if schedule.updates_after(epoch + 1):
                ends.append([time.time() - float(os.environ["BEGAN"]), time.process_time()])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    weights = {
        "loss_actor": size_of((state.learner.actors.weights, state.learner.actors.biases)),
        "loss_value": size_of(state.learner.critics),
    }
    print(json.dumps({"ends": ends, "peak_mib": peak, "weights": weights}))


def size_of(tree: Any) -> int:
    """How many numbers the arrays of a tree hold."""
    import jax

    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def episode(agents: int) -> None:
    """Play an episode with the logits of standard input; print observations and rewards."""
    import jax
    import jax.numpy as jnp

    env, key, steps = ring(agents), jax.random.key(0), []
    state = env.reset(key)
    for time_, logits in enumerate(json.load(sys.stdin)):
        shares = jax.nn.softmax(jnp.asarray(logits), -1)
        reward = env.reward(state, shares, time_)
        steps.append([env.observe(state).tolist(), reward.tolist()])
        state = env.step(state, shares, time_, key)
    print(json.dumps(steps))


if __name__ == "__main__":
    if sys.argv[1] == "episode":
        episode(int(sys.argv[2]))
    else:
        measure(sys.argv[2], *map(int, sys.argv[3:5]))
