"""Does it pay to know when doors are open? `python benchmarks/schedule.py [FOLDER] [ROW …]`.

Trains MAStAC on twelve rooms whose doors take turns, by the schedule and by the union of its
graphs, with exact sets and with windows: the same simulator, seeds and settings. Writes the greedy
returns of every seed, what critics read, and the curves. Rows that FOLDER (default: runs/schedule)
holds are not trained again, and a stopped one goes on.
"""

import sys
from pathlib import Path

import numpy as np

import mastac
from common import RESULTS, write
from mastac.runs.drawing import save
from mastac.runs.figures import learning_curves
from mastac.runs.plan import layout_of
from mastac.runs.results import read_results

ENV, EPOCHS, SEEDS = "doors-12", 1000, range(5)
ROWS = {
    "schedule-k2": ("schedule", 2),
    "union-k2": ("union", 2),
    "schedule-exact": ("schedule", None),
    "union-exact": ("union", None),
}


def trained(name: str, folder: Path) -> mastac.Run:
    """The run of a row; trained, or gone on with, where that is not done."""
    known, kappa = ROWS[name]
    path = folder / name
    if not (path / "config.json").exists():
        options = {"known": known}
        # Without decay: what differs is the sets alone.
        return mastac.train(
            ENV,
            kappa=kappa,
            epochs=EPOCHS,
            seeds=SEEDS,
            out=path,
            env_options=options,
            distance_decay=1.0,
        )
    return mastac.load(path) if read_results(path).is_finished else mastac.resume(path)


def read_by_critics(run: mastac.Run) -> tuple[float, float]:
    """How many states and actions a critic reads (mean over agents and times), and its room."""
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
        found = read_results(run.path)
        epochs, returns = found.curve(greedy=True)
        curves += [
            [name, seed, int(epoch), float(value)]
            for seed, row in zip(found.seeds, returns, strict=True)
            for epoch, value in zip(epochs, row, strict=True)
        ]
        greedy = found.greedy_by_seed()
        table.append(
            [name, len(greedy), *read_by_critics(run), float(greedy.mean()), float(greedy.std())]
        )
    write("schedule-curves", ["row", "seed", "epoch", "greedy_return"], curves)
    write(
        "schedule", ["row", "seeds", "read_by_a_critic", "room", "greedy_mean", "greedy_std"], table
    )
    results = [read_results(run.path) for run in runs.values()]
    # What the couplings declare changes nothing of what happens.
    save(learning_curves(results, greedy=True, may_differ=["known"]), RESULTS / "schedule.png")


if __name__ == "__main__":
    main()
