"""Time and peak memory of one update, as the number of agents grows.

    python benchmarks/scaling.py

Rings of 40 to 2560 agents at κ = 2. Each size runs in a process of its own, so that its peak memory
is its own. The exponent is the slope of log time over log agents from 160 to 2560; 1 means linear.
"""

import json
import math
import resource
import subprocess
import sys

SIZES = (40, 160, 640, 2560)


def measure(agents: int) -> None:
    """Print the row of one size as JSON."""
    import jax
    import jax.numpy as jnp

    import mastac
    from common import median_seconds
    from mastac.learning import Batch, learner_of, learner_spec
    from mastac.runs import chunk_for, layout_of, resolve

    env = mastac.make(f"warehouse-{agents}")
    config = resolve(env.id, {}, kappa=2)
    settings, layout = config.settings, layout_of(env, config)
    learner = learner_of(learner_spec(env, layout, settings, 1000, chunk_for(1)))
    state = jax.jit(learner.init)(jax.random.key(0))
    size = settings.batch_size
    keys = jax.random.split(jax.random.key(1), size)
    states = jax.vmap(env.reset)(keys).astype(jnp.float32)
    assert env.simple_actions is not None
    actions = jnp.broadcast_to(
        env.simple_actions(states[0], 0), (size, agents, int(env.action_sizes.max()))
    )
    batch = Batch(states, actions, jnp.zeros((size, agents)), states, jnp.zeros(size, jnp.int32))
    update = jax.jit(learner.update, donate_argnums=0)

    def step():
        nonlocal state
        state, metrics = update(state, batch, keys[0])
        return metrics

    seconds = median_seconds(step, max(3, 2560 // agents))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([agents, layout.states.nnz, 1e3 * seconds, peak]))


def main() -> None:
    from common import write

    rows = []
    for agents in SIZES:
        command = [sys.executable, __file__, str(agents)]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        rows.append(json.loads(output.splitlines()[-1]))
        print(rows[-1], flush=True)
    large = [row for row in rows if row[0] >= 160]
    exponent = math.log(large[-1][2] / large[0][2]) / math.log(large[-1][0] / large[0][0])
    header = ["agents", "sum_of_set_sizes", "update_ms", "peak_mib", "exponent_160_to_2560"]
    write("scaling", header, [[*row, exponent] for row in rows])


if __name__ == "__main__":
    measure(int(sys.argv[1])) if len(sys.argv) > 1 else main()
