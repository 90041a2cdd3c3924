"""How the configurations and versions of runs differ, as rows of a table."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from mastac.algorithms import ALGORITHMS
from mastac.runs.results import Results
from mastac.text import seeds_text

CHOICES = ("algorithm", "kappa", "epochs", "seeds", "preset")
LATER = ("evaluation_interval", "evaluation_episodes", "workers", "partition")
UNUSED, UNKNOWN = "not used", "not stored"


def setting_rows(runs: Sequence[Results]) -> list[dict[str, Any]]:
    """Every choice of the runs.

    **Returns:** for each choice `name`, `values` (a text for each run) and `differs`. A knob that
    an algorithm does not use is `not used`, and differs only among the runs that use it.
    """
    rows = [_row(name, [_choice(run, name) for run in runs]) for name in (*CHOICES, *LATER)]
    knobs = dict.fromkeys(name for run in runs for name in run.config.get("knobs") or {})
    rows += [_row(name, [_knob(run, name) for run in runs]) for name in knobs]
    options = dict.fromkeys(name for run in runs for name in run.env_options)
    rows += [
        _row(f"environment: {name}", [_text(run.env_options, name) for run in runs])
        for name in options
    ]
    return [row for row in rows if set(row["values"]) - {UNUSED, UNKNOWN}]


def version_rows(runs: Sequence[Results]) -> list[dict[str, Any]]:
    """The versions of `mastac` and the libraries that runs were made with; as `setting_rows`."""
    stored = [run.config.get("versions") or {} for run in runs]
    names = dict.fromkeys(name for versions in stored for name in versions)
    rows = [_row(name, [str(each.get(name, UNKNOWN)) for each in stored]) for name in names]
    revisions = [str(run.config.get("git_revision") or UNKNOWN)[:12] for run in runs]
    return [*rows, _row("revision of mastac", revisions)] if rows else []


def _row(name: str, values: list[str]) -> dict[str, Any]:
    differs = len(set(values) - {UNUSED}) > 1
    return {"name": name, "values": values, "differs": differs}


def _choice(run: Results, name: str) -> str:
    how = ALGORITHMS.get(run.algorithm)
    if name == "kappa" and name in run.config and run.config[name] is None:
        return UNUSED if how is not None and not how.uses_kappa else "exact"
    if name == "seeds":
        return seeds_text(run.seeds) or UNKNOWN
    if name == "algorithm":
        return run.algorithm
    if name in ("workers", "partition") and run.config.get(name) is None:
        return UNUSED
    return _text(run.config, name)


def _knob(run: Results, name: str) -> str:
    how = ALGORITHMS.get(run.algorithm)
    try:
        is_used = how is None or how.uses(name)
    except KeyError:  # a knob that this version does not have
        is_used = True
    return _text(run.config.get("knobs") or {}, name) if is_used else UNUSED


def _text(values: Mapping[str, Any], name: str) -> str:
    if name not in values:
        return UNKNOWN
    value = values[name]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
