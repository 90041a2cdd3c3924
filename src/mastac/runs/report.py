"""What `mastac report` tells of runs, ready for JSON. Reads run folders; needs no JAX."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mastac.errors import UserError
from mastac.runs.comparable import check_comparable
from mastac.runs.curves import windowed
from mastac.runs.repeat import repeat_command
from mastac.runs.report_notes import notes_of
from mastac.runs.report_settings import setting_rows, version_rows
from mastac.runs.results import Results, labels
from mastac.runs.statistics import (
    improvement_interval,
    probability_of_improvement,
    t_interval,
)
from mastac.runs.summary import compare_rows, reference_figures, score_of

POINTS = 300
"""A curve of the page has about so many points: ten runs stay far below 1 MB."""
FEWEST_FOR_BAND = 3
"""The interval of two seeds is 13 standard errors wide, and would say nothing."""
MOST_RUNS = 30
AGENT_MEASURES = ("violation", "gradient_norm")
"""What is told of each agent beside its return."""
UNITS = {"sum": "sum over agents", "mean": "mean over agents"}


def report_data(runs: Sequence[Results]) -> dict[str, Any]:
    """Everything that a report shows apart from the graphs.

    **Arguments:**

    - `runs`: of one environment; their order is kept.

    **Returns:**

    - `env`, `env_options`, `unit`: what was played, and how returns of agents make one.
    - `runs`: for each run the row of [`compare_rows`][mastac.runs.summary.compare_rows], with
        `env_steps`, `seconds`, `greedy_by_seed`, `final20_by_seed`, `command`, or `why_no_command`.
    - `improvement`: in each row how often the run of the row does better than that of the column,
        `{"p", "low", "high"}`; `None` for itself and where nothing is known.
    - `curves`: [`curves_of`][mastac.runs.report.curves_of].
    - `reference`, `reference_notes`: names and figures, the lowest first.
    - `agents`: [`agent_figures`][mastac.runs.report.agent_figures].
    - `settings`, `versions`: rows of a name and one value for each run.
    - `notes`: `{"run", "text", "is_warning"}`, what the reader must know.

    **Raises:**

    - [`mastac.errors.UserError`][] for runs of different environments or options, the same run
        twice, and too many.
    """
    check_comparable(runs)
    _check_list(runs)
    first = next((run for run in runs if run.environment), runs[0])
    names = labels(list(runs))
    rows = compare_rows(runs)
    return {
        "env": runs[0].env,
        "env_options": dict(first.env_options),
        "unit": UNITS.get(str(first.environment.get("report")), ""),
        "runs": [row | _about(run) for row, run in zip(rows, runs, strict=True)],
        "improvement": [[_improvement(one, other) for other in runs] for one in runs],
        "curves": [curve for k, run in enumerate(runs) for curve in curves_of(run, k)],
        "reference": _references(runs),
        "reference_notes": next((run.reference["notes"] for run in runs if _noted(run)), ""),
        "agents": agent_figures(runs),
        "settings": setting_rows(runs),
        "versions": version_rows(runs),
        "notes": notes_of(runs, names),
    }


def _check_list(runs: Sequence[Results]) -> None:
    if len(runs) > MOST_RUNS:
        raise UserError(f"a report shows at most {MOST_RUNS} runs, and these are {len(runs)}")
    folders = [run.folder.resolve() for run in runs]
    for run, folder in zip(runs, folders, strict=True):
        if folders.count(folder) > 1:
            raise UserError(f"the run '{run.folder}' is named twice; name each once")


def _about(run: Results) -> dict[str, Any]:
    """What a report says of one run beside its row of the comparison."""
    steps, seconds = run.metrics.get("env_steps"), run.timing.get("seconds")
    about: dict[str, Any] = {
        "env_steps": run.summary.get("env_steps") if steps is None else int(steps.max()),
        "seconds": None if seconds is None else float(np.nansum(seconds)),
        "greedy_by_seed": _plain(run.greedy_by_seed()),
        "final20_by_seed": _plain(run.final20_by_seed()),
        "command": None,
        "why_no_command": None,
    }
    try:
        about["command"] = repeat_command(run)
    except UserError as error:
        about["why_no_command"] = str(error)
    return about


def _improvement(one: Results, other: Results) -> dict[str, float | None] | None:
    """How often a seed of `one` ends with a better greedy policy than a seed of `other`."""
    x, y = one.greedy_by_seed(), other.greedy_by_seed()
    if one is other or not (np.isfinite(x).any() and np.isfinite(y).any()):
        return None
    low, high = _plain(np.array(improvement_interval(x, y)))
    return {"p": probability_of_improvement(x, y), "low": low, "high": high}


def curves_of(run: Results, number: int) -> list[dict[str, Any]]:
    """The curves of a run: of its training episodes and of its greedy policy.

    **Arguments:**

    - `number`: of the run.

    **Returns:** for each `run`, `kind` ("greedy", "training"), `window` (epochs in a point),
    `epoch`, `env_steps` (`None` where not stored), `mean`, and `low` and `high`, the 95 % interval
    of the mean by Student's t; `None` where there are fewer than three seeds.
    """
    curves = []
    for kind in ("greedy", "training"):
        at, values = run.curve(greedy=kind == "greedy")
        if not np.isfinite(values).any():
            continue
        steps = None
        if "env_steps" in run.metrics:
            steps, _, _ = windowed(run.curve(kind == "greedy", "env_steps")[0], values, POINTS)
        at, values, window = windowed(at, values, POINTS)
        mean, half = t_interval(values)
        has_band = len(values) >= FEWEST_FOR_BAND
        curves.append(
            {
                "run": number,
                "kind": kind,
                "window": window,
                "epoch": _plain(at),
                "env_steps": None if steps is None else _plain(steps),
                "mean": _plain(mean),
                "low": _plain(mean - half) if has_band else None,
                "high": _plain(mean + half) if has_band else None,
            }
        )
    return curves


def agent_figures(runs: Sequence[Results]) -> dict[str, Any] | None:
    """What is known of each agent alone, for each run: returns, violations, gradient norms.

    **Returns:** `names` of the agents, and `runs` with `mean` and `std` of the greedy return,
    `violation` and `gradient_norm`, `[agents]` each, or `None` for a run that has stored none of
    its returns; `None` where no run has any.
    """
    stored = [_figures(run, "greedy") for run in runs]
    names = list(dict.fromkeys(name for figures in stored for name in figures))
    if not names:
        return None
    kinds = {"mean": "greedy", "std": "greedy_std"} | {kind: kind for kind in AGENT_MEASURES}

    def of_run(run: Results) -> dict[str, list[float | None]]:
        return {
            key: [_figures(run, kind).get(name) for name in names] for key, kind in kinds.items()
        }

    found = [of_run(run) if figures else None for run, figures in zip(runs, stored, strict=True)]
    return {"names": names, "runs": found}


def _figures(run: Results, kind: str) -> Mapping[str, float | None]:
    return run.summary.get(f"{kind}_by_agent") or {}


def _references(runs: Sequence[Results]) -> list[dict[str, Any]]:
    reference: Mapping[str, Any] = next((run.reference for run in runs if run.reference), {})
    return [
        {"name": name, "value": value, "score": _plain(np.array([score_of(value, reference)]))[0]}
        for name, value in reference_figures(reference)
    ]


def _noted(run: Results) -> bool:
    return bool(run.reference.get("notes"))


def _plain(values: np.ndarray) -> list[float | None]:
    """Six digits of each number, as JSON can hold it."""
    return [float(f"{x:.6g}") if np.isfinite(x) else None for x in np.asarray(values, float)]
