"""The search for each algorithm's rates: the same candidates, length and seed for all of them."""

import csv
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.stats import qmc

from mastac.errors import UserError
from mastac.files import as_csv, write_json, write_text
from mastac.jobs import Here, Job
from mastac.jobs.side_by_side import returns_by_tenth, side_by_side
from mastac.learning.settings import Settings, checked_settings
from mastac.reading import file_text
from mastac.reproduction.grid import config_of
from mastac.reproduction.paper import REPRODUCTIONS, Cell, cells_of
from mastac.reproduction.reproduce import raise_failures
from mastac.runs.config import ExperimentConfig
from mastac.runs.presets import preset_for
from mastac.runs.run import ProgressLike

SEED = 1000  # none of those that results are reported for
# Factors on the environment's preset: (knob, lowest, highest), between which Latin hypercubes are
# laid in logarithms.
RANGES = (("actor_lr", 0.1, 3.0), ("critic_lr", 0.2, 3.0), ("reward_scale", 0.1, 10.0))
POINTS = 7
# Central critics of forty agents did best at the lower edge of the actors' step sizes, so there are
# points below it, too.
SLOWER = (("actor_lr", 0.01, 0.3), ("critic_lr", 0.2, 3.0), ("reward_scale", 0.1, 10.0))
SLOWER_POINTS = 8
KNOBS = tuple(name for name, _, _ in RANGES)
MEASURED_AT = (0.8, 0.9, 1.0)  # shares of a trial at which the greedy policy is played
EPISODES = 50
HEADER = ("cell", "epochs", "candidate", *KNOBS, *(f"greedy_{share:g}" for share in MEASURED_AT))


@dataclass(frozen=True)
class Budget:
    """What each algorithm is given on an environment; shares are of the environment's epochs.

    All candidates are tried for `share`; the best `finalists` of them once more, for `final_share`.
    """

    share: float = 0.2
    slower: bool = False
    finalists: int = 0
    final_share: float = 0.5


BUDGETS = {
    "warehouse-40": Budget(share=0.15, slower=True, finalists=3, final_share=0.35),
    "thermal-40": Budget(slower=True, finalists=3, final_share=0.4),
}


@dataclass(frozen=True)
class Trial:
    """What a candidate reached: `returns` at `MEASURED_AT` of `epochs`, NaN after an overflow."""

    epochs: int
    candidate: int
    rates: Mapping[str, float]
    returns: Sequence[float]

    @property
    def score(self) -> float:
        """Mean over the measurements; minus infinity where a number overflowed."""
        return float(np.mean(self.returns)) if np.isfinite(self.returns).all() else -math.inf


def best_of(trials: Sequence[Trial]) -> Trial:
    """The trial with the highest score among the longest."""
    longest = max(trial.epochs for trial in trials)
    return max(
        (trial for trial in trials if trial.epochs == longest), key=lambda trial: trial.score
    )


def searched_cells(preset: str, only: Sequence[str] = ()) -> list[Cell]:
    """The cells that are searched: without further windows of MAStAC, and without what costs most.

    The 820 terms of the centralised QDCG on forty agents take over what is found for the coupling
    graph's.
    """
    return [
        cell
        for cell in cells_of("all", preset, only)
        if cell.name not in ("mastac-k4", "mastac-k6", "mastac-k8")
        and not (cell.name == "qdcg-centralised" and cell.env.endswith("-40"))
    ]


def searched_from(env_id: str, preset: str = "default") -> Settings:
    """Settings whose rates candidates are laid around: the preset's for all algorithms alike."""
    shared = preset_for(preset, env_id)
    return checked_settings({name: shared[name] for name in KNOBS if name in shared})


def candidates(settings: Settings, slower: bool = False) -> list[dict[str, float]]:
    """The preset's own values, then points around them, then slower ones, as rates by knob."""
    factors = [np.ones((1, len(KNOBS))), _hypercube(RANGES, POINTS)]
    if slower:
        factors.append(_hypercube(SLOWER, SLOWER_POINTS))
    return [
        {
            name: float(f"{getattr(settings, name) * factor:.3g}")
            for name, factor in zip(KNOBS, row, strict=True)
        }
        for row in np.concatenate(factors)
    ]


def _hypercube(
    ranges: Sequence[tuple[str, float, float]], points: int
) -> Float[np.ndarray, "points knobs"]:
    places = qmc.LatinHypercube(len(ranges), rng=0).random(points)
    logs = np.log([[low, high] for _, low, high in ranges])
    return np.exp(logs[:, 0] + places * (logs[:, 1] - logs[:, 0]))


