"""Does it pay to know when doors are open?

    python benchmarks/schedule.py [FOLDER] [ROW …]

Trains MAStAC on twelve rooms with a schedule of doors, by the schedule and by the union of its
graphs, with exact sets and with κ = 2. Simulator, seeds and settings are the same. Writes the
greedy returns of every seed, what critics read, and the curves. Rows that are in FOLDER (default:
runs/schedule) are not trained again, and a stopped one goes on.
"""

import sys
from pathlib import Path

import numpy as np

import mastac
from common import RESULTS, write
from mastac.runs import layout_of, learning_curves, read_results
from mastac.runs.drawing import save

ENV, EPOCHS, SEEDS = "doors-12", 1000, range(5)
ROWS = {
    "schedule-k2": ("schedule", 2),
    "union-k2": ("union", 2),
    "schedule-exact": ("schedule", None),
    "union-exact": ("union", None),
}


def trained(name: str, folder: Path) -> mastac.Run:
    """The run of a row: opened, resumed or trained, whichever it needs."""
    known, kappa = ROWS[name]
    path = folder / name
    if not (path / "config.json").exists():
        return mastac.train(
            ENV,
            kappa=kappa,
            epochs=EPOCHS,
            seeds=SEEDS,
            out=path,
            env_options={"known": known},
            distance_decay=1.0,  # so that rows differ in their sets alone
        )
    return mastac.load(path) if read_results(path).is_finished else mastac.resume(path)


def read_by_critics(run: mastac.Run) -> tuple[float, float]:
    """States and actions that a critic reads: mean over agents and times, and the most it can."""
    layout = layout_of(run.env, run.config)
    room = layout.states.nnz + layout.actions.nnz
    times = layout.schedule or [(layout.states, layout.actions)]
    return float(np.mean([states.nnz + actions.nnz for states, actions in times])) / 12, room / 12


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/schedule")
    runs = {name: trained(name, folder) for name in sys.argv[2:] or ROWS}
    if set(runs) != set(ROWS):
        return
    curves, table = [], []
    for name, run in runs.items():
        results = read_results(run.path)
        epochs, returns = results.curve(greedy=True)
        curves += [
            [name, seed, int(epoch), float(value)]
            for seed, row in zip(results.seeds, returns, strict=True)
            for epoch, value in zip(epochs, row, strict=True)
        ]
        greedy = results.greedy_by_seed()
        figures = [*read_by_critics(run), float(greedy.mean()), float(greedy.std())]
        table.append([name, len(greedy), *figures])
    write("schedule-curves", ["row", "seed", "epoch", "greedy_return"], curves)
    header = ["row", "seeds", "read_by_a_critic", "room", "greedy_mean", "greedy_std"]
    write("schedule", header, table)
    results = [read_results(run.path) for run in runs.values()]
    # Declaring other couplings changes nothing of what happens.
    figure = learning_curves(results, greedy=True, may_differ=["known"])
    save(figure, RESULTS / "schedule.png")


if __name__ == "__main__":
    main()
