"""When does it pay to credit an actor with others' returns? `python benchmarks/credit_map.py [AGENTS …]`.

Rings of linear agents whose exact fixed points are known: what independent learners and windows of
κ = 0 … 4 steps settle at, free of learning noise, beside the best gain of the same structure.
Dials: how much of a state comes from the neighbours (`coupling`) and in all (`persistence`), every
how many agents one has an actuator (`every`: its effects travel to the others), and the number of
agents. Agents without an actuator observe as the others do (`observers` is everybody) or not at
all, which makes the sets of a window smaller. Rows that runs/credit-map holds are not computed
again; several processes may share the work. Writes `results/credit-map.csv` and, with all rows
there, the figure.
"""

import csv
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
from mastac.files import as_csv, locked
from mastac.runs.drawing import STYLE, save
from mastac.structure import Couplings, steady
from mastac.theory.credit_games import credited_fixed_point, windowed_credit

OUT = Path("runs") / "credit-map"
PERSISTENCE, COUPLING, EVERY = (0.9, 1.0), (0.05, 0.15, 0.3, 0.45, 0.6, 0.75), (1, 2, 3, 5, 10)
SEEDS = {10: 5, 30: 5, 100: 2}  # by number of agents: a large ring holds many neighbourhoods
WINDOWS = ("own", 0, 1, 2, 3, 4)
SHOWN = 30  # agents, of the figure
NEAR = 0.01  # of the score
OBSERVERS = ("everybody", "actuated")
DIALS = ["persistence", "coupling", "every", "agents", "observers"]
FIGURES = [
    f"{what}_{each}"
    for what in ("lost", "worst")
    for each in ("own", *(f"k{k}" for k in WINDOWS[1:]))
]
HEADER = [
    *DIALS,
    "seeds",
    *FIGURES,
    "credited_k1",
    "credited_k2",
    "kappa_needed",
    "unsettled",
    "seconds",
]


@dataclass(frozen=True)
class Setting:
    """One position of all dials; `agents` is the nearest multiple of `every`."""

    persistence: float
    coupling: float
    every: int
    agents: int
    observers: str

    @property
    def path(self) -> Path:
        return OUT / ("-".join(str(value) for value in astuple(self)) + ".csv")


def settings(size: int) -> Iterator[Setting]:
    """All settings of rings of about `size` agents; who observes is varied where it differs, and not on the largest."""
    for persistence in PERSISTENCE:
        for coupling in COUPLING:
            for every in EVERY:
                for observers in OBSERVERS[: 1 if every == 1 or size == max(SEEDS) else 2]:
                    yield Setting(
                        persistence, coupling, every, max(1, round(size / every)) * every, observers
                    )


def network(setting: Setting, seed: int) -> tuple[Couplings, LinearQuadraticProblem]:
    """A ring with its graphs; those without an actuator have no action."""
    id = f"lq-{setting.agents}"
    values = {
        "seed": seed,
        "coupling": setting.coupling,
        "decay": setting.persistence - setting.coupling,
    }
    options = checked_options(id, values)
    couplings = steady(couplings_of(id, options))
    problem, acts = lq_problem(couplings, options), np.arange(setting.agents) % setting.every == 0
    if setting.observers == "actuated":
        seen = [
            (j, i)
            for i, j in zip(*couplings.observation.nonzero(), strict=True)
            if i != j and acts[i]
        ]
        couplings = couplings.with_graphs(
            observation=Couplings(setting.agents, observation=seen).observation
        )
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
    """For every window the score that its fixed point lacks, how many are credited to one who acts, and failures."""
    nothing, _ = episode_return(problem, np.zeros((problem.num_actions, problem.num_states)))
    _, best = best_structured_gain(problem, constant=False)
    scores: dict[bytes, float] = {}
    losses, credited, unsettled = [], [], 0
    for window in WINDOWS:
        credit = (
            np.eye(problem.num_agents, dtype=bool)
            if window == "own"
            else windowed_credit(couplings, int(window))
        )
        credited.append(float(credit[problem.action_owner].sum(1).mean()))
        acting = credit[problem.action_owner].tobytes()
        if acting not in scores:
            settled = credited_fixed_point(problem, credit, constant=False)
            unsettled += not settled.converged
            scores[acting] = (best - episode_return(problem, settled.gain)[0]) / (best - nothing)
        losses.append(scores[acting])
    return losses, credited, unsettled


