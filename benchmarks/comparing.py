"""Algorithms compared on many environments, at equal lengths and equal tuning.

Used by the studies `decomposition.py`, `number_of_agents.py`, `on_policy.py` and `stronger.py`.

Step sizes of actors and critics are chosen among five candidates around the environment's preset.
Each candidate is trained for the whole length, from one seed for which no result is reported. Then
five seeds learn with the best. Both are one compiled program, five runs side by side.

Cells that are in `--out` (default: runs/NAME) are not trained again, and several processes can
share the work. When all cells of an environment are there, it enters `results/NAME.csv` (every
run), `NAME-table.csv` (one row for each cell) and `NAME.png` (scores). An `--epochs-scale` other
than 1 writes to files of its own, and so does `--untuned`, which takes the preset's step sizes.
"""

import argparse
import csv
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

import mastac
from common import RESULTS, shared_knobs, write
from comparing_figure import score_figure
from mastac.cli.arguments import parse_assignments
from mastac.files import as_csv, write_text
from mastac.jobs import Here, Job
from mastac.jobs.side_by_side import returns_by_tenth, side_by_side
from mastac.runs import ExperimentConfig, chunk_for, resolve
from mastac.runs.drawing import save
from mastac.runs.statistics import (
    improvement_interval,
    iqm,
    iqm_interval,
    probability_of_improvement,
)

SEEDS, TUNING_SEED = (0, 1, 2, 3, 4), 1000
RATES = ("actor_lr", "critic_lr")
# Each candidate multiplies the preset's rates, in the order of RATES.
FACTORS = ((1.0, 1.0), (0.3, 1.0), (3.0, 1.0), (1.0, 0.3), (1.0, 3.0))
TENTHS, EPISODES = 10, 50  # evaluations over a run, episodes of each
MEASURED = 3  # candidates are judged by their last three tenths: one alone would be luck
RUN_COLUMNS = ["env", "row", "phase", "seed", "epochs", *RATES]
RUN_COLUMNS += [*(f"greedy_{k}0" for k in range(1, 11)), "seconds"]
TABLE_COLUMNS = ["env", "row", "epochs", "seeds", *RATES]
TABLE_COLUMNS += ["greedy_mean", "greedy_std", "iqm", "iqm_low", "iqm_high"]
TABLE_COLUMNS += ["score_iqm", "score_low", "score_high"]
TABLE_COLUMNS += ["better_than", "better", "better_low", "better_high"]


@dataclass(frozen=True)
class Study:
    """Algorithms with knobs, and the environments on which they are compared.

    **Arguments:**

    - `rows`: algorithm and knobs, by the name of the row.
    - `epochs`: the length on each environment, by its name and options, as in
        'thermal-40,coolers=every-2'.
    - `base`: the row that the others are compared with.
    - `without`: cells that are too large to train, as patterns like those of `--only`.
    """

    name: str
    rows: Mapping[str, tuple[str, Mapping[str, Any]]]
    epochs: Mapping[str, int]
    base: str
    without: Sequence[str] = ()

    def cells(self, scale: float, tuned: bool) -> list["Cell"]:
        """All cells; lengths are whole tens."""
        lengths = {
            env: max(1, round(epochs * scale / TENTHS)) * TENTHS
            for env, epochs in self.epochs.items()
        }
        cells = [
            Cell(self, env, row, epochs, tuned)
            for env, epochs in lengths.items()
            for row in self.rows
        ]
        return [cell for cell in cells if not cell.matches(self.without)]


@dataclass(frozen=True)
class Cell:
    """One row of a study on one environment."""

    study: Study
    env: str
    row: str
    epochs: int
    tuned: bool = True

    @property
    def name(self) -> str:
        return f"{self.env}/{self.row}"

    def matches(self, patterns: Sequence[str]) -> bool:
        return any(fnmatchcase(self.name, pattern) for pattern in patterns)

    def config(self) -> ExperimentConfig:
        algorithm, knobs = self.study.rows[self.row]
        env_id, options = environment(self.env)
        knobs = {**(shared_knobs(env_id) if algorithm == "mastac" else {}), **knobs}
        return resolve(
            env_id, options, algorithm=algorithm, epochs=self.epochs, seeds=SEEDS, **knobs
        )

    def path(self, out: Path) -> Path:
        return out / self.env / f"{self.row}-{self.epochs}{'' if self.tuned else '-untuned'}.csv"


def environment(label: str) -> tuple[str, dict[str, Any]]:
    """Name and options of an environment."""
    env_id, *options = label.split(",")
    return env_id, parse_assignments("an option", options)


def candidates(config: ExperimentConfig) -> list[dict[str, float]]:
    """Rates to choose from; the first are the preset's."""
    preset = [getattr(config.settings, name) for name in RATES]
    return [
        {name: rate * factor for name, rate, factor in zip(RATES, preset, factors, strict=True)}
        for factors in FACTORS
    ]


