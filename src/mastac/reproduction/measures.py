"""What the reproduction measures of each cell, as plain numbers: one row for each."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from mastac.errors import UserError
from mastac.reproduction.paper import CELLS, ENVS, PAPER_EPOCHS, PAPER_TABLE, PRODUCTS
from mastac.reproduction.raw_data import RawCell
from mastac.runs.statistics import (
    improvement_interval,
    iqm,
    iqm_interval,
    probability_of_improvement,
    steps_to_reach,
)
from mastac.runs.summary import mean_of, score_of, std_of

OURS = "mastac-k2"  # the algorithm that every other one is compared with
TARGETS = (OURS, "mastac")  # whose final return the others are to reach
GOOD = 0.9  # the score that counts as learnt
SMOOTHING = 3  # evaluations of the greedy policy in a row that must reach a target, on average
MARGIN = 0.01  # of the scale from score 0 to 1: within so much of a target it is reached

Row = dict[str, Any]


def by_env(cells: Sequence[RawCell]) -> dict[str, dict[str, RawCell]]:
    """Environment -> name -> cell, in the paper's order, environments of our own last.

    **Raises:** `UserError` if cells of one environment differ in its options, its reference figures
    or the preset.
    """
    envs = [*ENVS, *sorted({cell.env for cell in cells} - set(ENVS))]
    names = ordered(cell.cell for cell in cells)
    found = {(cell.env, cell.cell): cell for cell in cells}
    sorted_cells = {
        env: {name: found[env, name] for name in names if (env, name) in found} for env in envs
    }
    for env, those in sorted_cells.items():
        _check_alike(env, list(those.values()))
    return {env: those for env, those in sorted_cells.items() if those}


def _check_alike(env: str, cells: Sequence[RawCell]) -> None:
    for cell in cells[1:]:
        for what in ("env_options", "preset"):
            if cell.config.get(what) != cells[0].config.get(what):
                raise UserError(
                    f"{env}: '{cells[0].cell}' and '{cell.cell}' differ in {what}; "
                    "make tables of one configuration"
                )
        if cell.reference != cells[0].reference:
            raise UserError(
                f"{env}: '{cells[0].cell}' and '{cell.cell}' differ in reference figures; "
                "run one again"
            )


def ordered(names: Iterable[str]) -> list[str]:
    """Names of cells in the comparison's order, unknown ones last."""
    names = set(names)
    return [name for name in CELLS if name in names] + sorted(names - set(CELLS))


def is_cut_short(row: Row) -> bool:
    """Whether a cell had fewer epochs than in the paper."""
    return row.get("run", True) and row["share"] is not None and row["share"] < 1 - 1e-9


def label_of(name: str) -> str:
    """The label of a cell in tables and figures."""
    return CELLS[name].label if name in CELLS else name


def names_of(env: str, present: Mapping[str, RawCell]) -> list[str]:
    """The rows of an environment's table: those of the comparison, run or not, then others."""
    return ordered([*PRODUCTS["table1"].get(env, ()), *present])


def table1_rows(cells: Sequence[RawCell]) -> list[Row]:
    """One row for each environment and cell; one not run has `run` false and the paper's figure.

    All numbers are plain; what is not known is `None`. Returns: `paper_…` as printed in the paper,
    `final20_…` the paper's measure (training, last 20 % of the epochs), `greedy_…` and `iqm…` the
    policy without exploration.
    """
    rows = []
    for env, those in by_env(cells).items():
        for name in names_of(env, those):
            about = {"env": env, "cell": name, "label": label_of(name), "run": name in those}
            mean, std = PAPER_TABLE.get((name, env), (math.nan, math.nan))
            row = about | _plain({"paper_mean": mean, "paper_std": std})
            if name in those:
                row |= _plain({"paper_score": score_of(mean, those[name].reference)})
                row |= _plain(_measures(those[name], those.get(OURS)))
            rows.append(row)
    return rows


