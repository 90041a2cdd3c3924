"""Where the seconds before the first update go, and what changes them.

    taskset --cpu-list 1 python benchmarks/compile_time.py [ENV/ALGORITHM …]

The program of a training, made in this process with the compilation cache off: processor seconds of
tracing (Python to a jaxpr), of lowering (a jaxpr to the compiler's input) and of compiling (XLA),
the kernels of the compiled program, and the seconds of an epoch with updates. Beside the program as
it is, changed ones say what its size comes from. Every row is a process of its own; writes
`results/compile-time.csv`.
"""

import itertools
import json
import os
import re
import subprocess
import sys
import time
from typing import Any

from common import training_of, write

CASES = ("warehouse-9/mastac", "warehouse-40/mastac", "thermal-40/mastac", "warehouse-9/maddpg")
CASES += ("warehouse-9/mastac-model",)
CHANGES: dict[str, dict[str, Any]] = {
    "as it is": {},
    "five seeds": {"seeds": (0, 1, 2, 3, 4)},
    "five seeds, two networks at a time": {"seeds": (0, 1, 2, 3, 4)},
    "one hidden layer": {"actor_hidden": [64], "critic_hidden": [64]},
    "plain gradient steps": {},
    "not optimised by LLVM": {},
    "older emitters of loops": {},
}
OPTIONS = {
    "not optimised by LLVM": {"xla_backend_optimization_level": 0},
    "older emitters of loops": {"xla_cpu_use_fusion_emitters": False},
}
LENGTH = 5
HEADER = ["env", "algorithm", "change", "trace_s", "lower_s", "compile_s", "kernels", "loops"]
HEADER += ["epoch_s"]


def measured(case: str, change: str) -> list[Any]:
    """One row of the table."""
    import jax
    import jax.numpy as jnp

    import mastac
    from mastac.runs import resolve

    env_id, algorithm = case.split("/")
    if change == "plain gradient steps":
        without_moments()
    if change.endswith("at a time"):
        in_turns()
    knobs: dict[str, Any] = {"seeds": (0,)} | CHANGES[change]
    config = resolve(env_id, {}, algorithm=algorithm, **knobs)
    plan, program, keys = training_of(mastac.make(env_id), config)
    state = program.init(keys)
    first = jnp.asarray(plan.schedule.first)
    times = [time.process_time()]
    traced = jax.jit(lambda *given: program.advance(*given, LENGTH)).trace(state, keys, first)
    times.append(time.process_time())
    lowered = traced.lower()
    times.append(time.process_time())
    compiled = lowered.compile(compiler_options=OPTIONS.get(change))
    times.append(time.process_time())
    epochs = []
    for _ in range(3):
        began = time.process_time()
        jax.block_until_ready(compiled(state, keys, first))
        epochs.append((time.process_time() - began) / LENGTH / len(keys))
    text = compiled.as_text() or ""
    kernels = len(re.findall(r" (?:fusion|reduce|dot|reduce-window|scatter|gather|sort)\(", text))
    spent = [after - before for before, after in itertools.pairwise(times)]
    loops = len(re.findall(r" while\(", text))
    return [*case.split("/"), change, *spent, kernels, loops, min(epochs)]


def without_moments() -> None:
    """Let optimizers keep nothing: what is left of a step is one sum for each array of weights."""
    import optax

    from mastac.learning import learner

    learner.optimizer = lambda *_: optax.sgd(1e-3)


def in_turns() -> None:
    """Have the networks of a stack computed one after the other, two at a time."""
    from mastac.runs import plan

    plan.chunk_for = lambda *_: 2


def main() -> None:
    """Measure every case and change, and write the table."""
    if sys.argv[1:2] == ["one"]:
        print(json.dumps(measured(*sys.argv[2:])))
        return
    rows = []
    for case in sys.argv[1:] or CASES:
        for change in CHANGES if case == CASES[0] else ("as it is",):
            command = [sys.executable, __file__, "one", case, change]
            environ = os.environ | {"MASTAC_CACHE": "off"}
            done = subprocess.run(command, env=environ, stdout=subprocess.PIPE, check=True)
            rows.append(json.loads(done.stdout.splitlines()[-1]))
            print(*rows[-1], file=sys.stderr, flush=True)
    write("compile-time", HEADER, rows)


if __name__ == "__main__":
    main()
