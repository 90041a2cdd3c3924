"""Rows of a study on many environments at equal lengths and equal tuning, shared by the comparisons of algorithms.

Step sizes of actors and critics are chosen among five candidates around the environment's preset,
each trained for the whole length from one seed that no result is reported for; then five seeds
learn with the best. Both are one compiled program, five runs side by side. Cells that `--out`
(default: runs/NAME) holds are not trained again; several processes may share the work. Of the
environments of which all cells are there, `results/NAME.csv` has every run, `NAME-table.csv` a row
for each cell, and `NAME.png` the scores. Another `--epochs-scale` than 1 writes to files of its
own, and so does `--untuned`, which takes the preset's step sizes.
"""

import argparse
import csv
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

import mastac
from common import RESULTS, write
from mastac.cli.arguments import parse_assignments
from mastac.files import as_csv, locked
from mastac.reproduction.search import returns_by_tenth, side_by_side
from mastac.runs.config import ExperimentConfig, resolve
from mastac.runs.drawing import COLORS, INK, PALE, STYLE, save
from mastac.runs.plan import chunk_for
from mastac.runs.statistics import (
    improvement_interval,
    iqm,
    iqm_interval,
    probability_of_improvement,
)

SEEDS, TUNING_SEED = (0, 1, 2, 3, 4), 1000
FACTORS = (
    (1.0, 1.0),
    (0.3, 1.0),
    (3.0, 1.0),
    (1.0, 0.3),
    (1.0, 3.0),
)  # on actor_lr and critic_lr of the preset
TENTHS, EPISODES, MEASURED = (
    10,
    50,
    3,
)  # candidates are judged by their last three tenths, which tames luck
ACROSS = 5  # panels of a figure side by side
SHOWN = 1.5  # scores, from the best downwards: what is lost would press the rest together
RATES = ("actor_lr", "critic_lr")
RUNS = [
    "env",
    "row",
    "phase",
    "seed",
    "epochs",
    *RATES,
    *(f"greedy_{k}0" for k in range(1, 11)),
    "seconds",
]
TABLE = [
    "env",
    "row",
    "epochs",
    "seeds",
    *RATES,
    "greedy_mean",
    "greedy_std",
    "iqm",
    "iqm_low",
    "iqm_high",
]
TABLE += [
    "score_iqm",
    "score_low",
    "score_high",
    "better_than",
    "better",
    "better_low",
    "better_high",
]


@dataclass(frozen=True)
class Study:
    """Rows, each an algorithm with knobs, on all of some environments, and what they are held against.

    `epochs`: the length on each environment, by its name and what options it has:
    'thermal-40,coolers=every-2'. `base`: the row that the others are to be better than. `without`:
    cells that no machine of this size can train, as patterns like those of `--only`.
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
        return [cell for cell in cells if not cell.is_named(self.without)]


@dataclass(frozen=True)
class Cell:
    """One row of a study on one environment."""

    study: Study
    env: str
    row: str
    epochs: int
    tuned: bool = True

    def is_named(self, patterns: Sequence[str]) -> bool:
        return any(fnmatchcase(f"{self.env}/{self.row}", each) for each in patterns)

    def config(self) -> ExperimentConfig:
        algorithm, knobs = self.study.rows[self.row]
        env_id, options = environment(self.env)
        return resolve(
            env_id, options, algorithm=algorithm, epochs=self.epochs, seeds=SEEDS, **knobs
        )

    def path(self, out: Path) -> Path:
        return out / self.env / f"{self.row}-{self.epochs}{'' if self.tuned else '-untuned'}.csv"


def environment(label: str) -> tuple[str, dict[str, Any]]:
    """Its name and its options."""
    env_id, *options = label.split(",")
    return env_id, parse_assignments("an option", options)


def candidates(config: ExperimentConfig) -> list[dict[str, float]]:
    return [
        {
            name: getattr(config.settings, name) * factor
            for name, factor in zip(RATES, factors, strict=True)
        }
        for factors in FACTORS
    ]


def trained(cell: Cell) -> list[list[Any]]:
    """The rows of a cell: its candidates from the tuning seed, then the seeds with the best of them."""
    config = cell.config()
    env = mastac.make(config.env, **config.env_options)
    run, rows = returns_by_tenth(env, config, EPISODES, chunk_for(len(SEEDS))), []

    def play(phase: str, rates: Sequence[Mapping[str, float]], seeds: Sequence[int]) -> np.ndarray:
        began = time.perf_counter()
        returns = np.asarray(run(side_by_side(rates), np.asarray(seeds)), np.float64)
        seconds = time.perf_counter() - began
        rows.extend(
            [cell.env, cell.row, phase, seed, cell.epochs, *(f"{each[name]:.3g}" for name in RATES)]
            + [f"{value:.6g}" for value in values]
            + [f"{seconds:.1f}"]
            for each, seed, values in zip(rates, seeds, returns, strict=True)
        )
        return returns

    tried = candidates(config)
    best = tried[0]
    if cell.tuned:
        last = play("tuning", tried, [TUNING_SEED] * len(tried))[:, -MEASURED:].mean(1)
        best = tried[int(np.argmax(np.nan_to_num(last, nan=-np.inf)))]
    play("seeds", [best] * len(SEEDS), SEEDS)
    return rows


def stored(cell: Cell, out: Path) -> list[dict[str, str]]:
    with open(cell.path(out), newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def greedy_of(rows: Sequence[Mapping[str, str]]) -> np.ndarray:
    """Returns of the seeds at the end."""
    return np.array([float(row["greedy_100"]) for row in rows if row["phase"] == "seeds"])


def summary(
    cells: Sequence[Cell], out: Path
) -> tuple[list[list[Any]], dict[str, dict[str, np.ndarray]]]:
    """The table's rows, and the scores of every seed by environment and row."""
    table: list[list[Any]] = []
    scores: dict[str, dict[str, np.ndarray]] = {}
    references = {
        label: mastac.make(env_id, **options).reference()
        for label, (env_id, options) in {cell.env: environment(cell.env) for cell in cells}.items()
    }
    for cell in cells:
        base = cell.study.base
        rows, plain = stored(cell, out), greedy_of(stored(replace(cell, row=base), out))
        greedy, used, reference = greedy_of(rows), rows[-1], references[cell.env]
        score = np.array(
            [np.nan if reference is None else reference.score(value) for value in greedy]
        )
        scores.setdefault(cell.env, {})[cell.row] = score
        better = (probability_of_improvement(greedy, plain), *improvement_interval(greedy, plain))
        figures = [
            greedy.mean(),
            greedy.std(),
            iqm(greedy),
            *iqm_interval(greedy),
            iqm(score),
            *iqm_interval(score),
        ]
        table.append(
            [cell.env, cell.row, cell.epochs, len(greedy), *(used[name] for name in RATES)]
            + [f"{value:.5g}" for value in figures]
            + [base]
            + [f"{value:.5g}" for value in better]
        )
    return table, scores