def trained(cell: Cell) -> list[list[Any]]:
    """Rows of a cell: its candidates from the tuning seed, then all seeds with the best of them."""
    config = cell.config()
    env = mastac.make(config.env, **config.env_options)
    run, rows = returns_by_tenth(env, config, EPISODES, chunk_for(len(SEEDS))), []

    def play(phase: str, rates: Sequence[Mapping[str, float]], seeds: Sequence[int]) -> np.ndarray:
        began = time.perf_counter()
        returns = np.asarray(run(side_by_side(rates), np.asarray(seeds)), np.float64)
        seconds = time.perf_counter() - began
        for chosen, seed, values in zip(rates, seeds, returns, strict=True):
            row = [cell.env, cell.row, phase, seed, cell.epochs]
            row += [f"{chosen[name]:.3g}" for name in RATES]
            row += [f"{value:.6g}" for value in values]
            rows.append([*row, f"{seconds:.1f}"])
        return returns

    choices = candidates(config)
    best = choices[0]
    if cell.tuned:
        returns = play("tuning", choices, [TUNING_SEED] * len(choices))[:, -MEASURED:].mean(1)
        best = choices[int(np.argmax(np.nan_to_num(returns, nan=-np.inf)))]
    play("seeds", [best] * len(SEEDS), SEEDS)
    return rows


@dataclass(frozen=True)
class Comparison(Job):
    """The training of a cell, which leaves a file of its runs."""

    cell: Cell

    @property
    def is_done(self) -> bool:
        """Whether the file is there."""
        return self.path.exists()

    def work(self, progress: Any) -> None:
        """Train all runs, and write the file."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_text(self.path, as_csv([RUN_COLUMNS, *trained(self.cell)]))


def stored(cell: Cell, out: Path) -> list[dict[str, str]]:
    with open(cell.path(out), newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def greedy_of(rows: Sequence[Mapping[str, str]]) -> np.ndarray:
    """Returns of the seeds at the end."""
    return np.array([float(row["greedy_100"]) for row in rows if row["phase"] == "seeds"])


def table_row(cell: Cell, out: Path, reference: mastac.Reference | None) -> list[Any]:
    """Returns and scores of a cell, and how often its seeds are better than those of the base."""
    rows = stored(cell, out)
    greedy, base = greedy_of(rows), greedy_of(stored(replace(cell, row=cell.study.base), out))
    score = scores_of(greedy, reference)
    figures = [greedy.mean(), greedy.std(), iqm(greedy), *iqm_interval(greedy)]
    figures += [iqm(score), *iqm_interval(score)]
    better = [probability_of_improvement(greedy, base), *improvement_interval(greedy, base)]
    row = [cell.env, cell.row, cell.epochs, len(greedy), *(rows[-1][name] for name in RATES)]
    row += [f"{value:.5g}" for value in figures]
    return [*row, cell.study.base, *(f"{value:.5g}" for value in better)]


def scores_of(greedy: np.ndarray, reference: mastac.Reference | None) -> np.ndarray:
    """Score of every seed: 0 for the simple policy, 1 for the best known one."""
    if reference is None:
        return np.full(len(greedy), np.nan)
    return np.array([reference.score(value) for value in greedy])


def summary(
    cells: Sequence[Cell], out: Path
) -> tuple[list[list[Any]], dict[str, dict[str, np.ndarray]]]:
    """Rows of the table, and the scores of every seed by environment and row."""
    table: list[list[Any]] = []
    scores: dict[str, dict[str, np.ndarray]] = {}
    references: dict[str, mastac.Reference | None] = {}
    for cell in cells:
        if cell.env not in references:
            env_id, options = environment(cell.env)
            references[cell.env] = mastac.make(env_id, **options).reference()
        reference = references[cell.env]
        greedy = greedy_of(stored(cell, out))
        table.append(table_row(cell, out, reference))
        scores.setdefault(cell.env, {})[cell.row] = scores_of(greedy, reference)
    return table, scores


def run(study: Study, doc: str) -> None:
    """The command line of a study: train what is missing, then write its files."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only",
        nargs="*",
        default=["*"],
        metavar="ENV/ROW",
        help="cells like 'warehouse-9/*' or '*/twin'",
    )
    parser.add_argument("--epochs-scale", type=float, default=1.0, help="factor on all lengths")
    parser.add_argument("--out", type=Path, default=Path("runs") / study.name)
    parser.add_argument(
        "--untuned", action="store_true", help="the preset's step sizes instead of the best of five"
    )
    args = parser.parse_args()
    cells = study.cells(args.epochs_scale, not args.untuned)
    chosen = [cell for cell in cells if cell.matches(args.only)]
    jobs: list[Job] = [Comparison(cell.name, cell.path(args.out), cell) for cell in chosen]
    began = time.perf_counter()
    for job, outcome in Here().run([job for job in jobs if not job.is_done]):
        seconds, began = time.perf_counter() - began, time.perf_counter()
        told = outcome.explained() or f"in {seconds:.0f} s"
        print(f"{jobs.index(job) + 1} of {len(jobs)}: {job.path} {told}", flush=True)
    missing = [cell for cell in cells if not cell.path(args.out).exists()]
    if missing:
        print(f"{len(missing)} of {len(cells)} cells are not trained yet, {missing[0].name} first")
    incomplete = {cell.env for cell in missing}
    cells = [cell for cell in cells if cell.env not in incomplete]
    if cells:
        scale = f"-x{args.epochs_scale:g}" if args.epochs_scale != 1 else ""
        write_results(study, study.name + scale + "-untuned" * args.untuned, cells, args.out)


def write_results(study: Study, name: str, cells: Sequence[Cell], out: Path) -> None:
    """Write every run, the table and the figure."""
    table, scores = summary(cells, out)
    runs = [list(row.values()) for cell in cells for row in stored(cell, out)]
    write(name, RUN_COLUMNS, runs)
    write(f"{name}-table", TABLE_COLUMNS, table)
    save(score_figure(list(study.rows), study.base, scores), RESULTS / f"{name}.png")
