"""What `mastac variance` says: exact or sampled terms as numbers with intervals, as a table, and in words (numpy)."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mastac.theory.intervals import interval, ratio_interval
from mastac.theory.variance import VarianceTerms

Figure = dict[str, float | None]

MOST_ROWS = 12
COLUMNS = {
    "centralised": "tVar[g_C]",
    "structured": "tVar[g_Q]",
    "ratio": "ratio",
    "rest": "rest",
    "cross": "cross",
    "gap": "bias²",
    "ratio_with_returns": "ratio with returns",
}
LEGEND = (
    "rest: E[|g|² Qbar²], cross: 2 E[|g|² Qhat Qbar], bias²: |E g_C - E g_Q|², zero for exact sets; "
    "tVar[g_C] - tVar[g_Q] = rest + cross - (|E g_C|² - |E g_Q|²)."
)


def variance_report(terms: VarianceTerms, gap: np.ndarray, agents: Sequence[str]) -> dict[str, Any]:
    """The terms of every agent and summed over the agents, ready for JSON.

    Entries of `terms` are [batches, agents], or [1, agents] where they are exact. Each quantity is
    `{"mean", "low", "high"}`. Critics are exact; where batches bring the returns' noise,
    `ratio_with_returns` is what it is where one rollout's return takes the place of each critic.
    `ratio`: centralised over structured.
    """
    return {
        "agents": {name: _figures(terms, gap, [i]) for i, name in enumerate(agents)},
        "total": _figures(terms, gap, list(range(len(agents)))),
    }


def _figures(terms: VarianceTerms, gap: np.ndarray, which: list[int]) -> dict[str, Any]:
    def summed(values: Any) -> np.ndarray:
        return np.asarray(values)[:, which].sum(1)

    central, structured = summed(terms.centralised), summed(terms.structured)
    noise = [
        summed(np.broadcast_to(each, gap.shape))
        for each in (terms.critic_centralised, terms.critic_structured)
    ]
    exact = (central - noise[0], structured - noise[1])
    found = {
        "centralised": interval(exact[0])._asdict(),
        "structured": interval(exact[1])._asdict(),
    }
    found["ratio"] = _ratio(*exact)
    for name in ("own", "rest", "cross", "mean_centralised", "mean_structured"):
        found[name] = interval(summed(getattr(terms, name)))._asdict()
    found["gap"] = interval(summed(gap))._asdict()
    if np.any(noise):
        found |= {
            "noise_centralised": interval(noise[0])._asdict(),
            "noise_structured": interval(noise[1])._asdict(),
        }
        found["ratio_with_returns"] = _ratio(central, structured)
    return found


def _ratio(above: np.ndarray, below: np.ndarray) -> Figure:
    """With an interval; a lower bound alone where what is below cannot be told from zero."""
    over, under = interval(above), interval(below)
    if under.low > 0:
        return ratio_interval(above, below)._asdict()
    return {
        "mean": None,
        "low": max(0.0, over.low / under.high) if under.high > 0 else None,
        "high": None,
    }


def report_text(report: dict[str, Any]) -> str:
    """Setting, table, legend, conclusion."""
    rows = _rows(report)
    columns = {name: head for name, head in COLUMNS.items() if name in rows[0][1]}
    head = ("agent", *columns.values())
    cells = [(name, *(_cell(figures[column]) for column in columns)) for name, figures in rows]
    widths = [max(len(row[k]) for row in (head, *cells)) for k in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in (head, *cells)
    ]
    lines.insert(1, "  ".join("─" * width for width in widths))
    table = "\n".join(line.rstrip() for line in lines)
    setting = "\n".join(f"{name:<9} {value}" for name, value in report["setting"].items())
    return f"{setting}\n\n{table}\n\n{LEGEND}\n\n{report['conclusion']}"


def _rows(report: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    agents = report["agents"]
    if len(agents) == 1:
        return list(agents.items())
    total = [("all, summed", report["total"])]
    if len(agents) <= MOST_ROWS:
        return [*agents.items(), *total]
    by_ratio = sorted(agents, key=lambda name: (agents[name]["ratio"]["mean"] or np.inf, name))
    return [
        *(
            (name, agents[name])
            for name in (by_ratio[0], by_ratio[len(by_ratio) // 2], by_ratio[-1])
        ),
        *total,
    ]


def _cell(figure: Figure) -> str:
    if figure["mean"] is None or figure["low"] is None or figure["high"] is None:
        return "" if figure["low"] is None else f"> {figure['low']:.3g}"
    half = (figure["high"] - figure["low"]) / 2
    return f"{figure['mean']:.4g}" if half == 0 else f"{figure['mean']:.4g} ± {half:.2g}"


def conclusion(report: dict[str, Any], everybody: bool) -> str:
    """One or two sentences; `everybody`: all policies move all values."""
    figures = report["total"]
    if everybody:
        return "Every policy moves every value, so both estimators are one: with these sets the structure gains nothing."
    ratio, among = (
        figures["ratio"],
        "" if len(report["agents"]) == 1 else ", summed over the agents,",
    )
    if ratio["mean"] is None:
        least = "" if ratio["low"] is None else f"; it is smaller at least {ratio['low']:.3g} times"
        return f"The structured estimator's total variance{among} cannot be told from zero{least}. {_about_bias(figures)}"
    between = (
        ""
        if ratio["low"] == ratio["high"]
        else f" (95 %: {ratio['low']:.3g} to {ratio['high']:.3g})"
    )
    words = f"The structured estimator's total variance{among}"
    if ratio["low"] > 1 + 1e-9:
        said = f"{words} is {ratio['mean']:.3g} times smaller{between}."
    elif ratio["high"] < 1 - 1e-9:
        said = f"{words} is larger, the ratio is {ratio['mean']:.3g}{between}: the cross term outweighs the rest."
    else:
        said = f"{words} differs from the centralised one's by less than can be told, ratio {ratio['mean']:.3g}{between}."
    return f"{said} {_about_bias(figures)}"


def _about_bias(figures: dict[str, Any]) -> str:
    gap, gradient = figures["gap"], figures["mean_centralised"]
    if gap["low"] == gap["high"]:
        relative = np.sqrt(gap["mean"] / gradient["mean"]) if gradient["mean"] > 0 else np.inf
        if relative < 1e-9:
            return "Both have the same mean: the structure adds no bias."
        return f"Their means differ by {relative:.2g} of the gradient's norm."
    if gap["low"] > 0:
        return f"Their means differ: the bias squared is at least {gap['low']:.2g} (gradient {gradient['mean']:.2g})."
    return (
        f"No bias shows: its square is below {gap['high']:.2g} (gradient {gradient['mean']:.2g})."
    )
