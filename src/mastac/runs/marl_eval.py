"""Results in the layout of marl-eval, which other libraries of the field read and write."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mastac.errors import UserError
from mastac.runs.comparable import check_comparable
from mastac.runs.results import Results, labels

SUITE = "mastac"
"""The layout groups tasks by where they come from."""
METRIC = "return"


def marl_eval(runs: Sequence[Results]) -> dict[str, Any]:
    """The evaluations of runs as marl-eval takes them (Gorsane et al. 2022).

    **Arguments:**

    - `runs`: of one environment, with as many seeds and evaluations each.

    **Returns:**

    Environment, task, algorithm, run, step: `{"mastac": {env: {algorithm: {"seed_0": {"step_0":
    {"step_count", "elapsed_time", "return"}, …, "absolute_metrics": {"return"}}}}}}`. `step_count`
    counts the environment steps of the seed. `elapsed_time` counts the seconds of the whole run
    from the first evaluation on, without compilation, where they are stored. `return` is a list of
    one number: the mean over the episodes of the evaluation. `absolute_metrics` is the evaluation
    after training.

    **Raises:**

    - [`mastac.errors.UserError`][] for runs of different environments, unfinished ones, and those
        that marl-eval would refuse.
    """
    check_comparable(runs)
    # Names of algorithms must be without commas there, and those of tasks are in small letters.
    names = [name.replace(",", ";") for name in labels(list(runs))]
    algorithms = {name: _by_seed(run) for run, name in zip(runs, names, strict=True)}
    _check_alike(algorithms)
    return {SUITE: {runs[0].env.lower(): algorithms}}


def _by_seed(run: Results) -> dict[str, Any]:
    if not run.is_finished:
        raise UserError(
            f"the run '{run.folder}' has not ended, and marl-eval needs the evaluation after "
            "training; end it or leave it out"
        )
    if run.failed:
        raise UserError(
            f"seed {next(iter(run.failed))} of the run '{run.folder}' stopped early, and marl-eval "
            "takes whole seeds alone; leave the run out"
        )
    if not run.evaluation:
        raise UserError(f"the run '{run.folder}' has no evaluation.csv, which marl-eval needs")
    at, values = run.curve(greedy=True, axis="env_steps")
    epochs, _ = run.curve(greedy=True)
    seconds = _seconds_at(run, epochs)
    return {
        f"seed_{seed}": _steps(at, seconds, row, final)
        for seed, row, final in zip(run.seeds, values, run.greedy_by_seed(), strict=True)
    }


def _steps(
    at: np.ndarray, seconds: np.ndarray | None, returns: np.ndarray, final: float
) -> dict[str, Any]:
    steps: dict[str, Any] = {}
    for k, (count, value) in enumerate(zip(at.tolist(), returns.tolist(), strict=True)):
        elapsed = {} if seconds is None else {"elapsed_time": float(seconds[k])}
        steps[f"step_{k}"] = {"step_count": round(count), **elapsed, METRIC: [value]}
    return {**steps, "absolute_metrics": {METRIC: [float(final)]}}


def _seconds_at(run: Results, epochs: np.ndarray) -> np.ndarray | None:
    """Seconds from the first evaluation to each; `None` where not all are stored."""
    if not run.timing:
        return None
    known = run.timing["epoch"]
    if not np.isin(epochs, known).all() or not np.isfinite(run.timing["seconds"]).all():
        return None
    passed = np.interp(epochs, known, np.cumsum(run.timing["seconds"]))
    return passed - passed[0]


def _check_alike(algorithms: Mapping[str, Mapping[str, Any]]) -> None:
    """`UserError` unless all have as many seeds and evaluations, which marl-eval demands."""
    for what, count in (
        ("seeds", len),
        ("evaluations", lambda seeds: len(next(iter(seeds.values()))) - 1),
    ):
        counts = {name: count(seeds) for name, seeds in algorithms.items()}
        first, number = next(iter(counts.items()))
        for name, other in counts.items():
            if other != number:
                raise UserError(
                    f"'{first}' has {number} {what} and '{name}' {other}; marl-eval takes runs "
                    f"with as many {what} each"
                )