def search(cell: Cell, out: Path, epochs: int, budget: Budget | None = None) -> list[Trial]:
    """Play the trials of one cell that `out`/env/cell.csv lacks, write them there, return all.

    The candidates of a round run side by side in one compiled program. `epochs` is the whole that
    shares are of.
    """
    budget = budget or BUDGETS.get(cell.env, Budget())
    path = out / cell.env / f"{cell.name}.csv"
    trials = read_trials(path) if path.is_file() else []
    chosen = list(enumerate(candidates(searched_from(cell.env, cell.preset), budget.slower)))

    def play(share: float) -> list[Trial]:
        length = max(1, round(epochs * share / 10)) * 10
        known = {trial.candidate for trial in trials if trial.epochs == length}
        missing = [(number, rates) for number, rates in chosen if number not in known]
        if missing:
            config = config_of(replace(cell, epochs=length, seeds=(SEED,)))
            returns = play_trials(config, [rates for _, rates in missing])
            trials.extend(
                Trial(length, number, rates, list(map(float, row)))
                for (number, rates), row in zip(missing, returns, strict=True)
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            write_text(path, as_csv([HEADER, *(_row(cell.name, trial) for trial in trials)]))
        return [trial for trial in trials if trial.epochs == length]

    first = sorted(play(budget.share), key=lambda trial: -trial.score)
    if budget.finalists:
        chosen = sorted((trial.candidate, dict(trial.rates)) for trial in first[: budget.finalists])
        play(budget.final_share)
    return trials


def _row(name: str, trial: Trial) -> list[Any]:
    return [
        name,
        trial.epochs,
        trial.candidate,
        *(trial.rates[knob] for knob in KNOBS),
        *trial.returns,
    ]


def play_trials(config: ExperimentConfig, tried: Sequence[Mapping[str, float]]) -> np.ndarray:
    """Train all candidates from the same seed; returns of greedy policies at `MEASURED_AT`."""
    from mastac.envs.registry import make

    env = make(config.env, **config.env_options)
    run = returns_by_tenth(env, config, EPISODES, chunk=1)
    returns = run(side_by_side(tried), np.full(len(tried), config.seeds[0]))
    return np.asarray(returns, np.float64)[:, -len(MEASURED_AT) :]


def read_trials(path: Path) -> list[Trial]:
    """One file of a search."""
    try:
        rows = list(csv.DictReader(io.StringIO(file_text(path))))
        return [
            Trial(
                int(row["epochs"]),
                int(row["candidate"]),
                {name: float(row[name]) for name in KNOBS},
                [float(row[f"greedy_{share:g}"]) for share in MEASURED_AT],
            )
            for row in rows
        ]
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise UserError(
            f"the search '{path}' is damaged ({error}); delete it to search again"
        ) from error


@dataclass(frozen=True)
class Search(Job):
    """The search of one cell, and the epochs that shares are of; the file holds its trials."""

    cell: Cell
    epochs: int

    @property
    def is_done(self) -> bool:
        """Never known before the file is read."""
        return False

    def work(self, progress: ProgressLike) -> None:
        """Play the trials that are missing."""
        search(self.cell, self.path.parents[1], self.epochs)


def search_all(
    out: Path, preset: str, only: Sequence[str] = (), say: Callable[[str], None] = print
) -> Path:
    """Search every cell, reuse stored trials, then write `out`/tuned.json and return its path.

    Several processes may share the work: each cell is searched by whoever gets its lock.

    **Raises:**

    - `UserError` naming the cells that could not be searched, after all others have been.
    """
    epochs = REPRODUCTIONS[preset].epochs
    jobs = [
        Search(cell.path, out / cell.env / f"{cell.name}.csv", cell, epochs[cell.env])
        for cell in searched_cells(preset, only)
    ]
    failures: dict[str, str] = {}
    begins = lambda job: say(f"{jobs.index(job) + 1} of {len(jobs)}: {job.name} …")  # noqa: E731
    for job, outcome in Here(begins).run(jobs):
        if failure := outcome.explained():
            failures[job.name] = failure
            continue
        best = best_of(read_trials(job.path))
        rates = json.dumps(best.rates)
        say(f"  best {rates}: {best.score:.3f} after {best.epochs:,} epochs")
    write_json(out / "tuned.json", winners(out))
    raise_failures(failures, len(jobs))
    return out / "tuned.json"


def winners(folder: Path) -> dict[str, dict[str, dict[str, float]]]:
    """Environment -> cell -> the best candidate, from the files of a search."""
    rates: dict[str, dict[str, dict[str, float]]] = {}
    for path in sorted(folder.glob("*/*.csv")):
        rates.setdefault(path.parent.name, {})[path.stem] = dict(best_of(read_trials(path)).rates)
    return rates
