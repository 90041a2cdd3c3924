"""The report of a check in words. Imports no JAX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mastac.probing.findings import Finding

SHOWN = 12
"""Findings of a kind that are listed; the others are counted."""
DEFAULTED = (
    "where the couplings leave action out, it is as state, and reward_action is as reward; declare "
    "them, and the\nsets of actions get smaller"
)


def counts_text(counts: Mapping[str, Mapping[str, int] | None]) -> str:
    """A table of the graphs; `None` for one that was not probed."""
    lines = [f"{'graph':<15}{'declared':>9}{'seen':>9}{'missing':>9}{'superfluous':>13}"]
    for graph, edges in counts.items():
        if edges is None:
            lines.append(f"{graph:<15}not probed: the simulator has no observations")
        else:
            lines.append(
                f"{graph:<15}{edges['declared']:>9}{edges['seen']:>9}{edges['missing']:>9}"
                f"{edges['superfluous']:>13}"
            )
    return "\n".join(lines)


def findings_text(title: str, findings: Sequence[Finding]) -> str:
    """Findings of one kind, each with its evidence."""
    shown = findings[:SHOWN]
    edges = [f"{finding.source} -> {finding.target}" for finding in shown]
    width = max(map(len, edges))
    lines = [title]
    lines += [
        f"  {finding.graph:<14} {edge:<{width}}  {_evidence(finding)}"
        for finding, edge in zip(shown, edges, strict=True)
    ]
    if len(findings) > SHOWN:
        lines.append(f"  … and {len(findings) - SHOWN} more (--json lists all)")
    return "\n".join(lines)


def verdict_text(
    missing: int, superfluous: int, num_agents: int, consequences: Sequence[Mapping[str, Any]]
) -> str:
    """What the findings mean for the sets.

    Everything that is said of sets comes from `Check.consequences`, so that no sentence says
    otherwise than another.

    **Arguments:**

    - `missing`, `superfluous`: numbers of edges.
    - `num_agents`: number of agents, each with a set.
    - `consequences`: of the exact sets and of windows, as `Check.consequences`.
    """
    if not missing and not superfluous:
        return "The declared graphs are those of the simulator, as far as these points show."
    lines = []
    if missing:
        lines.append(_missing_text(missing, num_agents, consequences))
    else:
        lines.append("Nothing is missing.")
    if superfluous:
        lines.append(_superfluous_text(superfluous, num_agents, consequences))
    return "\n".join(lines)


def misses_text(misses: Mapping[float, float], at: str = "") -> str:
    """With which probability edges that show at some shares of the points are missed."""
    (share, chance), *rest = misses.items()
    first = (
        f"The probability of missing an edge that shows at {_percent(share)} of the points{at}: "
        f"{_percent(chance)}"
    )
    others = [f"at {_percent(share)}: {_percent(chance)}" for share, chance in rest]
    return "; ".join([first, *others]) + "."


def _missing_text(missing: int, num_agents: int, consequences: Sequence[Mapping[str, Any]]) -> str:
    growing = [row for row in consequences if row["grow"]]
    head = f"{_edges(missing)} missing"
    if not growing:
        return (
            f"{head}, and {_listed(consequences)} are the same with and without. Add what is "
            "missing all the same: other windows may change."
        )
    grow = [
        f"With what is missing, the {_sets(row)} of {row['grow']:,} of {num_agents:,} agents grow: "
        f"the largest critic reads {row['largest']:,} numbers now, and then "
        f"{row['largest_with_missing']:,}."
        for row in growing
    ]
    exact = all(row["kappa"] is not None for row in growing)
    verdict = "the exact sets are not affected" if exact else "the sets are not exact"
    return "\n".join([f"{head}: {verdict}. Add what is missing.", *grow])


def _superfluous_text(
    superfluous: int, num_agents: int, consequences: Sequence[Mapping[str, Any]]
) -> str:
    shrinking = [row for row in consequences if row["shrink"]]
    head = f"{_edges(superfluous)} superfluous"
    if not shrinking:
        return f"{head}, and {_listed(consequences)} are no larger for it."
    shrink = [
        f"Once what is superfluous is left out, the {_sets(row)} of {row['shrink']:,} of "
        f"{num_agents:,} agents shrink: the largest critic reads {row['largest_with_missing']:,} "
        f"numbers before, and then {row['largest_needed']:,}."
        for row in shrinking
    ]
    return "\n".join([f"{head}: this is wasteful, not wrong.", *shrink])


def _sets(row: Mapping[str, Any]) -> str:
    return "exact sets" if row["kappa"] is None else f"windows of kappa = {row['kappa']}"


def _listed(consequences: Sequence[Mapping[str, Any]]) -> str:
    return " and ".join(f"the {_sets(row)}" for row in consequences)


def _evidence(finding: Finding) -> str:
    when = "" if finding.times is None else f" at {_times(finding.times)}"
    if finding.example is None:
        return f"never at {finding.points} points{when}"
    words = (
        f"at {finding.seen} of {finding.points} points{when}, moves it by up to "
        f"{finding.largest:.3g} (point {finding.example}, time {finding.time})"
    )
    return words if finding.reached else f"{words}; only from states that no rollout reached"


def _times(times: Sequence[int]) -> str:
    """Times as ranges: 0-3, 8, 10-11."""
    ranges: list[list[int]] = []
    for time in sorted(times):
        if ranges and time == ranges[-1][1] + 1:
            ranges[-1][1] = time
        else:
            ranges.append([time, time])
    words = [str(first) if first == last else f"{first}-{last}" for first, last in ranges]
    more = "" if len(words) <= 8 else f", … ({len(times)} times)"
    return ("time " if len(times) == 1 else "times ") + ", ".join(words[:8]) + more


def _edges(count: int) -> str:
    return "1 edge is" if count == 1 else f"{count:,} edges are"


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share >= 1e-6 else "less than 0.0001 %"