def drawn(study: Study, scores: Mapping[str, Mapping[str, np.ndarray]]) -> Figure:
    """A panel for each environment: every seed's score as a dot, the interquartile mean and its interval as a line.

    What lies further below the best than frames show is named by its interquartile mean.
    """
    places = {row: place for place, row in enumerate(study.rows)}
    across, down = min(ACROSS, len(scores)), math.ceil(len(scores) / ACROSS)
    with matplotlib.rc_context(STYLE):
        size = (2.6 * across + 1.2, (0.9 + 0.25 * max(10, len(places))) * down)
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(down, across, sharey=True, squeeze=False)
        for panel, (env, rows) in zip(axes.flat, scores.items(), strict=False):
            for row, values in rows.items():
                place, color = places[row], COLORS[places[row] % len(COLORS)]
                panel.plot(
                    values, np.full(len(values), place), "o", color=color, markersize=3.5, alpha=0.5
                )
                panel.plot(iqm_interval(values), [place, place], color=color, linewidth=2.0)
                panel.plot(
                    [iqm(values)], [place], "|", color=INK, markersize=11, markeredgewidth=2.0
                )
            panel.axvline(float(iqm(rows[study.base])), color=PALE, linewidth=0.8, linestyle="--")
            middles = {places[row]: float(iqm(values)) for row, values in rows.items()}
            best = max(float(np.nanmax(values)) for values in rows.values())
            lowest = min(float(np.nanmin(values)) for values in rows.values())
            left = max(lowest, best - SHOWN)
            span = max(best - left, 0.02)
            panel.set_xlim(left - 0.03 * span, best + 0.05 * span)
            for place, middle in middles.items():
                if middle < left:
                    panel.text(left, place, f"← {middle:.1f}", color=INK, va="center", fontsize=7)
            panel.set_title(env.replace(",", "\n"))
            panel.set_xlabel("score")
        for panel in list(axes.flat)[len(scores) :]:
            panel.set_visible(False)
        axes[0, 0].set_yticks(range(len(places)), list(places))
        axes[0, 0].invert_yaxis()
    return figure


def run(study: Study, doc: str) -> None:
    """The command line of a study: train what is missing, then write its files."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", nargs="*", default=["*"], help="cells like 'warehouse-9/*' or '*/twin'"
    )
    parser.add_argument("--epochs-scale", type=float, default=1.0)
    parser.add_argument("--out", type=Path, default=Path("runs") / study.name)
    parser.add_argument(
        "--untuned", action="store_true", help="the preset's step sizes instead of the best of five"
    )
    asked = parser.parse_args()
    cells = study.cells(asked.epochs_scale, not asked.untuned)
    wanted = [cell for cell in cells if cell.is_named(asked.only)]
    for number, cell in enumerate(wanted, 1):
        path = cell.path(asked.out)
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path.with_suffix(".lock")) as held:
            if held and not path.exists():
                began = time.perf_counter()
                text = as_csv([RUNS, *trained(cell)])
                path.with_suffix(".part").write_text(text, encoding="utf-8")
                path.with_suffix(".part").replace(path)
                print(
                    f"{number} of {len(wanted)}: {path} in {time.perf_counter() - began:.0f} s",
                    flush=True,
                )
    missing = [cell for cell in cells if not cell.path(asked.out).exists()]
    if missing:
        print(
            f"{len(missing)} of {len(cells)} cells are still to be trained, {missing[0].env}/{missing[0].row} first"
        )
    cells = [cell for cell in cells if cell.env not in {each.env for each in missing}]
    if not cells:
        return
    name = (
        study.name
        + (f"-x{asked.epochs_scale:g}" if asked.epochs_scale != 1 else "")
        + "-untuned" * asked.untuned
    )
    table, scores = summary(cells, asked.out)
    write(name, RUNS, [list(row.values()) for cell in cells for row in stored(cell, asked.out)])
    write(f"{name}-table", TABLE, table)
    save(drawn(study, scores), RESULTS / f"{name}.png")
