"""Why learning drifts away from a good policy, and what stops it: `python benchmarks/drift.py`.

Trains one seed on the building twice, the same in everything but the scales on which critics read
states and actions: as declared (around the operating point), and by the actuator's limit and the
start of an episode alone. Writes the greedy return over training, and the slopes of both runs'
critics at the end against the true ones (see `slopes.py`).
"""

import tempfile
from dataclasses import replace
from pathlib import Path

import mastac
from common import write
from mastac.runs.results import read_results
from slopes import HEADER, slopes


def main() -> None:
    env = mastac.make("thermal-40")
    plain = replace(
        env,
        id="thermal-40-plain",
        options={},
        state_scale=4.0,
        action_center=0.0,
        action_scale=None,
    )
    curves, table = [], []
    with tempfile.TemporaryDirectory() as folder:
        for name, each in (("operating-point", env), ("plain", plain)):
            run = mastac.train(
                each, kappa=2, distance_decay=1.0, epochs=400, seeds=0, out=Path(folder) / name
            )
            epochs, returns = read_results(run.path).curve(greedy=True)
            curves += [
                [name, int(e), int(e) * env.horizon, float(r)]
                for e, r in zip(epochs, returns[0], strict=True)
            ]
            table += slopes(run.path, each)
    write("drift-curves", ["scales", "epoch", "env_steps", "greedy_return"], curves)
    write("drift-slopes", HEADER, table)


if __name__ == "__main__":
    main()
