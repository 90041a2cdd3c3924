"""What `mastac variance` says: terms as numbers with intervals, as a table, and in words."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mastac.text import table
from mastac.theory.intervals import interval, ratio_interval
from mastac.theory.variance import VarianceTerms

Figure = dict[str, float | None]
"""A number with its interval: `mean`, `low`, `high`."""

MOST_ROWS = 12
ROUNDING = 1e-9  # what exact figures may differ by
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
    "rest: E[|g|² Qbar²], cross: 2 E[|g|² Qhat Qbar], bias²: |E g_C - E g_Q|², zero for exact "
    "sets; tVar[g_C] - tVar[g_Q] = rest + cross - (|E g_C|² - |E g_Q|²)."
)


def variance_report(terms: VarianceTerms, gap: np.ndarray, agents: Sequence[str]) -> dict[str, Any]:
    """The terms of every agent and summed over the agents, ready for JSON.

    **Arguments:**

    - `terms`: arrays [batches, agents], or [1, agents] where they are exact.
    - `gap`: the squared norm of the difference of the estimators' means, of the same shape.
    - `agents`: the names of the agents.

    **Returns:**

    `agents`, by name, and `total`. Each quantity is `{"mean", "low", "high"}`; `ratio` is the
    total variance of the centralised estimator over that of the structured one. Both are for exact
    critics; where batches bring the returns' noise, `ratio_with_returns` is the ratio when one
    rollout's return takes the place of each critic.
    """
    return {
        "agents": {name: _figures(terms, gap, [i]) for i, name in enumerate(agents)},
        "total": _figures(terms, gap, list(range(len(agents)))),
    }


def _figures(terms: VarianceTerms, gap: np.ndarray, which: list[int]) -> dict[str, Any]:
    """The figures of some agents, summed over them."""

    def summed(values: Any) -> np.ndarray:
        return np.asarray(values)[:, which].sum(1)

    centralised, structured = summed(terms.centralised), summed(terms.structured)
    noise = [
        summed(np.broadcast_to(term, gap.shape))
        for term in (terms.critic_centralised, terms.critic_structured)
    ]
    exact = (centralised - noise[0], structured - noise[1])
    figures = {
        "centralised": interval(exact[0])._asdict(),
        "structured": interval(exact[1])._asdict(),
    }
    figures["ratio"] = _ratio(*exact)
    for name in ("own", "rest", "cross", "mean_centralised", "mean_structured"):
        figures[name] = interval(summed(getattr(terms, name)))._asdict()
    figures["gap"] = interval(summed(gap))._asdict()
    if np.any(noise):
        figures |= {
            "noise_centralised": interval(noise[0])._asdict(),
            "noise_structured": interval(noise[1])._asdict(),
        }
        figures["ratio_with_returns"] = _ratio(centralised, structured)
    return figures


def _ratio(above: np.ndarray, below: np.ndarray) -> Figure:
    """A ratio of means; a lower bound only where the denominator cannot be told from zero."""
    numerator, denominator = interval(above), interval(below)
    if denominator.low > 0:
        return ratio_interval(above, below)._asdict()
    least = max(0.0, numerator.low / denominator.high) if denominator.high > 0 else None
    return {"mean": None, "low": least, "high": None}


def report_text(report: dict[str, Any]) -> str:
    """A report as text: setting, table, legend, conclusion."""
    rows = _rows(report)
    columns = {name: head for name, head in COLUMNS.items() if name in rows[0][1]}
    cells = [(name, *(_cell(figures[column]) for column in columns)) for name, figures in rows]
    setting = "\n".join(f"{name:<9} {value}" for name, value in report["setting"].items())
    figures = table(("agent", *columns.values()), cells)
    return f"{setting}\n\n{figures}\n\n{LEGEND}\n\n{report['conclusion']}"


def _rows(report: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """All agents and their sum; of many agents those of the smallest, median and largest ratio."""
    agents = report["agents"]
    if len(agents) == 1:
        return list(agents.items())
    total = ("all, summed", report["total"])
    if len(agents) <= MOST_ROWS:
        return [*agents.items(), total]
    by_ratio = sorted(agents, key=lambda name: (agents[name]["ratio"]["mean"] or np.inf, name))
    shown = (by_ratio[0], by_ratio[len(by_ratio) // 2], by_ratio[-1])
    return [*((name, agents[name]) for name in shown), total]


def _cell(figure: Figure) -> str:
    if figure["mean"] is None or figure["low"] is None or figure["high"] is None:
        return "" if figure["low"] is None else f"> {figure['low']:.3g}"
    half = (figure["high"] - figure["low"]) / 2
    return f"{figure['mean']:.4g}" if half == 0 else f"{figure['mean']:.4g} ± {half:.2g}"


def conclusion(report: dict[str, Any], all_moved: bool) -> str:
    """What the report shows, in one or two sentences.

    **Arguments:**

    - `report`: from [`variance_report`][].
    - `all_moved`: whether the value of every agent depends on every policy.
    """
    if all_moved:
        return (
            "Every policy affects every value, so both estimators are one: with these sets the "
            "structure gains nothing."
        )
    ratio, bias = report["total"]["ratio"], _about_bias(report["total"])
    among = "" if len(report["agents"]) == 1 else ", summed over the agents,"
    words = f"The structured estimator's total variance{among}"
    if ratio["mean"] is None:
        least = "" if ratio["low"] is None else f"; it is smaller at least {ratio['low']:.3g} times"
        return f"{words} cannot be told from zero{least}. {bias}"
    between = ""
    if ratio["low"] != ratio["high"]:
        between = f" (95 %: {ratio['low']:.3g} to {ratio['high']:.3g})"
    mean = f"{ratio['mean']:.3g}"
    if ratio["low"] > 1 + ROUNDING:
        return f"{words} is {mean} times smaller{between}. {bias}"
    if ratio["high"] < 1 - ROUNDING:
        larger = f"is larger, the ratio is {mean}{between}: the cross term outweighs the rest"
        return f"{words} {larger}. {bias}"
    alike = f"differs from the centralised one's by less than can be told, ratio {mean}{between}"
    return f"{words} {alike}. {bias}"


def _about_bias(figures: dict[str, Any]) -> str:
    """Whether the estimators' means differ, in one sentence."""
    gap, gradient = figures["gap"], figures["mean_centralised"]
    if gap["low"] == gap["high"]:
        relative = np.sqrt(gap["mean"] / gradient["mean"]) if gradient["mean"] > 0 else np.inf
        if relative < ROUNDING:
            return "Both have the same mean: the structure adds no bias."
        return f"Their means differ by {relative:.2g} of the gradient's norm."
    squared = f"(gradient {gradient['mean']:.2g})"
    if gap["low"] > 0:
        return f"Their means differ: the bias squared is at least {gap['low']:.2g} {squared}."
    return f"No bias shows: its square is below {gap['high']:.2g} {squared}."
