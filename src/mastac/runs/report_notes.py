"""What the reader of a report must know: warnings of the runs, and what makes figures uncertain."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mastac.runs.results import Results
from mastac.runs.summary import bound_note

FEW_SEEDS = 10
"""With fewer seeds a bootstrap interval is clearly too narrow."""


def notes_of(runs: Sequence[Results], names: Sequence[str]) -> list[dict[str, Any]]:
    """Notes in the order of the runs, those about all runs last.

    **Arguments:**

    - `names`: of the runs.

    **Returns:** for each note the `run` that it is about (`None`: all), its `text`, and
    `is_warning`: whether something went badly.
    """
    notes = [
        {"run": name, "text": text, "is_warning": is_warning}
        for run, name in zip(runs, names, strict=True)
        for text, is_warning in _of_run(run)
    ]
    general = [*_of_lengths(runs), *_of_versions(runs), *_of_seeds(runs)]
    return notes + [{"run": None, "text": text, "is_warning": False} for text in general]


def _of_run(run: Results) -> list[tuple[str, bool]]:
    found = [(text, True) for text in run.warnings]
    found += [
        (
            f"seed {seed} stopped in epoch {stop.get('epoch')}: {stop.get('where')} is not finite",
            True,
        )
        for seed, stop in run.failed.items()
    ]
    if not run.is_finished:
        found.append(
            (f"not finished: {run.epochs:,} epochs are done; the last evaluation counts", True)
        )
    elif not run.summary.get("greedy_by_agent"):
        found.append(("figures of single agents are missing: an earlier version wrote it", False))
    returns = [*run.final20_by_seed(), *run.greedy_by_seed()]
    found += [(f"above the bound: {text}", False) for text in bound_note(returns, run.reference)]
    if not run.metrics:
        found.append(
            ("no training episodes are stored: their returns and steps are not known", False)
        )
    if not run.evaluation:
        found.append(("no evaluations are stored: there is no curve of the greedy policy", False))
    return found


def _of_lengths(runs: Sequence[Results]) -> list[str]:
    lengths = sorted({run.epochs for run in runs if run.epochs})
    if len(lengths) < 2:
        return []
    return [
        f"The runs are of different lengths: {lengths[0]:,} to {lengths[-1]:,} epochs. "
        "A longer one may be better for that alone."
    ]


def _of_versions(runs: Sequence[Results]) -> list[str]:
    versions = {str((run.config.get("versions") or {}).get("mastac")) for run in runs}
    revisions = {str(run.config.get("git_revision")) for run in runs}
    if len(versions) == len(revisions) == 1:
        return []
    return ["The runs were made with different versions of mastac; see Versions."]


def _of_seeds(runs: Sequence[Results]) -> list[str]:
    fewest = min(int(np.isfinite(run.greedy_by_seed()).sum()) for run in runs)
    if fewest == 0 or fewest >= FEW_SEEDS:
        return []
    if fewest == 1:
        return ["With a single seed nothing is known about chance: train more seeds."]
    return [
        f"With {fewest} seeds the bootstrap intervals are too narrow: do not build on small "
        "differences."
    ]
