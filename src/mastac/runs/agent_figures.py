"""What a run folder knows of each agent alone. Needs no JAX."""

from pathlib import Path
from typing import Any

from mastac.errors import UserError
from mastac.runs.environment import read_environment
from mastac.runs.folder import RunFolder, read_summary

ENDING = "_by_agent"
TITLES = {
    "greedy": "return of the greedy policy",
    "greedy_std": "deviation of that return over seeds",
    "violation": "share of steps beyond a limit",
    "gradient_norm": "norm of the policy's gradient at the end of training",
}
"""What figures are called; others by their name in the summary."""


def figures_by_agent(folder: str | Path) -> dict[str, dict[str, float | None]]:
    """The figures of each agent in the summary of a run, by what they are and by agent.

    Every entry `<what>_by_agent` of `summary.json` counts; `None` stands for what is not known.

    **Raises:**

    - [`mastac.errors.UserError`][] for what is no run folder, and for a run that has not ended or
        that knows nothing of single agents.
    """
    run = RunFolder(folder)
    run.read_config()
    if not run.summary.exists():
        raise UserError(
            f"the run '{folder}' has no results yet; end it with '{run.how_to_resume()}'"
        )
    summary = read_summary(run)
    figures = {
        TITLES.get(what := name.removesuffix(ENDING), what.replace("_", " ")): entries
        for name, entries in summary.items()
        if name.endswith(ENDING) and isinstance(entries, dict) and _has_numbers(entries)
    }
    if not figures:
        raise UserError(f"the summary of the run '{folder}' has no figure of single agents")
    return figures


def stored_sizes(folder: str | Path, num_agents: int) -> tuple[list[int], list[int]] | None:
    """Numbers of each agent's state and action, `[agents]`; `None` where the folder has none."""
    run = RunFolder(folder)
    stored = read_environment(run) if run.environment.exists() else {}
    sizes = [_each(stored.get(f"{kind}_sizes"), num_agents) for kind in ("state", "action")]
    return None if sizes[0] is None or sizes[1] is None else (sizes[0], sizes[1])


def _has_numbers(entries: dict[str, Any]) -> bool:
    known = [value for value in entries.values() if value is not None]
    return bool(known) and all(isinstance(value, int | float) for value in known)


def _each(sizes: Any, num_agents: int) -> list[int] | None:
    each = sizes if isinstance(sizes, list) else [sizes] * num_agents
    is_known = len(each) == num_agents and all(isinstance(size, int) and size >= 0 for size in each)
    return each if is_known else None
