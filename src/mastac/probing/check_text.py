"""The report of a check in words. Imports no JAX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mastac.probing.findings import Finding
from mastac.structure import CouplingSequence
from mastac.structure.couplings import GRAPHS

if TYPE_CHECKING:
    from mastac.probing.checking import Check

SHOWN = 12
"""Findings of a kind that are listed; the others are counted."""

CONSEQUENCES = {
    "grow": ("With what is missing", "largest_with_missing"),
    "shrink": ("Once what is superfluous is left out", "largest_needed"),
}


def check_text(check: Check) -> str:
    """The report: a table of the graphs, the findings, what they mean, and what may have been missed."""
    how = "derivatives and paired changes" if check.effects.derivatives else "paired changes"
    head = (
        f"{check.name}: {len(check.effects.agents)} agents, {check.effects.num_points} random points, "
        f"{how} of every agent's state and action"
    )
    parts = [head, _table(check)]
    if check.missing:
        parts.append(
            _listed(
                "missing: the simulator has these edges and the couplings do not", check.missing
            )
        )
    if check.superfluous:
        parts.append(_listed("superfluous: declared, and never seen to matter", check.superfluous))
        if any(_is_default(check, each.graph) for each in check.superfluous):
            parts.append(_DEFAULTED)
    parts.append("\n".join([*_verdict(check), _misses(check)]))
    return "\n\n".join(parts)


_DEFAULTED = (
    "where the couplings leave action out, it is as state, and reward_action is as reward; declare them, and the\n"
    "sets of actions get smaller"
)


def _is_default(check: Check, graph: str) -> bool:
    first = check.declared[0] if isinstance(check.declared, CouplingSequence) else check.declared
    default = {"action": "state", "reward_action": "reward"}.get(graph)
    return default is not None and getattr(first, graph) is getattr(first, default)


def _table(check: Check) -> str:
    lines = [f"{'graph':<15}{'declared':>9}{'seen':>9}{'missing':>9}{'superfluous':>13}"]
    for graph in GRAPHS:
        counts = check.counts(graph)
        if counts is None:
            lines.append(f"{graph:<15}not probed: the simulator has no observations")
        else:
            lines.append(
                f"{graph:<15}{counts['declared']:>9}{counts['seen']:>9}{counts['missing']:>9}{counts['superfluous']:>13}"
            )
    return "\n".join(lines)


def _listed(title: str, findings: Sequence[Finding]) -> str:
    shown = findings[:SHOWN]
    edges = [f"{each.source} -> {each.target}" for each in shown]
    width = max(map(len, edges))
    lines = [title]
    lines += [
        f"  {each.graph:<14} {edge:<{width}}  {_evidence(each)}"
        for each, edge in zip(shown, edges, strict=True)
    ]
    if len(findings) > SHOWN:
        lines.append(f"  … and {len(findings) - SHOWN} more (--json lists all)")
    return "\n".join(lines)


def _evidence(finding: Finding) -> str:
    when = "" if finding.times is None else f" at {_times(finding.times)}"
    if finding.example is None:
        return f"never at {finding.points} points{when}"
    words = (
        f"at {finding.seen} of {finding.points} points{when}, moves it by up to {finding.largest:.3g} "
        f"(point {finding.example}, time {finding.time})"
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


def _verdict(check: Check) -> list[str]:
    if not check.missing and not check.superfluous:
        return ["The declared graphs are those of the simulator, as far as these points show."]
    lines = []
    agents = len(check.effects.agents)
    if check.missing:
        lines.append(
            f"{_edges(len(check.missing))} missing: the sets are not exact. Add what is missing."
        )
    else:
        lines.append(
            f"Nothing is missing. {_edges(len(check.superfluous))} superfluous: this is wasteful, not wrong."
        )
    for row in check.consequences:
        sets = "exact sets" if row["kappa"] is None else f"windows of kappa = {row['kappa']}"
        for what, (once, largest) in CONSEQUENCES.items():
            if what in row:
                lines.append(
                    f"{once}, the {sets} of {row[what]:,} of {agents:,} agents {what}: the largest critic reads "
                    f"{row['largest']:,} numbers now, and then {row[largest]:,}."
                )
    return lines


def _edges(count: int) -> str:
    return "1 edge is" if count == 1 else f"{count:,} edges are"


def _misses(check: Check) -> str:
    at = f" at a time (at least {check.points} points each)" if check.effects.by_time else ""
    return misses_text(check.misses, at)


def misses_text(misses: Mapping[float, float], at: str = "") -> str:
    """With which probability edges that show at some shares of the points are missed, as a sentence."""
    (share, chance), *rest = misses.items()
    first = f"The probability of missing an edge that shows at {_percent(share)} of the points{at}: {_percent(chance)}"
    return (
        "; ".join([first, *(f"at {_percent(share)}: {_percent(chance)}" for share, chance in rest)])
        + "."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share >= 1e-6 else "less than 0.0001 %"
