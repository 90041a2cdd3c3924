"""The parts of a report that are tables alone: agents, structure, configuration, versions."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

from mastac.pages.markup import Markup, element, joined, table_of
from mastac.text import number, plus_minus

MOST_ROWS = 40
"""So many agents are listed, the worst first."""
FEW_ROWS = 12
"""A longer list is folded away at first."""
AGENT_MEASURES = (
    (
        "violation",
        "steps beyond a limit",
        lambda share: f"{100 * share:.1f} %",
        "Steps beyond a limit are the share of the evaluated steps at which one of the agent's "
        "states or actions was beyond a limit that the environment declares. ",
    ),
    (
        "gradient_norm",
        "gradient norm",
        lambda norm: f"{norm:.3g}",
        "The gradient norm is that of the agent's policy in the last epochs: where it is far from "
        "zero, the policy was still changing, or its critic was noisy. ",
    ),
)
"""What is told of each agent beside its return: key, head of the column, as text, its meaning."""
Shown = Sequence[tuple[str, Mapping[str, Any]]]
"""Names of runs, with the figures of their agents."""
GRAPHS = {
    "state": "state",
    "action": "action",
    "observation": "observation",
    "reward": "reward",
    "reward_action": "reward, of actions",
}


def agents_part(data: Mapping[str, Any]) -> Markup | None:
    """Single agents: the worst of each run, and the return and the measures of each agent."""
    found = data["agents"]
    if found is None:
        return None
    names = found["names"]
    shown = [
        (run["run"], figures)
        for run, figures in zip(data["runs"], found["runs"], strict=True)
        if figures is not None and any(x is not None for x in figures["mean"])
    ]
    if not shown:
        return None
    summary = [(run, *_ends(names, figures["mean"])) for run, figures in shown]
    best = max(shown, key=lambda pair: sum(x or 0.0 for x in pair[1]["mean"]))
    order = sorted(range(len(names)), key=lambda k: _or_least(best[1]["mean"][k]))[:MOST_ROWS]
    left = len(names) - len(order)
    more = f" {left:,} more agents are left out; summary.json has all." if left else ""
    tables = _agent_tables(names, shown, order)
    note = (
        "Mean returns of the greedy policies, each agent's own rewards alone; ± is the standard "
        "deviation over seeds. "
        + "".join(meaning for *_, meaning in _measures(shown))
        + f"Agents are in the order of {best[0]}, the worst first.{more}"
    )
    title = f"The {len(order)} worst agents" if left else "Every agent"
    head = ("run", "worst agent", "its return", "median", "best agent", "its return")
    return joined(
        [
            table_of("The worst and the best agent of each run", head, summary, words=(1, 4)),
            element("details", element("summary", title), *tables, open=len(order) <= FEW_ROWS),
            element("p", note, class_="small"),
        ]
    )


def _measures(shown: Shown) -> list[Any]:
    """Of `AGENT_MEASURES` those that a run has."""
    return [
        measure
        for measure in AGENT_MEASURES
        if any(x is not None for _, figures in shown for x in figures[measure[0]])
    ]


def _agent_tables(names: Sequence[str], shown: Shown, order: Sequence[int]) -> list[Markup]:
    """One table of a run with all its figures; of several runs a table for each figure."""

    def column(key: str, text: Callable[[float], str]) -> Callable[..., str]:
        return lambda figures, k: "" if (x := figures[key][k]) is None else text(x)

    def returns(figures: Mapping[str, Any], k: int) -> str:
        return plus_minus(figures["mean"][k], figures["std"][k])

    columns = [(head, column(key, text)) for key, head, text, _ in _measures(shown)]
    columns = [("return", returns), *columns]
    if len(shown) == 1:
        [(run, figures)] = shown
        rows = [(names[k], *(cell(figures, k) for _, cell in columns)) for k in order]
        return [table_of(f"Agents of {run}", ("agent", *(head for head, _ in columns)), rows)]
    return [
        table_of(
            f"{head.capitalize()} of each agent",
            ("agent", *(run for run, _ in shown)),
            [(names[k], *(cell(figures, k) for _, figures in shown)) for k in order],
        )
        for head, cell in columns
    ]


def structure_part(systems: Sequence[Mapping[str, Any]]) -> Markup | None:
    """The graphs, and what the sets cost.

    **Arguments:**

    - `systems`: for each of them `runs`, `agents` (their number), `graphs` (edges by name),
        `windows` and `central` of [`graph_report`][mastac.analysis.graph_report], `used` (for each
        window the runs that use it), `others` (runs that use no sets), `picture` (an SVG, or
        `None`), and `command`, which shows more.
    """
    parts: list[object] = []
    for system in systems:
        if len(systems) > 1:
            parts.append(element("h3", f"Graphs of {', '.join(system['runs'])}"))
        edges = [f"{GRAPHS[name]} {count:,}" for name, count in system["graphs"].items() if count]
        parts.append(
            element(
                "p",
                f"{system['agents']:,} agents. Edges: {'; '.join(edges) or 'none'}. "
                "Each agent also affects itself.",
            )
        )
        if system["picture"]:
            parts.append(_picture(system["picture"], edges))
        parts.append(_windows(system))
        more = element("p", "To click through the graphs: ", element("code", system["command"]))
        parts.append(more)
    return joined(parts) if parts else None


def _picture(svg: str, edges: Sequence[str]) -> Markup:
    # An image of its own: nothing in it can run, and its names of styles stay its own.
    source = base64.b64encode(svg.encode()).decode()
    alt = f"The graphs, an arrow from each agent to those it affects. Edges: {'; '.join(edges)}."
    return element("img", src=f"data:image/svg+xml;base64,{source}", alt=alt, class_="graphs")


def _windows(system: Mapping[str, Any]) -> Markup:
    rows = [
        (
            f"{row['kappa']}{' (exact)' if row['exact'] else ''}",
            f"{row['agents']['median']:,}",
            f"{row['agents']['largest']:,}",
            f"{row['parameters']:,}",
            f"{100 * row['saving']:.1f} %",
            ", ".join(used),
        )
        for row, used in zip(system["windows"], system["used"], strict=True)
    ]
    head = ("κ", "median set", "largest set", "weights of all critics", "saved", "used by")
    others = ", ".join(system["others"])
    note = (
        "A set holds the agents that a value depends on; κ is how many steps ahead rewards count. "
        f"Saved: against central critics, which have {system['central']:,} weights."
        + (f" No such sets are used by {others}." if others else "")
    )
    table = table_of("Dependency sets and what critics cost at each κ", head, rows, words=(5,))
    return joined([table, element("p", note, class_="small")])


def settings_part(data: Mapping[str, Any]) -> Markup:
    """What differs between the runs; all else is folded away."""
    names = [run["run"] for run in data["runs"]]
    differs = [row for row in data["settings"] if row["differs"]]
    alike = [row for row in data["settings"] if not row["differs"]]
    parts: list[object] = []
    if differs:
        parts.append(_values_table("What differs", names, differs))
    elif len(names) > 1:
        parts.append(element("p", "All runs have the same configuration."))
    if alike:
        rows = [(row["name"], _common(row["values"])) for row in alike]
        what = "What is the same in all runs" if len(names) > 1 else "All choices"
        table = table_of(what, ("choice", "value"), rows, words=(1,))
        parts.append(element("details", element("summary", f"{what} ({len(rows)})"), table))
    return joined(parts)


def versions_part(data: Mapping[str, Any]) -> Markup:
    """What the runs were made with."""
    rows = data["versions"]
    if not rows:
        return element("p", "No versions are stored.")
    if any(row["differs"] for row in rows):
        return _values_table("Versions", [run["run"] for run in data["runs"]], rows)
    pairs = [(row["name"], row["values"][0]) for row in rows]
    return table_of("Versions, the same for all runs", ("what", "version"), pairs)


def repeat_part(data: Mapping[str, Any], again: str) -> Markup:
    """The commands that train the runs again, and the one that wrote this page."""
    parts: list[object] = []
    for run in data["runs"]:
        why = f"The command is not known: {run['why_no_command']}."
        told = element("pre", run["command"], tabindex="0") if run["command"] else element("p", why)
        parts += [element("h3", run["run"]), told]
    return joined(
        [
            *parts,
            element("h3", "This page"),
            element("pre", again, tabindex="0"),
            element(
                "p",
                "With the versions above and the same kind of device, the same command gives the "
                "same numbers.",
                class_="small",
            ),
        ]
    )


def _values_table(caption: str, names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> Markup:
    return table_of(caption, ("", *names), [(row["name"], *row["values"]) for row in rows])


def _common(values: Sequence[str]) -> str:
    """The value that all have which use it."""
    return next((value for value in values if value != "not used"), values[0])


def _ends(names: Sequence[str], means: Sequence[float | None]) -> tuple[str, ...]:
    known = sorted((x, name) for x, name in zip(means, names, strict=True) if x is not None)
    (worst, last), (best, first) = known[0], known[-1]
    return last, number(worst), number(median(x for x, _ in known)), first, number(best)


def _or_least(value: float | None) -> float:
    return float("-inf") if value is None else value
