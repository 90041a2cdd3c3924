"""Why learning drifts away from a good policy, and what stops it.

    python benchmarks/drift.py

Trains one seed on the building twice. Only the scales on which critics read states and actions
differ: as declared (around the operating point), and plain (by the actuator's limit and the start
of an episode). Writes the greedy return over training, and the slopes of both runs' critics at the
end beside the true ones (see `slopes.py`).
"""

import tempfile
from dataclasses import replace
from pathlib import Path

import mastac
from common import shared_knobs, write
from mastac.runs import read_results
from slopes import HEADER, slopes


def main() -> None:
    env = mastac.make("thermal-40")
    plain = replace(
        env,
        id="thermal-40-plain",
        options={},
        state_scale=4.0,
        action_center=0.0,
        action_scale=env.action_limit,
    )
    curves, table = [], []
    with tempfile.TemporaryDirectory() as folder:
        for name, scaled in (("operating-point", env), ("plain", plain)):
            out = Path(folder) / name
            knobs = {**shared_knobs(env.id), "distance_decay": 1.0}
            run = mastac.train(scaled, kappa=2, epochs=400, seeds=0, out=out, **knobs)
            epochs, returns = read_results(run.path).curve(greedy=True)
            for epoch, value in zip(epochs.tolist(), returns[0].tolist(), strict=True):
                curves.append([name, epoch, epoch * env.horizon, value])
            table += slopes(run.path, scaled)
    write("drift-curves", ["scales", "epoch", "env_steps", "greedy_return"], curves)
    write("drift-slopes", HEADER, table)


if __name__ == "__main__":
    main()
