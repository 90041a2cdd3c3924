"""Raw data of the reproduction: what is kept of each cell's run, small enough for a repository.

A raw folder holds `<environment>/<cell>/` with five files; the reproduction's tables and figures
are made from them.

| file | holds |
|---|---|
| `config.json`, `summary.json` | those of the run; the summary with `final20_by_seed` besides |
| `curve.csv` | training returns by seed, epoch and env_steps: means over 100 equal windows |
| `greedy.csv` | the run's `evaluation.csv`: returns of the greedy policy of each seed |
| `timing.json` | seconds that the training took |

`epoch` is the number of epochs done, in both tables.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from mastac.errors import UserError
from mastac.files import as_csv, read_json, write_json, write_text
from mastac.runs.folder import EVALUATION, RunFolder
from mastac.runs.results import Results, read_results
from mastac.runs.schemas import Summary
from mastac.runs.tables import read_table

WINDOWS = 100  # so the last 20 are the paper's last 20 % of the epochs
CURVE = ("seed", "epoch", "env_steps", "episode_return")
FILES = ("config.json", "summary.json", "curve.csv", "greedy.csv", "timing.json")


@dataclass(frozen=True)
class RawCell:
    """What is kept of one cell: `results` with windows of epochs as metrics, and the time."""

    env: str
    cell: str
    results: Results
    timing: Mapping[str, Any]

    @property
    def config(self) -> Mapping[str, Any]:
        return self.results.config

    @property
    def summary(self) -> Mapping[str, Any]:
        return self.results.summary

    @property
    def reference(self) -> Mapping[str, Any]:
        """The environment's exact figures."""
        return self.results.reference

    @property
    def seeds(self) -> tuple[int, ...]:
        return self.results.seeds

    @property
    def epochs(self) -> int:
        """Epochs that the run was to have."""
        return int(self.config["epochs"])

    @property
    def env_steps(self) -> int:
        """Environment steps of one seed."""
        return int(self.summary["env_steps"])

    @property
    def seconds(self) -> float:
        """Seconds of training, compilation and evaluations included; NaN where not stored."""
        value = self.timing.get("seconds")
        return float(value) if isinstance(value, int | float) else math.nan

    def curve(
        self, greedy: bool = False
    ) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, "seeds points"]]:
        """Epochs done, and training (or greedy) returns of each seed; NaN after it stopped."""
        return self.results.curve(greedy)

    def final20(self) -> Float[np.ndarray, " seeds"]:
        """Mean training return of each seed over the last 20 % of epochs; NaN if it stopped."""
        return self._by_seed("final20_by_seed")

    def greedy(self) -> Float[np.ndarray, " seeds"]:
        """Mean return of each seed's greedy policy after training; NaN if it stopped."""
        return self._by_seed("greedy_by_seed")

    def _by_seed(self, name: str) -> np.ndarray:
        stored = self.summary.get(name) or {}
        found = [stored.get(str(seed)) for seed in self.seeds]
        return np.array([np.nan if value is None else value for value in found], float)


def export_cell(run_folder: str | Path, target: str | Path) -> None:
    """Write the raw data of a finished run into `target`; a run always gives the same bytes.

    **Raises:** `UserError` if the run has not ended, one of its files is malformed, or `target`
    cannot be written.
    """
    run, target = read_results(run_folder), Path(target)
    if not run.is_finished:
        raise UserError(
            f"run '{run.folder}' has not ended; finish it with 'mastac resume {run.folder}'"
        )
    # The seal is of files that are not here.
    summary = {name: value for name, value in run.summary.items() if name != "sealed"}
    final = {
        str(seed): None
        if str(seed) in run.failed or not math.isfinite(value)
        else float(f"{value:.9g}")
        for seed, value in zip(run.seeds, run.final20_by_seed().tolist(), strict=True)
    }
    _, greedy = run.curve(greedy=True)
    at = np.unique(run.evaluation["epoch"]) if run.evaluation else np.zeros(0)
    try:
        target.mkdir(parents=True, exist_ok=True)
        write_json(target / "config.json", run.config)
        write_text(target / "curve.csv", as_csv([CURVE, *_windows(run)]))
        write_text(target / "greedy.csv", as_csv([EVALUATION, *_rows(run.seeds, [at], greedy)]))
        write_json(target / "timing.json", _timing(RunFolder(run.folder)))
        # Last: it makes a cell count.
        write_json(target / "summary.json", {**summary, "final20_by_seed": final})
    except OSError as error:
        raise UserError(
            f"raw data '{target}' cannot be written: {error.strerror or error}"
        ) from error


