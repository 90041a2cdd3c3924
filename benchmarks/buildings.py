"""Actors up the slope of the true dynamics, in buildings of 40, 400 and 4,000 zones.

    python benchmarks/buildings.py [ZONES …] [--epochs 40] [--seed 0]

`mastac-model` with `dynamics=true`: no model is learnt, imagined episodes are played by the
simulator. Actors are linear in what a zone observes, before the limit; the best known policy is of
the same kind. Every line is a return per zone over 1,000 episodes (100 for 4,000 zones), the best
known one and the bound where they are stored, and processor seconds with compilation. The same
zones repeat: the best known return per zone changes by 0.1 % from 40 to 400, so that of 400 serves
for 4,000.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import mastac
from common import write

KNOBS: dict[str, Any] = {"dynamics": "true", "actor_hidden": [], "actor_lr": 0.05}
LARGEST_STORED = 400
HEADER = ["zones", "seed", "epochs", "return_per_zone", "best_known", "bound", "score"]
HEADER += ["cpu_seconds", "seconds"]


def line(zones: int, epochs: int, seed: int) -> list[Any]:
    """Train one building, and measure its policies."""
    env = mastac.make(f"thermal-{zones}")
    reference = mastac.make(f"thermal-{min(zones, LARGEST_STORED)}").reference()
    assert reference is not None
    wall, cpu = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        given: dict[str, Any] = {"evaluation_interval": epochs, "evaluation_episodes": 10}
        out = Path(folder) / "run"
        run = mastac.train(
            env, "mastac-model", epochs=epochs, seeds=[seed], out=out, **given, **KNOBS
        )
        spent = [time.process_time() - cpu, time.perf_counter() - wall]
        episodes = 100 if zones > LARGEST_STORED else 1000
        value = run.evaluate(episodes=episodes)["greedy_by_seed"][str(seed)]
    known = [reference.best_known, reference.bound, reference.score(value)]
    return [zones, seed, epochs, value, *known, *spent]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("zones", nargs="*", type=int, default=[40, 400, 4000])
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    write("buildings", HEADER, [line(zones, args.epochs, args.seed) for zones in args.zones])


if __name__ == "__main__":
    main()
