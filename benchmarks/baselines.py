"""A wide search on forty warehouses: the same candidates for every algorithm, then the best again.

    python benchmarks/baselines.py [--rows A,B] [--out DIR] [--confirm] [table]

Searched are step sizes, reward scale, discount, exploration, batch size, updates and networks.
Candidates are drawn once, from a fixed seed, so that every row is given the same ones: `SHAPES`
shapes of networks and batches, each with `POINTS` points of the other knobs. The points of a shape
are trained side by side in one compiled program, from one seed, for `EPOCHS` epochs. With
`--confirm`, the best two candidates of each row learn from three other seeds for `LONGER` epochs.

What is in `--out` (default: runs/baselines) is not trained again. It can be stopped at any time,
and several processes can share the work. `table` trains nothing. Each call ends by writing all
that is there to `results/baselines.csv`, a line for each run, and the best to
`results/baselines-table.csv`.
"""

import argparse
import csv
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import qmc

import mastac
from common import write
from mastac.files import as_csv, locked, write_text
from mastac.jobs.side_by_side import returns_by_tenth, side_by_side
from mastac.runs import resolve

ENV = "warehouse-40"
ROWS: dict[str, tuple[str, dict[str, Any]]] = {
    "mastac-k2": ("mastac", {"kappa": 2, "distance_decay": 1.0}),
    "maddpg": ("maddpg", {"rewards": "team"}),
    "matd3": ("matd3", {"rewards": "team"}),
    "facmac": ("facmac", {}),
    "independent": ("independent", {}),
}
DRAWN_FROM, SHAPES, POINTS = 0, 3, 2  # the seed of the candidates, and how many there are
TUNING_SEED, SEEDS = 1000, (0, 1, 2)
EPOCHS, LONGER = 300, 1500
EPISODES, MEASURED = 50, 3  # candidates are judged by their last three tenths
FINALISTS = 2
SHAPE: dict[str, Sequence[Any]] = {
    "actor_hidden": ((32,), (64, 64), (64, 64, 64)),
    "critic_hidden": ((64, 64), (64, 64, 64), (128, 128)),
    "batch_size": (32, 64, 128),
    "updates_per_epoch": (1, 2, 4),
}
# Lowest and highest: step sizes, reward scale and the output scale are drawn in logarithms.
LOGARITHMIC = {
    "actor_lr": (1e-5, 1e-2),
    "critic_lr": (3e-4, 1e-2),
    "reward_scale": (0.1, 10.0),
    "actor_output_scale": (0.01, 1.0),
}
EVEN = {
    "discount": (0.9, 1.0),
    "noise": (0.1, 2.0),
    "noise_final": (0.0, 0.5),
    "random_fraction": (0.0, 0.5),
    "random_fraction_final": (0.0, 0.1),
}
KNOBS = (*LOGARITHMIC, *EVEN, *SHAPE)
TENTHS = [f"greedy_{tenth}0" for tenth in range(1, 11)]
COLUMNS = ["row", "phase", "candidate", "seed", "epochs", *KNOBS, *TENTHS, "seconds"]
TABLE = ["row", "candidates", "median", "best", "best_candidate", "epochs"]
TABLE += ["confirmed_candidate", "confirmed", "confirmed_std", "seeds", "confirmed_epochs"]

Stored = Mapping[str, str]


def candidates() -> list[tuple[dict[str, Any], list[dict[str, float]]]]:
    """Shapes, cheapest first, each with its points; the same whenever they are drawn.

    Each value of a shape's knobs is taken once before one comes again, and the points of all
    shapes together are a Latin hypercube.
    """
    rng = np.random.default_rng(DRAWN_FROM)
    orders = {name: rng.permutation(len(values)) for name, values in SHAPE.items()}
    places = qmc.LatinHypercube(len(LOGARITHMIC) + len(EVEN), rng=rng).random(SHAPES * POINTS)
    points = [_point(place) for place in places]
    shapes = [
        {name: values[orders[name][shape % len(values)]] for name, values in SHAPE.items()}
        for shape in range(SHAPES)
    ]
    shapes.sort(key=lambda shape: shape["batch_size"] * shape["updates_per_epoch"])
    return [
        (shape, points[number * POINTS : (number + 1) * POINTS])
        for number, shape in enumerate(shapes)
    ]


def _point(place: np.ndarray) -> dict[str, float]:
    point = {}
    for at, (name, (low, high)) in zip(place, (LOGARITHMIC | EVEN).items(), strict=True):
        value = low * (high / low) ** at if name in LOGARITHMIC else low + at * (high - low)
        point[name] = float(f"{value:.3g}")
    return point