def read_raw(folder: str | Path) -> list[RawCell]:
    """All cells of a raw folder, by environment and name.

    **Raises:**

    - `UserError` naming what is missing or malformed.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"there is no folder '{folder}' with raw data")
    found = [read_cell(path.parent) for path in sorted(folder.glob("*/*/summary.json"))]
    if not found:
        raise UserError(f"'{folder}' holds no raw data: no <environment>/<cell>/summary.json")
    return found


def read_cell(folder: Path) -> RawCell:
    """One cell of a raw folder."""
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise UserError(f"raw data '{folder}' lack {missing[0]}; export the cell again")
    config, summary = RunFolder(folder).read_config(), read_json(folder / "summary.json", Summary)
    for name, data, keys in (
        ("config", config, ("epochs",)),
        ("summary", summary, ("env", "env_steps")),
    ):
        absent = [key for key in keys if key not in data]
        if absent:
            raise UserError(
                f"raw data '{folder / name}.json' lack '{absent[0]}'; export the cell again"
            )
    columns = ("seed", "epoch", "episode_return")
    results = Results(
        folder=folder,
        config=config,
        metrics=read_table(folder / "curve.csv", required=columns),
        evaluation=read_table(folder / "greedy.csv", required=columns),
        summary=summary,
    )
    if results.env != folder.parent.name:
        raise UserError(
            f"raw data '{folder}' are of {results.env}, not of {folder.parent.name}; "
            "move or export them again"
        )
    return RawCell(results.env, folder.name, results, read_json(folder / "timing.json"))


def _windows(run: Results) -> Iterator[list[Any]]:
    """Rows of `curve.csv`: means over equal windows; unfinished windows are left out."""
    epochs = int(run.config.get("epochs", run.epochs))
    count = min(WINDOWS, epochs)
    ends = [(k + 1) * epochs // count for k in range(count)]
    _, values = run.curve()
    whole = np.full((len(run.seeds), epochs), np.nan)
    whole[:, : values.shape[1]] = values
    means = [whole[:, first:end].mean(1) for first, end in zip([0, *ends], ends, strict=False)]
    steps = [end * int(run.summary["env_steps"]) // epochs for end in ends]
    return _rows(run.seeds, [ends, steps], np.stack(means, 1))


def _rows(
    seeds: Sequence[int], at: Sequence[Iterable[float]], values: np.ndarray
) -> Iterator[list[Any]]:
    """Seed by seed: seed, the columns `at`, and the value with six digits where it is known."""
    for seed, row in zip(seeds, values.tolist(), strict=True):
        for *where, value in zip(*at, row, strict=True):
            if math.isfinite(value):
                yield [seed, *map(int, where), f"{value:.6g}"]


def _timing(folder: RunFolder) -> dict[str, Any]:
    """Seconds of the whole run and of the first chunk, in which the program was compiled."""
    table = read_table(folder.timing, required=("epoch", "seconds"))
    seconds = table["seconds"] if table else np.zeros(0)
    known = seconds[np.isfinite(seconds)]
    return {
        "seconds": round(float(known.sum()), 3) if known.size else None,
        "first_chunk_seconds": round(float(known[0]), 3) if known.size else None,
        "chunks": int(known.size),
    }
