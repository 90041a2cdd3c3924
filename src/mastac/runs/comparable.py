"""Which runs may stand in one table or figure: those that played the same environment."""

import json
from collections.abc import Collection, Sequence

import numpy as np

from mastac.errors import UserError
from mastac.runs.environment import differences
from mastac.runs.results import Results, differing_options
from mastac.text import number

FIGURES = ("simple", "best_known", "bound")


def check_comparable(
    runs: Sequence[Results],
    may_differ: Collection[str] = (),
    fix: str = "compare runs of one environment at a time",
) -> None:
    """Refuse runs of different environments, or of one environment with different options.

    **Arguments:**

    - `runs`: at least one.
    - `may_differ`: options of the environment that do not change what a policy returns.
    - `fix`: what the user should do instead.

    **Raises:**

    - [`mastac.errors.UserError`][] that names the two runs and what differs.
    """
    if not runs:
        raise UserError("no run folder is given")
    first = runs[0]
    for run in runs[1:]:
        difference = "" if first.env != run.env else _difference(first, run, may_differ)
        if first.env != run.env or difference:
            raise UserError(
                f"'{first.folder}' is a run on {first.env} and '{run.folder}' one on {run.env}"
                f"{difference}; {fix}"
            )


def _difference(first: Results, run: Results, may_differ: Collection[str]) -> str:
    """How the environments of two runs differ apart from their name, as the end of a sentence."""
    options = [name for name in differing_options([first, run]) if name not in may_differ]
    if options:
        said = (
            f"{name}={json.dumps(run.env_options[name])} "
            f"instead of {json.dumps(first.env_options[name])}"
            for name in options
        )
        return f" with {' and '.join(said)}"
    if first.environment and run.environment:
        stored, given = ({**results.environment, "options": {}} for results in (first, run))
        difference = next(differences(stored, given), "")
        if difference:
            return f" that differs: {difference}"
    for name in FIGURES:
        one, two = (_figure(results, name) for results in (first, run))
        if abs(one - two) > 1e-3 * max(abs(one), abs(two)):  # false where either is not known
            return f" with another reference figure ({name} {number(two)} instead of {number(one)})"
    return ""


def _figure(run: Results, name: str) -> float:
    value = run.reference.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not np.isfinite(value):
        return np.nan
    return float(value)
