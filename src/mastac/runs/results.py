"""Reading run folders back into numpy arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from mastac.errors import UserError
from mastac.runs.ending import check_ended
from mastac.runs.environment import read_environment
from mastac.runs.folder import RunFolder, read_summary
from mastac.runs.tables import Table, read_table

Axis = Literal["epoch", "env_steps"]
FINAL_SHARE = 0.2  # the paper's measure averages over the last fifth of the epochs


@dataclass(frozen=True)
class Results:
    """What a run folder holds.

    - `metrics`, `evaluation`, `timing`: column name -> values, one entry for each row of the file;
        empty where there is no row.
    - `config`, `summary`, `environment`: the JSON files; `summary` is empty while the run has not
        ended, `environment` where an earlier version wrote the folder.
    """

    folder: Path
    config: Mapping[str, Any]
    metrics: Table
    evaluation: Table = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    timing: Table = field(default_factory=dict)

    @property
    def env(self) -> str:
        """Name of the environment."""
        return str(self.summary.get("env", _name(self.config.get("env", "?"))))

    @property
    def env_options(self) -> Mapping[str, Any]:
        """Options of the environment."""
        return self.config.get("env_options", {})

    @property
    def algorithm(self) -> str:
        """Name of the algorithm."""
        return str(self.summary.get("algorithm", self.config.get("algorithm", "?")))

    @property
    def kappa(self) -> int | None:
        """Window of the value dependency sets; `None` for exact sets, or where none is stored."""
        value = self.config.get("kappa")
        return value if isinstance(value, int) else None

    @property
    def is_finished(self) -> bool:
        """Whether the run came to its end; until then there is no summary."""
        return bool(self.summary)

    @cached_property
    def seeds(self) -> tuple[int, ...]:
        """The run's seeds in the order of its configuration."""
        present = np.unique(self.metrics["seed"]).astype(int).tolist() if self.metrics else []
        stored = self.config.get("seeds")
        return tuple(dict.fromkeys(stored)) if stored else tuple(present)

    @property
    def epochs(self) -> int:
        """Epochs that the seed which went farthest has done."""
        return len(np.unique(self.metrics["epoch"])) if self.metrics else 0

    @property
    def failed(self) -> Mapping[str, Mapping[str, Any]]:
        """Seeds at which a number was no longer finite: `{"3": {"epoch": …, "where": …}}`."""
        return self.summary.get("failed") or {}

    @property
    def warnings(self) -> Sequence[str]:
        """What went badly, in words."""
        return self.summary.get("warnings") or ()

    @property
    def reference(self) -> Mapping[str, Any]:
        """The environment's exact figures as stored with the summary; empty where it has none."""
        return self.summary.get("reference") or {}

    def curve(
        self, greedy: bool = False, axis: Axis = "epoch"
    ) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, "seeds points"]]:
        """Returns over training, one row for each seed.

        `greedy=False` gives the training episodes (`metrics.csv`), `greedy=True` the evaluations of
        the greedy policy (`evaluation.csv`). Where a seed has no row (it stopped early) the entry
        is NaN. `axis="env_steps"` counts the environment steps of one seed instead of its epochs.
        """
        table = self.evaluation if greedy else self.metrics
        if not table:
            return np.zeros(0), np.zeros((len(self.seeds), 0))
        at, column = np.unique(table["epoch"], return_inverse=True)
        rows = {seed: row for row, seed in enumerate(self.seeds)}
        row = [rows[seed] for seed in table["seed"].astype(int).tolist()]
        values = np.full((len(self.seeds), len(at)), np.nan)
        values[row, column] = table["episode_return"]
        return (at if axis == "epoch" else self._steps_at(at, greedy)), values

    def _steps_at(self, epochs: np.ndarray, greedy: bool) -> np.ndarray:
        if "env_steps" not in self.metrics:
            raise UserError(
                f"'{self.folder}/metrics.csv' has no column 'env_steps'; plot over epochs instead"
            )
        known, first = np.unique(self.metrics["epoch"], return_index=True)
        # Evaluations are named by how many epochs are finished, training episodes from 0 on.
        after = known - known[0] + 1
        finished = epochs if greedy else epochs - known[0] + 1
        steps = self.metrics["env_steps"][first]
        return np.interp(finished, np.append(0.0, after), np.append(0.0, steps))

    def final20_by_seed(self) -> Float[np.ndarray, " seeds"]:
        """Mean training return of each seed over the last 20 % of the epochs (paper, Table 1)."""
        _, values = self.curve()
        if not values.size:
            return np.full(len(self.seeds), np.nan)
        return _mean_of_known(values[:, -max(1, round(FINAL_SHARE * values.shape[1])) :])

    def greedy_by_seed(self) -> Float[np.ndarray, " seeds"]:
        """Mean return of each seed's greedy policy after training.

        Taken from the summary; of an unfinished run the last evaluation, or NaN where there is
        none.
        """
        stored = self.summary.get("greedy_by_seed")
        if stored is not None:
            means = [stored.get(str(seed)) for seed in self.seeds]
            return np.array([np.nan if value is None else value for value in means], float)
        _, values = self.curve(greedy=True)
        return values[:, -1] if values.size else np.full(len(self.seeds), np.nan)


