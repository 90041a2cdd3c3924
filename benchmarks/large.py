"""What many agents take on one machine: seconds, bytes, and the size of the compiled program.

    taskset --cpu-list 0,1 python benchmarks/large.py [AGENTS/own AGENTS/shared …]

Linear-quadratic rings at κ = 2, networks of three layers of 64, batches of 16, one update after
each episode of 25 steps; "own": every agent has an actor and a critic of its own, "shared": agents
of a kind share them. Each size runs in a process of its own, so that its peak memory is its own,
and without kept programs. Writes `results/large.csv`.
"""

import json
import os
import resource
import shutil
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
    "environment_s",
    "sets_s",
    "layout_s",
    "compile_s",
    "operations",
    "program_kib",
    "hlo_instructions",
    "cycle_s",
    "cycle_cpu_s",
    "evaluation_s",
    "checkpoint_s",
    "checkpoint_mib",
    "policy_mib",
    "foreseen_mib",
    "peak_mib",
)
CYCLES = 3
MIB = 2**20


class Clock:
    """Seconds since it was asked last."""

    def __init__(self) -> None:
        self.at = time.perf_counter()

    def __call__(self) -> float:
        before, self.at = self.at, time.perf_counter()
        return self.at - before


def measure(agents: int, weights: str) -> None:
    """Print the row of one size as JSON."""
    import jax
    import jax.numpy as jnp

    import mastac
    from mastac.learning import buffer_of, learner_of
    from mastac.learning.loop import training_program
    from mastac.runs.checkpoints import save_checkpoint
    from mastac.runs.config import resolve
    from mastac.runs.evaluation import policies_of
    from mastac.runs.plan import plan_run
    from mastac.runs.sizes import foreseen

    clock, row = Clock(), {}
    env = mastac.make(f"lq-{agents}")
    row["environment_s"] = clock()
    mastac.value_dependency(env.couplings, 2)
    row["sets_s"] = clock()
    hidden = {"actor_hidden": (64, 64, 64), "critic_hidden": (64, 64, 64)}
    shares = {"share_actors": True, "share_critics": True} if weights == "shared" else {}
    knobs: dict[str, Any] = {"batch_size": 16, "buffer_size": 100, "updates_per_epoch": 1}
    given = {"kappa": 2, "epochs": 8, "evaluation_episodes": 2}
    plan = plan_run(env, resolve(env.id, {}, **given, **knobs, **hidden, **shares))
    row["layout_s"] = clock()
    row["foreseen_mib"] = foreseen(plan).total / MIB
    config = plan.config
    parts = (learner_of(plan.spec), buffer_of(env, config.settings, 8), config.settings, 8)
    program = training_program(env, *parts)
    assert program.lowered is not None
    keys = jax.vmap(jax.random.key)(jnp.asarray(config.seeds))
    clock()
    lowered = list(program.lowered(None, keys, 1, 1))
    compiled = [low.compile() for low in lowered]
    state = program.init(keys)
    jax.block_until_ready(state.failure)
    lowered += program.lowered(state, keys, 1, 2)
    compiled += [low.compile() for low in lowered[1:]]
    row["compile_s"] = clock()
    texts = [low.as_text() for low in lowered]
    row["operations"] = sum(text.count(" = ") for text in texts)
    row["program_kib"] = sum(map(len, texts)) / 1024
    row["hlo_instructions"] = sum(each.as_text().count(" = ") for each in compiled)
    epoch = max(1, plan.schedule.first)
    for number in range(epoch):
        state, metrics = program.advance(state, keys, jnp.asarray(number), 1)
    jax.block_until_ready(metrics.episode_return)
    clock()
    before = time.process_time()
    for number in range(epoch, epoch + CYCLES):
        state, metrics = program.advance(state, keys, jnp.asarray(number), 1)
    jax.block_until_ready(metrics.episode_return)
    row["cycle_s"], row["cycle_cpu_s"] = (
        seconds / CYCLES for seconds in (clock(), time.process_time() - before)
    )
    jax.block_until_ready(program.evaluate(state, keys[0], 2).returns)
    row["evaluation_s"] = clock()
    folder = Path(tempfile.mkdtemp())
    try:
        save_checkpoint(folder, 1, {"state": state})
        row["checkpoint_s"] = clock()
        row["checkpoint_mib"] = sum(p.stat().st_size for p in folder.rglob("*")) / MIB
        path = folder / "policy.npz"
        policies_of(plan.spec, state.learner)[0].save(path)
        row["policy_mib"] = path.stat().st_size / MIB
    finally:
        shutil.rmtree(folder)
    row["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([row[name] for name in HEADER[2:]]))


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
