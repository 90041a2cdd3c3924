"""When does it pay to credit an actor with others' returns?

    python benchmarks/credit_map.py [AGENTS …]

Rings of linear agents whose exact fixed points are known. The table has what independent learners
and windows of κ = 0 … 4 steps converge to, free of learning noise, beside the best gain of the same
structure. What varies:

- `coupling`: how much of a state comes from the neighbours;
- `persistence`: how much comes from the neighbours and the agent itself together;
- `every`: one agent in so many has an actuator, whose effects travel to the others;
- `agents`: how many there are;
- `observers`: whether agents without an actuator observe as the others do ("everybody") or not at
  all ("actuated"), which makes the sets of a window smaller.

Rows that are in runs/credit-map are not computed again, and several processes can share the work.
Writes `results/credit-map.csv` when all rows are there, and the figure.
"""

import csv
import itertools
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from common import RESULTS, write
from mastac.envs.graphs import couplings_of
from mastac.envs.linear_quadratic.references import lq_problem
from mastac.envs.linear_system import LinearQuadraticProblem, best_structured_gain, episode_return
from mastac.envs.registry import checked_options
from mastac.files import as_csv, locked, write_text
from mastac.palette import STYLE
from mastac.runs.drawing import save
from mastac.structure import Couplings, steady
from mastac.theory import credited_fixed_point, windowed_credit

OUT = Path("runs") / "credit-map"
PERSISTENCE, COUPLING, EVERY = (0.9, 1.0), (0.05, 0.15, 0.3, 0.45, 0.6, 0.75), (1, 2, 3, 5, 10)
SEEDS = {10: 5, 30: 5, 100: 2}  # by number of agents: a large ring holds many neighbourhoods
WINDOWS = ("own", 0, 1, 2, 3, 4)
FIGURE_AGENTS = 30
NEAR = 0.01  # of the score
OBSERVERS = ("everybody", "actuated")
HEADER = ["persistence", "coupling", "every", "agents", "observers", "seeds"]
for _measure in ("lost", "worst"):
    HEADER += [f"{_measure}_own", *(f"{_measure}_k{k}" for k in WINDOWS[1:])]
HEADER += ["credited_k1", "credited_k2", "kappa_needed", "unsettled", "seconds"]


@dataclass(frozen=True)
class Setting:
    """One ring; `agents` is a multiple of `every`."""

    persistence: float
    coupling: float
    every: int
    agents: int
    observers: str

    @property
    def path(self) -> Path:
        return OUT / ("-".join(str(value) for value in astuple(self)) + ".csv")


def settings(size: int) -> Iterator[Setting]:
    """All settings of rings of about `size` agents.

    Who observes is varied where that makes a difference, and not on the largest rings.
    """
    for persistence, coupling, every in itertools.product(PERSISTENCE, COUPLING, EVERY):
        agents = max(1, round(size / every)) * every
        for observers in OBSERVERS[: 1 if every == 1 or size == max(SEEDS) else 2]:
            yield Setting(persistence, coupling, every, agents, observers)


def network(setting: Setting, seed: int) -> tuple[Couplings, LinearQuadraticProblem]:
    """A ring with its graphs; those without an actuator have no action."""
    id, decay = f"lq-{setting.agents}", setting.persistence - setting.coupling
    options = checked_options(id, {"seed": seed, "coupling": setting.coupling, "decay": decay})
    couplings = steady(couplings_of(id, options))
    problem, acts = lq_problem(couplings, options), np.arange(setting.agents) % setting.every == 0
    if setting.observers == "actuated":
        pairs = zip(*couplings.observation.nonzero(), strict=True)  # row i observes column j
        edges = [(j, i) for i, j in pairs if i != j and acts[i]]
        observation = Couplings(setting.agents, observation=edges).observation
        couplings = couplings.with_graphs(observation=observation)
    problem = replace(
        problem,
        input_matrix=problem.input_matrix[:, acts],
        action_weights=problem.action_weights[:, acts],
        action_owner=problem.action_owner[acts],
        gain_mask=problem.gain_mask[acts],
    )
    return couplings, problem


def lost(
    couplings: Couplings, problem: LinearQuadraticProblem
) -> tuple[list[float], list[float], int]:
    """For every window the score lost at its fixed point, and agents credited to one that acts.

    The third figure is how many fixed points were not reached.
    """
    nothing, _ = episode_return(problem, np.zeros((problem.num_actions, problem.num_states)))
    _, best = best_structured_gain(problem, constant=False)
    scores: dict[bytes, float] = {}
    losses, credited, unsettled = [], [], 0
    for window in WINDOWS:
        credit = np.eye(problem.num_agents, dtype=bool)
        if window != "own":
            credit = windowed_credit(couplings, int(window))
        credited.append(float(credit[problem.action_owner].sum(1).mean()))
        acting = credit[problem.action_owner].tobytes()
        if acting not in scores:
            settled = credited_fixed_point(problem, credit, constant=False)
            unsettled += not settled.converged
            scores[acting] = (best - episode_return(problem, settled.gain)[0]) / (best - nothing)
        losses.append(scores[acting])
    return losses, credited, unsettled