def read_results(folder: str | Path) -> Results:
    """Everything that `mastac.train` wrote into `folder`, apart from the checkpoints.

    Of a run at work, or one that was stopped, it is the epochs of whole chunks: those whose
    training and evaluation are both written.

    **Raises:** [`mastac.errors.UserError`][] if it is no run folder, if a file of it is malformed,
    or if a file of a run that has ended is not what was written.
    """
    run = RunFolder(folder)
    config = run.read_config()
    # The summary is read first: a run writes it last.
    summary = read_summary(run) if run.summary.exists() else {}
    at_work = not summary
    if not at_work:
        check_ended(run, summary)
    done = _epochs_of_whole_chunks(run) if at_work else np.inf  # before the tables it speaks of
    return Results(
        folder=run.path,
        config=config,
        metrics=_before(done, _table_of_seeds(run.metrics, config, at_work)),
        evaluation=_before(done + 1, _table_of_seeds(run.evaluation, config, at_work)),
        summary=summary,
        environment=read_environment(run) if run.environment.exists() else {},
        timing=read_table(run.timing, required=("epoch", "seconds")),
    )


def _table_of_seeds(path: Path, config: Mapping[str, Any], may_be_cut: bool) -> Table:
    """A table of returns; `UserError` if it has rows of a seed that the run does not have."""
    table = read_table(path, ("seed", "epoch", "episode_return"), may_be_cut)
    seeds = config.get("seeds")
    foreign = set(np.unique(table["seed"]).tolist()) - set(seeds) if table and seeds else ()
    if foreign:
        raise UserError(
            f"'{path}' has rows of seed {min(foreign):.0f}, which config.json does not name; "
            "restore the file or start the run anew"
        )
    return table


def _epochs_of_whole_chunks(run: RunFolder) -> float:
    """Epochs of a run at work whose rows are all written: a row of `timing.csv` ends a chunk."""
    if not run.timing.is_file():
        return np.inf
    timing = read_table(run.timing, ("epoch",), may_be_cut=True)
    return float(timing["epoch"].max()) if timing else 0.0


def _before(end: float, table: Table) -> Table:
    """The rows of epochs before `end`; no columns where there are none."""
    kept = table["epoch"] < end if table else np.zeros(0, bool)
    return {name: values[kept] for name, values in table.items()} if kept.any() else {}


def labels(runs: list[Results]) -> list[str]:
    """Short names that tell the runs apart: the algorithm and κ, or else the folders' names.

    Runs of several environments, or several runs of the same algorithm, go by their folders.
    """
    by_algorithm = [
        run.algorithm + ("" if run.kappa is None else f" κ={run.kappa}") for run in runs
    ]
    by_folder = [run.folder.resolve().name for run in runs]
    for names in (by_algorithm, by_folder):
        if len(set(names)) == len(runs) and (
            names is by_folder or len({run.env for run in runs}) == 1
        ):
            return names
    return [str(run.folder) for run in runs]


def differing_options(runs: Sequence[Results]) -> list[str]:
    """Names of the environment options that not all runs have alike, in order."""
    names = dict.fromkeys(name for run in runs for name in run.env_options)
    values = {
        name: [run.env_options[name] for run in runs if name in run.env_options] for name in names
    }
    return [name for name, given in values.items() if any(value != given[0] for value in given)]


def _name(env: Any) -> str:
    return str(env.get("id", "?")) if isinstance(env, Mapping) else str(env)


def _mean_of_known(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis without the NaN entries; NaN where nothing is known."""
    known = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.where(known, values, 0.0).sum(-1) / known.sum(-1)
