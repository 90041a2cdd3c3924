"""Processor seconds until every seed has a score, with the default preset.

    python benchmarks/time_to_score.py [ENV/ALGORITHM[/EPOCHS]=SCORE …] [--seeds 0-4]

Twenty times in a training the greedy policies play 200 episodes, the same for all seeds. A seed has
a score from the first time that it and all later ones are as good. Its seconds are those of the
compiled training up to then, shared evenly between the seeds; what is compiled, and what evaluation
takes, stands beside. Without EPOCHS a run is as long as its preset says. Writes
`results/time-to-score.csv`.
"""

import argparse
import time
from typing import Any

import numpy as np

from common import rounded, training_of, write
from mastac.cli.arguments import parse_seeds

TARGETS = ("thermal-40/mastac=0.97", "warehouse-40/mastac=0.95")
LOOKS, EPISODES = 20, 200
HEADER = ("env", "algorithm", "epochs", "seed", "target", "env_steps", "cpu_seconds")
HEADER += ("score_at_end", "cpu_seconds_in_all", "compile_cpu_seconds", "evaluate_cpu_seconds")


def measured(env_id: str, algorithm: str, epochs: int | None, target: float, seeds: Any) -> list:
    """A row for each seed."""
    import jax
    import jax.numpy as jnp

    import mastac
    from mastac.runs import resolve
    from mastac.runs.evaluation import evaluation_key

    env = mastac.make(env_id)
    knobs: dict[str, Any] = {} if epochs is None else {"epochs": epochs}
    config = resolve(env_id, {}, algorithm=algorithm, seeds=tuple(seeds), **knobs)
    plan, program, keys = training_of(env, config)
    reference = plan.reference
    assert reference is not None, f"{env_id} has no reference"
    # A chunk before the first update, and those after it, of one length: one program.
    length = max(config.epochs // LOOKS, 1)
    spent = {"train": [0.0], "compile": [0.0], "evaluate": [0.0]}

    def timed(what: str, call: Any, *given: Any) -> Any:
        began = time.process_time()
        result = call(*given)
        if what != "compile":
            jax.block_until_ready(result)
        spent[what].append(time.process_time() - began)
        return result

    state = program.init(keys)
    for lowered in program.lowered(state, keys, length, EPISODES):
        timed("compile", lowered.compile)
    scores, seconds = [], []
    for epoch in range(0, length * LOOKS, length):
        state, _ = timed("train", program.advance, state, keys, jnp.asarray(epoch), length)
        played = timed("evaluate", program.evaluate, state, evaluation_key(), EPISODES)
        returns = np.asarray(env.reported(played.returns)).mean(1)
        scores.append([reference.score(float(value)) for value in returns])
        seconds.append(sum(spent["train"]) / len(keys))
        print(f"{env_id} {seconds[-1]:.1f} s", *map(rounded, scores[-1]), flush=True)
    rest = [seconds[-1], *(sum(spent[what]) for what in ("compile", "evaluate"))]
    rows = []
    for seed, of_seed in zip(config.seeds, np.array(scores).T, strict=True):
        first = first_for_good(of_seed >= target)
        steps = "" if first is None else (first + 1) * length * env.horizon
        at = "" if first is None else seconds[first]
        found = [target, steps, at, float(of_seed[-1])]
        rows.append([env_id, algorithm, config.epochs, seed, *found, *rest])
    return rows


def first_for_good(reached: np.ndarray) -> int | None:
    """From which place on all are true; `None` where the last is not."""
    missed = np.flatnonzero(~reached)
    first = int(missed[-1]) + 1 if missed.size else 0
    return first if first < len(reached) else None


def main() -> None:
    """Measure every case and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("cases", nargs="*", default=TARGETS)
    parser.add_argument("--seeds", type=parse_seeds, default=range(5))
    args = parser.parse_args()
    rows = []
    for text in args.cases:
        case, target = text.split("=")
        env_id, algorithm, *epochs = case.split("/")
        length = int(epochs[0]) if epochs else None
        rows += measured(env_id, algorithm, length, float(target), args.seeds)
    write("time-to-score", HEADER, rows)


if __name__ == "__main__":
    main()