def row(setting: Setting, seeds: int) -> list[Any]:
    began = time.perf_counter()
    found = [lost(*network(setting, seed)) for seed in range(seeds)]
    losses, credited = (
        np.array([each[0] for each in found]),
        np.array([each[1] for each in found]).mean(0),
    )
    mean, worst = losses.mean(0), losses.max(0)
    near = [k for k in range(len(WINDOWS) - 1) if (mean[1 + k :] <= NEAR).all()]
    figures = [f"{value:.3g}" for value in (*mean, *worst, credited[2], credited[3])]
    taken = f"{time.perf_counter() - began:.2f}"
    return [
        *astuple(setting),
        seeds,
        *figures,
        near[0] if near else "",
        sum(each[2] for each in found),
        taken,
    ]


def computed(setting: Setting, seeds: int) -> None:
    """Compute the row unless it is there or another process is at it."""
    path = setting.path
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path.with_suffix(".lock")) as held:
        if held and not path.exists():
            path.with_suffix(".part").write_text(
                as_csv([HEADER, row(setting, seeds)]), encoding="utf-8"
            )
            path.with_suffix(".part").replace(path)


def stored(setting: Setting) -> dict[str, str]:
    with open(setting.path, newline="", encoding="utf-8") as file:
        return next(csv.DictReader(file))


def drawn(rows: Sequence[dict[str, str]]) -> Figure:
    """Score lost and the smallest sufficient window, means over seeds: coupling across, reach upwards."""
    shown = [
        ("lost_own", "independent"),
        ("lost_k1", "κ = 1"),
        ("lost_k2", "κ = 2"),
        ("kappa_needed", "smallest κ"),
    ]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(13.5, 6.2), layout="constrained")
        axes = figure.subplots(len(PERSISTENCE), len(shown), sharex=True, sharey=True)
        for line, persistence in zip(axes, PERSISTENCE, strict=True):
            here = {
                (int(each["every"]), float(each["coupling"])): each
                for each in rows
                if float(each["persistence"]) == persistence and each["observers"] == "everybody"
            }
            for panel, (name, title) in zip(line, shown, strict=True):
                cells = [
                    [float(here[every, coupling][name] or "nan") for coupling in COUPLING]
                    for every in EVERY
                ]
                heat(panel, np.array(cells), name == "kappa_needed")
                counted = (
                    "within 1 % of the team's best" if name == "kappa_needed" else "score lost, %"
                )
                panel.set_title(f"{title}: {counted}", fontsize=9)
            line[0].set_ylabel(f"persistence {persistence}\none actuator every")
        for panel in axes[-1]:
            panel.set_xlabel("coupling")
    return figure


def heat(axes: Axes, cells: np.ndarray, counts: bool) -> None:
    """One heatmap with the figures written in."""
    high = len(WINDOWS) - 2 if counts else 0.3
    axes.grid(False)
    axes.imshow(cells, origin="lower", aspect="auto", cmap="Blues", vmin=0, vmax=high)
    for (y, x), value in np.ndenumerate(cells):
        text = (
            "none"
            if np.isnan(value)
            else f"{value:.0f}"
            if counts
            else f"{max(value, 0) * 100:.1f}"
        )
        axes.text(
            x,
            y,
            text,
            ha="center",
            va="center",
            fontsize=8,
            color="white" if value > 0.6 * high else "#333333",
        )
    axes.set_xticks(range(len(COUPLING)), [f"{each:g}" for each in COUPLING])
    axes.set_yticks(range(len(EVERY)), [str(each) for each in EVERY])


def main() -> None:
    for size in [int(word) for word in sys.argv[1:]] or SEEDS:
        for setting in settings(size):
            computed(setting, SEEDS[size])
    wanted = {size: list(settings(size)) for size in SEEDS}
    missing = [
        each.path.name for group in wanted.values() for each in group if not each.path.exists()
    ]
    if missing:
        print(f"{len(missing)} rows are still to be computed, {missing[0]} first")
        return
    write(
        "credit-map",
        HEADER,
        [list(stored(each).values()) for group in wanted.values() for each in group],
    )
    save(drawn([stored(each) for each in wanted[SHOWN]]), RESULTS / "credit-map.png")


if __name__ == "__main__":
    main()