def row(setting: Setting, seeds: int) -> list[Any]:
    """Mean and worst losses over seeds, and the smallest κ from which on the mean stays near."""
    began = time.perf_counter()
    by_seed = [lost(*network(setting, seed)) for seed in range(seeds)]
    losses = np.array([loss for loss, _, _ in by_seed])
    credited = np.array([agents for _, agents, _ in by_seed]).mean(0)
    unsettled = sum(failures for _, _, failures in by_seed)
    mean, worst = losses.mean(0), losses.max(0)
    near = [k for k in range(len(WINDOWS) - 1) if (mean[1 + k :] <= NEAR).all()]
    figures = [f"{value:.3g}" for value in (*mean, *worst, credited[2], credited[3])]
    seconds = f"{time.perf_counter() - began:.2f}"
    return [*astuple(setting), seeds, *figures, near[0] if near else "", unsettled, seconds]


def compute_missing(setting: Setting, seeds: int) -> None:
    """Compute the row unless it is there or another process is at it."""
    path = setting.path
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path.with_suffix(".lock")) as held:
        if held and not path.exists():
            write_text(path, as_csv([HEADER, row(setting, seeds)]))


def stored(setting: Setting) -> dict[str, str]:
    with open(setting.path, newline="", encoding="utf-8") as file:
        return next(csv.DictReader(file))


def figure_of(rows: Sequence[dict[str, str]]) -> Figure:
    """Heatmaps of the score lost and of the smallest sufficient κ, means over seeds."""
    panels = {
        "lost_own": "independent: score lost, %",
        "lost_k1": "κ = 1: score lost, %",
        "lost_k2": "κ = 2: score lost, %",
        "kappa_needed": "smallest κ: within 1 % of the team's best",
    }
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(13.5, 6.2), layout="constrained")
        axes = figure.subplots(len(PERSISTENCE), len(panels), sharex=True, sharey=True)
        for line, persistence in zip(axes, PERSISTENCE, strict=True):
            cells = {
                (int(row["every"]), float(row["coupling"])): row
                for row in rows
                if float(row["persistence"]) == persistence and row["observers"] == "everybody"
            }
            for panel, (column, title) in zip(line, panels.items(), strict=True):
                values = [
                    [float(cells[every, coupling][column] or "nan") for coupling in COUPLING]
                    for every in EVERY
                ]
                heatmap(panel, np.array(values), column == "kappa_needed")
                panel.set_title(title, fontsize=9)
            line[0].set_ylabel(f"persistence {persistence}\none actuator every")
        for panel in axes[-1]:
            panel.set_xlabel("coupling")
    return figure


def heatmap(axes: Axes, values: np.ndarray, are_counts: bool) -> None:
    """One panel, with the figures written in."""
    high = len(WINDOWS) - 2 if are_counts else 0.3
    axes.grid(False)
    axes.imshow(values, origin="lower", aspect="auto", cmap="Blues", vmin=0, vmax=high)
    for (y, x), value in np.ndenumerate(values):
        text = f"{value:.0f}" if are_counts else f"{max(value, 0) * 100:.1f}"
        color = "white" if value > 0.6 * high else "#333333"
        text = "none" if np.isnan(value) else text
        axes.text(x, y, text, ha="center", va="center", fontsize=8, color=color)
    axes.set_xticks(range(len(COUPLING)), [f"{coupling:g}" for coupling in COUPLING])
    axes.set_yticks(range(len(EVERY)), [str(every) for every in EVERY])


def main() -> None:
    for size in [int(word) for word in sys.argv[1:]] or SEEDS:
        for setting in settings(size):
            compute_missing(setting, SEEDS[size])
    every_setting = [setting for size in SEEDS for setting in settings(size)]
    missing = [setting.path.name for setting in every_setting if not setting.path.exists()]
    if missing:
        print(f"{len(missing)} rows are not computed yet, {missing[0]} first")
        return
    write("credit-map", HEADER, [list(stored(setting).values()) for setting in every_setting])
    figure = figure_of([stored(setting) for setting in settings(FIGURE_AGENTS)])
    save(figure, RESULTS / "credit-map.png")


if __name__ == "__main__":
    main()
