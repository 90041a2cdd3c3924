"""Results in words and tables: one run against reference figures, runs against each other."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mastac.runs.comparable import check_comparable
from mastac.runs.results import Results, labels
from mastac.runs.statistics import iqm, iqm_interval
from mastac.text import number, plus_minus, seeds_text, table

REFERENCE_NAMES = {
    "simple": "simple policy",
    "best_known": "best known",
    "bound": "bound on any policy",
}


def run_table(run: Results) -> str:
    """One run: the reference figures, what training reached, and each seed's greedy policy.

    A score is 0 for the environment's simple policy and 1 for its best known one.
    """
    reference = run.reference
    figures = reference_figures(reference)
    above = [name for name, value in figures if is_above_bound(value, reference)]
    rows = [
        (name, number(value), number(score_of(value, reference)))
        for name, value in figures
        if name not in above
    ]
    rows += [(f"{name} *", number(value), "") for name, value in figures if name in above]
    rows += [("", "", "")] if rows else []
    final, greedy = run.final20_by_seed(), run.greedy_by_seed()
    score = number(score_of(mean_of(final), reference))
    rows.append(("training, last 20 %", mean_and_std(final), score))
    if np.isfinite(greedy).any():
        score = number(score_of(mean_of(greedy), reference))
        rows.append(("greedy policy", mean_and_std(greedy), score))
        rows += [
            (f"  seed {seed}", number(value) or "stopped", number(score_of(value, reference)))
            for seed, value in zip(run.seeds, greedy, strict=True)
        ]
    notes = [
        f"seed {seed} stopped in epoch {stop.get('epoch')}: {stop.get('where')} is no longer finite"
        for seed, stop in run.failed.items()
    ]
    if above:
        notes.append("* outside the bound: not held to the limits, or a mean over sampled episodes")
    notes += bound_note([*final, *greedy], reference)
    notes += [f"warning: {warning}" for warning in run.warnings]
    return "\n".join([headline(run), "", table(("", "return", "score"), rows), *notes])


def run_text(run: Results) -> str:
    """One run in three lines: its folder, what it is, and what came out."""
    greedy = run.greedy_by_seed()
    score = number(score_of(mean_of(greedy), run.reference))
    result = f"greedy return {mean_and_std(greedy)}" + (f", score {score}" if score else "")
    known = np.isfinite(greedy).any()
    return "\n".join([f"run {run.folder}", headline(run), result if known else "no greedy return"])


def evaluation_table(evaluation: Mapping[str, Any], episodes: int) -> str:
    """What `Run.evaluate` returns as text: each seed's mean return, their mean and the score."""
    by_seed = evaluation["greedy_by_seed"]
    rows = [(f"seed {seed}", number(value) or "stopped") for seed, value in by_seed.items()]
    rows.append(("all seeds", plus_minus(evaluation["greedy_mean"], evaluation["greedy_std"])))
    if evaluation.get("score") is not None:
        rows.append(("score", number(evaluation["score"])))
    text = table(("greedy policy", "return"), rows)
    note = f"means over {episodes:,} episode{'s' if episodes > 1 else ''} of each seed"
    values = [value for value in by_seed.values() if value is not None]
    return "\n".join([text, "", note, *bound_note(values, evaluation.get("reference") or {})])


def is_above_bound(value: float, reference: Mapping[str, Any]) -> bool:
    """Whether a return, as it is printed, is larger than the bound on every policy."""
    bound = reference.get("bound")
    return bound is not None and value > bound and number(value) != number(bound)


def bound_note(returns: Sequence[float], reference: Mapping[str, Any]) -> list[str]:
    """Why returns of policies may be larger than the bound, where some are."""
    if not any(is_above_bound(value, reference) for value in returns):
        return []
    return ["the bound holds for the mean over all episodes; a sample's may exceed it by chance"]


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
    training returns where no greedy one is stored). `score` is held against the run's own
    reference figures.

    **Raises:**

    - [`mastac.errors.UserError`][] for runs of different environments, or with different options.
    """
    check_comparable(runs)
    return [
        _about(run, name) | _measures(run)
        for run, name in zip(runs, labels(list(runs)), strict=True)
    ]


def _about(run: Results, name: str) -> dict[str, Any]:
    return {
        "run": name,
        "folder": str(run.folder),
        "env": run.env,
        "env_options": dict(run.env_options),
        "algorithm": run.algorithm,
        "kappa": run.kappa,
        "epochs": run.epochs,
        "seeds": list(run.seeds),
        "finished": run.is_finished,
    }


def _measures(run: Results) -> dict[str, float | None]:
    final, greedy = run.final20_by_seed(), run.greedy_by_seed()
    returns = greedy if np.isfinite(greedy).any() else final
    known = returns[np.isfinite(returns)]
    low, high = iqm_interval(known) if len(known) > 1 else (math.nan, math.nan)
    row = {
        "final20_mean": mean_of(final),
        "final20_std": std_of(final),
        "greedy_mean": mean_of(greedy),
        "greedy_std": std_of(greedy),
        "iqm": float(iqm(known)) if len(known) else math.nan,
        "iqm_low": low,
        "iqm_high": high,
        "score": score_of(mean_of(returns), run.reference),
    }
    return {name: value if math.isfinite(value) else None for name, value in row.items()}


def compare_table(runs: Sequence[Results]) -> str:
    """The runs below each other, the best greedy return first.

    **Raises:**

    - [`mastac.errors.UserError`][] for runs of different environments, or with different options.
    """
    rows = compare_rows(runs)
    rows.sort(key=lambda row: -_known(row["greedy_mean"], row["final20_mean"]))
    head = ("run", "environment", "seeds", "epochs", "last 20 %", "greedy")
    head += ("IQM of seeds [95 %]", "score")
    note = "± is the standard deviation over seeds; the interval is a percentile bootstrap."
    return "\n".join([table(head, [_cells(row) for row in rows]), "", note])


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    interval = f" [{number(row['iqm_low'])}, {number(row['iqm_high'])}]"
    return (
        row["run"] + ("" if row["finished"] else " (not finished)"),
        row["env"],
        str(len(row["seeds"])),
        f"{row['epochs']:,}",
        plus_minus(row["final20_mean"], row["final20_std"]),
        plus_minus(row["greedy_mean"], row["greedy_std"]),
        number(row["iqm"]) + ("" if row["iqm_low"] is None else interval),
        number(row["score"]),
    )


def reference_figures(reference: Mapping[str, Any]) -> list[tuple[str, float]]:
    """(name, return) of every reference figure, the lowest first."""
    figures = [(REFERENCE_NAMES[key], reference.get(key)) for key in REFERENCE_NAMES]
    figures += [(str(name), value) for name, value in (reference.get("policies") or {}).items()]
    known = [
        (name, float(value))
        for name, value in figures
        if value is not None and math.isfinite(value)
    ]
    return sorted(known, key=lambda pair: pair[1])


def score_of(value: float | None, reference: Mapping[str, Any]) -> float:
    """0 for the simple policy, 1 for the best known one; NaN where either is not known."""
    simple, best = reference.get("simple"), reference.get("best_known")
    if value is None or simple is None or best is None or simple == best:
        return math.nan
    return (value - simple) / (best - simple)


def mean_and_std(values: np.ndarray) -> str:
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
