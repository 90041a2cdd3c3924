"""Results in words and tables: one run against the exact reference figures, several runs against each other."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mastac.text import number, plus_minus, seeds_text, table
from mastac.runs.results import Results, labels
from mastac.runs.statistics import iqm, iqm_interval

REFERENCE_NAMES = {
    "simple": "simple policy",
    "best_known": "best known",
    "bound": "bound on any policy",
}


def run_table(run: Results) -> str:
    """One run: the reference figures, what training reached, and each seed's greedy policy, with scores.

    A score is 0 for the environment's simple policy and 1 for its best known one.
    """
    reference = run.reference
    rows = [
        (name, number(value), number(score_of(value, reference)))
        for name, value in reference_figures(reference)
    ]
    rows += [("", "", "")] if rows else []
    final = run.final20_by_seed()
    rows.append(("training, last 20 %", spread(final), number(score_of(mean_of(final), reference))))
    greedy = run.greedy_by_seed()
    if np.isfinite(greedy).any():
        rows.append(("greedy policy", spread(greedy), number(score_of(mean_of(greedy), reference))))
        rows += [
            (f"  seed {seed}", number(value) or "stopped", number(score_of(value, reference)))
            for seed, value in zip(run.seeds, greedy, strict=True)
        ]
    stopped = [
        f"seed {seed} stopped in epoch {what.get('epoch')}: {what.get('where')} is no longer finite"
        for seed, what in run.failed.items()
    ]
    return "\n".join([headline(run), "", table(("", "return", "score"), rows), *stopped])


def evaluation_table(found: Mapping[str, Any], episodes: int) -> str:
    """What `Run.evaluate` found: each seed's mean return, their mean and the score."""
    rows = [
        (f"seed {seed}", number(value) or "stopped")
        for seed, value in found["greedy_by_seed"].items()
    ]
    rows.append(("all seeds", plus_minus(found["greedy_mean"], found["greedy_std"])))
    if found.get("score") is not None:
        rows.append(("score", number(found["score"])))
    text = table(("greedy policy", "return"), rows)
    return f"{text}\n\nmeans over {episodes:,} episode{'s' if episodes > 1 else ''} of each seed"


def headline(run: Results) -> str:
    """Environment, algorithm, κ, length and seeds of a run in one line."""
    algorithm = run.algorithm if run.kappa is None else f"{run.algorithm} κ={run.kappa}"
    parts = [f"{run.env}: {algorithm}", f"{run.epochs:,} epochs"]
    if run.metrics.get("env_steps") is not None:
        parts.append(f"{int(run.metrics['env_steps'].max()):,} environment steps a seed")
    parts.append(f"seed{'s' if len(run.seeds) > 1 else ''} {seeds_text(run.seeds)}")
    return ", ".join(parts) + ("" if run.is_finished else " (not finished)")


def compare_rows(runs: Sequence[Results]) -> list[dict[str, Any]]:
    """For each run what `compare` shows, as plain numbers; what is not known is `None`.

    `final20`, `greedy`: mean and standard deviation over seeds. `iqm`, `iqm_low`, `iqm_high`:
    interquartile mean of the greedy returns over seeds and its 95 % bootstrap interval (of the
    training returns where no greedy one is stored).
    """
    rows = []
    for run, name in zip(runs, labels(list(runs)), strict=True):
        final, greedy = run.final20_by_seed(), run.greedy_by_seed()
        known = (
            greedy[np.isfinite(greedy)] if np.isfinite(greedy).any() else final[np.isfinite(final)]
        )
        low, high = iqm_interval(known) if len(known) > 1 else (math.nan, math.nan)
        best = mean_of(greedy) if np.isfinite(greedy).any() else mean_of(final)
        row = {
            "final20_mean": mean_of(final),
            "final20_std": std_of(final),
            "greedy_mean": mean_of(greedy),
            "greedy_std": std_of(greedy),
            "iqm": float(iqm(known)) if len(known) else math.nan,
            "iqm_low": low,
            "iqm_high": high,
            "score": score_of(best, run.reference),
        }
        about = {
            "run": name,
            "folder": str(run.folder),
            "env": run.env,
            "algorithm": run.algorithm,
            "kappa": run.kappa,
            "epochs": run.epochs,
            "seeds": list(run.seeds),
            "finished": run.is_finished,
        }
        rows.append(
            about | {key: value if math.isfinite(value) else None for key, value in row.items()}
        )
    return rows


def compare_table(runs: Sequence[Results]) -> str:
    """The runs below each other, the best greedy return of each environment first."""
    rows = compare_rows(runs)
    rows.sort(key=lambda row: (row["env"], -_known(row["greedy_mean"], row["final20_mean"])))
    cells = [
        (
            row["run"] + ("" if row["finished"] else " (not finished)"),
            row["env"],
            str(len(row["seeds"])),
            f"{row['epochs']:,}",
            plus_minus(row["final20_mean"], row["final20_std"]),
            plus_minus(row["greedy_mean"], row["greedy_std"]),
            number(row["iqm"])
            + (
                ""
                if row["iqm_low"] is None
                else f" [{number(row['iqm_low'])}, {number(row['iqm_high'])}]"
            ),
            number(row["score"]),
        )
        for row in rows
    ]
    head = (
        "run",
        "environment",
        "seeds",
        "epochs",
        "last 20 %",
        "greedy",
        "IQM of seeds [95 %]",
        "score",
    )
    note = "± is the standard deviation over seeds; the interval is a percentile bootstrap."
    return f"{table(head, cells)}\n\n{note}"


def reference_figures(reference: Mapping[str, Any]) -> list[tuple[str, float]]:
    """(name, return) of every reference figure, the lowest first."""
    found = [(REFERENCE_NAMES[key], reference.get(key)) for key in REFERENCE_NAMES]
    found += [(str(name), value) for name, value in (reference.get("policies") or {}).items()]
    known = [
        (name, float(value)) for name, value in found if value is not None and math.isfinite(value)
    ]
    return sorted(known, key=lambda pair: pair[1])


def score_of(value: float | None, reference: Mapping[str, Any]) -> float:
    """0 for the simple policy, 1 for the best known one; NaN where either is not known."""
    simple, best = reference.get("simple"), reference.get("best_known")
    if value is None or simple is None or best is None or simple == best:
        return math.nan
    return (value - simple) / (best - simple)


def spread(values: np.ndarray) -> str:
    """Mean and standard deviation over the known values, and how many are not known."""
    missing = int((~np.isfinite(values)).sum())
    return plus_minus(mean_of(values), std_of(values)) + (
        f" ({missing} stopped)" if missing else ""
    )


def mean_of(values: np.ndarray) -> float:
    """Mean of the known values; NaN where there is none."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else math.nan


def std_of(values: np.ndarray) -> float:
    """Standard deviation of the known values; NaN where there are fewer than two."""
    known = values[np.isfinite(values)]
    return float(known.std()) if len(known) > 1 else math.nan


def _known(*values: float | None) -> float:
    return next((value for value in values if value is not None), -math.inf)