def play(
    row: str, phase: str, shape: int, points: Sequence[int], seeds: Sequence[int], epochs: int
) -> list[list[Any]]:
    """Train some points of a shape, each from its own seed, side by side."""
    knobs, drawn = candidates()[shape]
    algorithm, fixed = ROWS[row]
    config = resolve(ENV, {}, algorithm=algorithm, epochs=epochs, seeds=(0,), **fixed, **knobs)
    chosen, began = [drawn[point] for point in points], time.perf_counter()
    run = returns_by_tenth(mastac.make(ENV), config, EPISODES, chunk=1)
    returns = np.asarray(run(side_by_side(chosen), np.asarray(seeds)), np.float64)
    seconds = (time.perf_counter() - began) / len(points)
    return [
        [
            *(row, phase, shape * POINTS + point, seed, epochs),
            *(json.dumps((drawn[point] | knobs)[name]) for name in KNOBS),
            *(f"{value:.6g}" for value in values),
            f"{seconds:.1f}",
        ]
        for point, seed, values in zip(points, seeds, returns, strict=True)
    ]


def missing(path: Path) -> Iterator[Path]:
    """The file, once no other process is at it, unless it is there."""
    with locked(path.with_suffix(".lock")) as held:
        if held and not path.exists():
            yield path


def stored(out: Path, row: str, phase: str) -> list[Stored]:
    """What was trained of a row."""
    return [
        line
        for path in sorted((out / row).glob(f"{phase}-*.csv"))
        for line in csv.DictReader(path.read_text(encoding="utf-8").splitlines())
    ]


def score(line: Stored) -> float:
    """Mean of the last three tenths; the worst there is where a number overflowed."""
    value = np.mean([float(line[name]) for name in TENTHS[-MEASURED:]])
    return float(np.nan_to_num(value, nan=-np.inf))


def train(rows: Sequence[str], out: Path, confirmed: bool) -> None:
    """What is missing: one shape for all rows, then the next, so that rows stay level."""
    for shape in range(SHAPES):
        for row in rows:
            for path in missing(out / row / f"search-{shape}.csv"):
                lines = play(row, "search", shape, range(POINTS), [TUNING_SEED] * POINTS, EPOCHS)
                write_text(path, as_csv([COLUMNS, *lines]))
                print(path, f"{lines[0][-1]} s each", flush=True)
    for row in rows if confirmed else ():
        confirm(row, out)


def confirm(row: str, out: Path) -> None:
    """Train the best candidates from other seeds, once all of the row are there."""
    lines = stored(out, row, "search")
    if len(lines) < SHAPES * POINTS:
        return
    for line in sorted(lines, key=score)[-FINALISTS:]:
        shape, point = divmod(int(line["candidate"]), POINTS)
        for path in missing(out / row / f"confirm-{line['candidate']}.csv"):
            lines = play(row, "confirm", shape, [point] * len(SEEDS), SEEDS, LONGER)
            write_text(path, as_csv([COLUMNS, *lines]))
            print(path, f"{lines[0][-1]} s each", flush=True)


def table_row(row: str, out: Path) -> list[Any]:
    """The best candidate and the better of those that were confirmed."""
    lines = stored(out, row, "search")
    scores = [score(line) for line in lines]
    best = int(np.argmax(scores))
    figures = [row, len(lines), float(np.median(scores)), scores[best], lines[best]["candidate"]]
    by_candidate: dict[str, list[float]] = {}
    for line in stored(out, row, "confirm"):
        by_candidate.setdefault(line["candidate"], []).append(score(line))
    if not by_candidate:
        return [*figures, EPOCHS, "", "", "", 0, ""]
    winner = max(by_candidate, key=lambda name: float(np.mean(by_candidate[name])))
    found = np.array(by_candidate[winner])
    return [*figures, EPOCHS, winner, float(found.mean()), float(found.std()), len(found), LONGER]


def main() -> None:
    """Train what is missing, then write the files."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="?", choices=["table"], help="write the files, train nothing")
    parser.add_argument("--rows", default=",".join(ROWS), help="rows, with commas between them")
    parser.add_argument("--out", type=Path, default=Path("runs/baselines"), help="folder of runs")
    parser.add_argument("--confirm", action="store_true", help="train the best of each row again")
    args = parser.parse_args()
    if args.what is None:
        train(args.rows.split(","), args.out, args.confirm)
    there = [row for row in ROWS if stored(args.out, row, "search")]
    lines = [
        list(line.values())
        for row in there
        for phase in ("search", "confirm")
        for line in stored(args.out, row, phase)
    ]
    write("baselines", COLUMNS, lines)
    write("baselines-table", TABLE, [table_row(row, args.out) for row in there])


if __name__ == "__main__":
    main()