def _measures(cell: RawCell, ours: RawCell | None) -> Row:
    final, greedy, reference = cell.final20(), cell.greedy(), cell.reference
    known = greedy[np.isfinite(greedy)]
    low, high = iqm_interval(known)
    better, better_low, better_high = _improvement(ours, cell)
    epochs = epochs_to(cell, return_at(GOOD, reference))
    paper_epochs = PAPER_EPOCHS.get(cell.env, math.nan)
    return {
        "final20_mean": mean_of(final),
        "final20_std": std_of(final),
        "final20_score": score_of(mean_of(final), reference),
        "greedy_mean": mean_of(greedy),
        "greedy_std": std_of(greedy),
        "iqm": float(iqm(known)) if len(known) else math.nan,
        "iqm_low": low,
        "iqm_high": high,
        "score": score_of(mean_of(greedy), reference),
        "improvement": better,
        "improvement_low": better_low,
        "improvement_high": better_high,
        "epochs_to_good": epochs,
        "env_steps_to_good": epochs * cell.env_steps / cell.epochs,
        "seconds": cell.seconds,
        "seeds": len(cell.seeds),
        "stopped": int(np.isnan(greedy).sum()),
        "epochs": cell.epochs,
        "share": cell.epochs / paper_epochs,
        "env_steps": cell.env_steps,
    }


def _improvement(ours: RawCell | None, cell: RawCell) -> tuple[float, float, float]:
    """Probability that a seed of ours beats one of `cell`, and its interval; NaN for itself.

    After equally many environment steps: where `cell` was trained for fewer, ours is taken at its
    last evaluation up to there.
    """
    if ours is None or ours is cell:
        return (math.nan, math.nan, math.nan)
    x = ours.greedy() if ours.epochs <= cell.epochs else greedy_after(ours, cell.epochs)
    y = cell.greedy()
    return (probability_of_improvement(x, y), *improvement_interval(x, y))


def greedy_after(cell: RawCell, epochs: int) -> Float[np.ndarray, " seeds"]:
    """Returns of each seed's greedy policy at the last evaluation within `epochs`, if any."""
    at, values = cell.curve(greedy=True)
    known = np.flatnonzero(at <= epochs)
    return values[:, known[-1]] if len(known) else np.zeros(0)


def return_at(score: float, reference: Mapping[str, Any]) -> float:
    """The return with this score; NaN where the simple or the best known policy is missing."""
    simple, best = reference.get("simple"), reference.get("best_known")
    return math.nan if simple is None or best is None else simple + score * (best - simple)


def epochs_to(cell: RawCell, target: float) -> float:
    """Epochs until the greedy policy (smoothed mean over unstopped seeds) reaches `target`."""
    at, values = cell.curve(greedy=True)
    alive = np.isfinite(cell.greedy())
    if not alive.any() or not math.isfinite(target):
        return math.nan
    return steps_to_reach(at, values[alive].mean(0), target, SMOOTHING)


def efficiency_rows(cells: Sequence[RawCell]) -> list[Row]:
    """Epochs that each cell needs to reach MAStAC's final return, by environment, target and cell.

    `target` is the mean greedy return after training of MAStAC with κ=2, then of the exact one,
    less a hundredth of the scale from the simple to the best known policy, so that the noise of
    evaluations decides nothing. `epochs` is of the mean over seeds, `by_seed` of each seed alone
    (`None`: not reached), `ratio` that to what MAStAC itself needs.
    """
    rows = []
    for env, those in by_env(cells).items():
        for target_name in (name for name in TARGETS if name in those):
            target = _target(those[target_name])
            own = epochs_to(those[target_name], target)
            for name, cell in those.items():
                at, values = cell.curve(greedy=True)
                each = [steps_to_reach(at, row, target, SMOOTHING) for row in values]
                epochs = epochs_to(cell, target)
                row = {
                    "env": env,
                    "target_cell": target_name,
                    "cell": name,
                    "label": label_of(name),
                }
                row |= _plain(
                    {
                        "target": target,
                        "target_score": score_of(target, cell.reference),
                        "epochs": epochs,
                        "env_steps": epochs * cell.env_steps / cell.epochs,
                        "ratio": epochs / own,
                        "trained_epochs": cell.epochs,
                        "share": cell.epochs / PAPER_EPOCHS.get(env, math.nan),
                        "score": score_of(mean_of(cell.greedy()), cell.reference),
                        "seeds": len(cell.seeds),
                        "seeds_that_reach": int(np.isfinite(each).sum()),
                    }
                )
                by_seed = zip(cell.seeds, each, strict=True)
                rows.append(
                    row | {"by_seed": {seed: number_or_none(value) for seed, value in by_seed}}
                )
    return rows


def _target(cell: RawCell) -> float:
    simple, best = (return_at(score, cell.reference) for score in (0.0, 1.0))
    margin = MARGIN * (best - simple)
    return mean_of(cell.greedy()) - (margin if math.isfinite(margin) else 0.0)


def _plain(row: Row) -> Row:
    return {name: number_or_none(value) for name, value in row.items()}


def number_or_none(value: float) -> float | None:
    """The number, or `None` where it is not finite."""
    return value if math.isfinite(value) else None
