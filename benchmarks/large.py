"""What many agents take on one machine: seconds, bytes, and the size of the compiled program.

    taskset --cpu-list 0,1 python benchmarks/large.py [AGENTS/own AGENTS/shared …]

Linear-quadratic rings at κ = 2, networks of three layers of 64, batches of 16, one update after
each episode of 25 steps; "own": every agent has an actor and a critic of its own, "shared": agents
of a kind share them. Each size runs in a process of its own, so that its peak memory is its own,
and without kept programs. Processor seconds (`cpu`) hold on machines with other work, too. Writes
`results/large.csv`.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

CASES = ("160/own", "640/own", "2560/own", "10000/own", "10000/shared", "100000/shared")
HEADER = (
    "agents",
    "weights",
    "environment_cpu_s",
    "sets_cpu_s",
    "layout_cpu_s",
    "compile_s",
    "compile_cpu_s",
    "operations",
    "program_kib",
    "hlo_instructions",
    "cycle_s",
    "cycle_cpu_s",
    "evaluation_cpu_s",
    "checkpoint_cpu_s",
    "checkpoint_mib",
    "policy_mib",
    "foreseen_mib",
    "peak_mib",
)
CYCLES, EPOCHS = 3, 8
MIB = 2**20


class Clock:
    """Processor seconds, and seconds by the clock, since it was asked last."""

    def __init__(self) -> None:
        self.at = time.process_time(), time.perf_counter()

    def __call__(self) -> tuple[float, float]:
        before, self.at = self.at, (time.process_time(), time.perf_counter())
        return self.at[0] - before[0], self.at[1] - before[1]


def measure(agents: int, weights: str) -> None:
    """Print the row of one size as JSON."""
    import mastac
    from mastac.learning import learner_spec
    from mastac.learning.learner import update_schedule
    from mastac.runs.config import resolve
    from mastac.runs.plan import RunPlan, chunk_for, layout_of
    from mastac.runs.sizes import foreseen

    clock, row = Clock(), {}
    env = mastac.make(f"lq-{agents}")
    row["environment_cpu_s"], _ = clock()
    mastac.value_dependency(env.couplings, 2)
    row["sets_cpu_s"], _ = clock()
    hidden = {"actor_hidden": (64, 64, 64), "critic_hidden": (64, 64, 64)}
    shares: dict[str, Any] = dict.fromkeys(("share_actors", "share_critics"), weights == "shared")
    knobs: dict[str, Any] = {"batch_size": 16, "buffer_size": 100, "updates_per_epoch": 1}
    given: dict[str, Any] = {"kappa": 2, "epochs": EPOCHS, "evaluation_episodes": 2}
    config = resolve(env.id, {}, **given, **knobs, **hidden, **shares)
    schedule = update_schedule(env, config.settings)
    layout, total = layout_of(env, config), schedule.total(EPOCHS)
    spec = learner_spec(env, layout, config.settings, total, chunk_for(1), EPOCHS)
    row["layout_cpu_s"], _ = clock()
    plan = RunPlan(config, spec, schedule, None)
    row["foreseen_mib"] = foreseen(plan).total / MIB
    program, keys, state = compiled(plan, row)
    state = trained(plan, program, keys, state, row)
    stored(plan, state, row)
    row["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([row[name] for name in HEADER[2:]]))


def compiled(plan: Any, row: dict[str, float]) -> tuple[Any, Any, Any]:
    """The program, keys and first state of a run, and what compiling takes and gives."""
    import jax
    import jax.numpy as jnp

    from mastac.learning import buffer_of, learner_of
    from mastac.learning.loop import training_program

    settings = plan.config.settings
    parts = (learner_of(plan.spec), buffer_of(plan.env, settings, EPOCHS), settings, EPOCHS)
    program = training_program(plan.env, *parts)
    assert program.lowered is not None
    keys = jax.vmap(jax.random.key)(jnp.asarray(plan.config.seeds))
    clock = Clock()
    lowered = list(program.lowered(None, keys, 1, 1))
    done = [low.compile() for low in lowered]
    first = clock()
    state = program.init(keys)
    jax.block_until_ready(state.failure)
    clock()
    lowered += program.lowered(state, keys, 1, 2)
    done += [low.compile() for low in lowered[1:]]
    row["compile_cpu_s"], row["compile_s"] = map(sum, zip(first, clock(), strict=True))
    texts = [low.as_text() for low in lowered]
    row["operations"] = sum(text.count(" = ") for text in texts)
    row["program_kib"] = sum(map(len, texts)) / 1024
    row["hlo_instructions"] = sum(each.as_text().count(" = ") for each in done)
    return program, keys, state


def trained(plan: Any, program: Any, keys: Any, state: Any, row: dict[str, float]) -> Any:
    """The state after some cycles, and how long one takes, and an evaluation."""
    import jax
    import jax.numpy as jnp

    first = plan.schedule.first
    for number in range(first):
        state, metrics = program.advance(state, keys, jnp.asarray(number), 1)
        jax.block_until_ready(metrics.episode_return)
    clock = Clock()
    for number in range(first, first + CYCLES):
        state, metrics = program.advance(state, keys, jnp.asarray(number), 1)
        jax.block_until_ready(metrics.episode_return)
    row["cycle_cpu_s"], row["cycle_s"] = (seconds / CYCLES for seconds in clock())
    jax.block_until_ready(program.evaluate(state, keys[0], 2).returns)
    row["evaluation_cpu_s"], _ = clock()
    return state


def stored(plan: Any, state: Any, row: dict[str, float]) -> None:
    """How long a checkpoint takes, and how large it and a policy are."""
    from mastac.runs.checkpoints import save_checkpoint
    from mastac.runs.evaluation import policies_of

    with tempfile.TemporaryDirectory() as name:
        folder, clock = Path(name), Clock()
        save_checkpoint(folder, 1, {"state": state})
        row["checkpoint_cpu_s"], _ = clock()
        row["checkpoint_mib"] = sum(path.stat().st_size for path in folder.rglob("*")) / MIB
        policy = folder / "policy.npz"
        policies_of(plan.spec, state.learner)[0].save(policy)
        row["policy_mib"] = policy.stat().st_size / MIB


def main(cases: list[str]) -> None:
    from common import write

    rows = []
    for case in cases or CASES:
        agents, weights = case.split("/")
        output = subprocess.run(
            [sys.executable, __file__, "--one", agents, weights],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "MASTAC_CACHE": "off"},
        ).stdout
        rows.append([int(agents), weights, *json.loads(output.splitlines()[-1])])
        print(rows[-1], flush=True)
    write("large", HEADER, rows)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        measure(int(sys.argv[2]), sys.argv[3])
    else:
        main(sys.argv[1:])
