"""The figures of a graph report as text."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mastac.analysis.answers_text import edges_text, influence_text, member_table, messages_text
from mastac.analysis.text_tables import (
    counted,
    kappa_label,
    percent,
    range_cells,
    range_text,
    text_table,
)


def format_report(report: Mapping[str, Any], width: int = 100, members: int = 20) -> str:
    """The text of a [`graph_report`][mastac.analysis.report.graph_report].

    **Arguments:**

    - `report`: the figures.
    - `width`: the most columns of a line.
    - `members`: the most rows of a table that lists agents.
    """
    text = io.StringIO()
    console = Console(file=text, width=width, color_system=None, highlight=False, emoji=False)
    names = report["agents"]
    shown = ", ".join(names[:6]) + (", …" if len(names) > 6 else "")
    console.print(f"{counted(len(names), 'agent')}: {escape(shown)}\n")
    console.print(_graphs(report))
    if report.get("steps") is not None:
        console.print(_schedule(report["steps"], width))
    for table in (_sets(report), _critics(report) + "\n", _windows(report)):
        console.print(table)
    console.print(escape("\n".join(_advice(report["advice"], width))) + "\n")
    if report["agent"] is not None:
        console.print(member_table(report["agent"], report.get("steps"), members, width))
    if report["why"] is not None:
        console.print(escape(report["why"]["text"]) + "\n")
    if report["edges"] is not None:
        console.print(*edges_text(report["edges"], report["links"]), sep="\n")
    if report["messages"] is not None:
        console.print(*messages_text(report, members), sep="\n")
    if report.get("influence") is not None:
        console.print(*influence_text(report), sep="\n")
    lines = text.getvalue().splitlines()
    return "\n".join(line.rstrip() for line in lines).strip() + "\n"


def _graphs(report: Mapping[str, Any]) -> Table:
    rows = []
    for name, graph in report["graphs"].items():
        label = name.replace("_", " ")
        if graph["same_as"]:
            rows.append((label, f"as {graph['same_as']}", "", ""))
        else:
            sources = range_text(graph["sources"])
            rows.append((label, f"{graph['edges']:,}", percent(graph["density"]), sources))
    columns = ("graph", "edges", "density", "sources of an agent")
    return text_table("Couplings (an agent always affects itself; not counted)", columns, rows)


def _schedule(steps: int, width: int) -> str:
    """What the figures of a sequence are of."""
    text = (
        f"The couplings change over {counted(steps, 'step')}. Sizes, costs, edges and "
        "messages are those of the union of all steps, which no step exceeds. A kappa is exact "
        "if it is so at every step. --agent and --why tell of the first step."
    )
    return textwrap.fill(text, width) + "\n"


def _sets(report: Mapping[str, Any]) -> Table:
    sets = report["sets"]
    labels = {
        "agents": "agents that a value depends on",
        "states": "  by their states",
        "actions": "  by their actions",
        "paper": "the paper's larger set",
        "gradient": "values that an agent's policy moves",
    }
    if sets["states"] == sets["actions"] == sets["agents"]:
        labels = {key: label for key, label in labels.items() if key not in ("states", "actions")}
    kappa, exact_from = report["kappa"], report["exact_from"]
    title = "Sets, exact" if kappa is None else f"Sets, kappa = {kappa}"
    if kappa is not None and report["exact"]:
        title += " (exact)"
    if exact_from is not None:
        title += f"; every kappa from {exact_from} on is exact"
    title += "\n(kappa: rewards up to kappa steps ahead count; exact: all)"
    rows = [(label, *range_cells(sets[key])) for key, label in labels.items()]
    return text_table(title, ("set", "smallest", "median", "largest"), rows)


def _critics(report: Mapping[str, Any]) -> str:
    critics, central, number = report["critics"], report["critics"]["central"], report["num_agents"]
    layers = " x ".join(map(str, critics["hidden"])) or "none"
    unit = "" if critics["sizes_given"] else "; each state and action counted as one number"
    inputs = 1 - critics["inputs"]["total"] / max(1, central["inputs"] * number)
    return "\n".join(
        (
            f"Critics (hidden layers {layers}{unit})",
            f"  one for each agent: {range_text(critics['inputs'])} inputs, "
            f"{critics['parameters']:,} parameters in all",
            f"  central instead:    {central['inputs']:,} inputs, {central['parameters_each']:,} "
            f"parameters, {central['parameters']:,} for {counted(number, 'agent')}",
            f"  saving:             {percent(critics['saving'])} of the parameters, "
            f"{percent(inputs)} of the inputs",
        )
    )


def _windows(report: Mapping[str, Any]) -> Table:
    rows = [
        (
            kappa_label(row, report),
            *range_cells(row["agents"]),
            f"{row['inputs']['largest']:,}",
            f"{row['parameters']:,}",
            percent(row["saving"]),
        )
        for row in report["windows"]
    ]
    columns = ("kappa", "smallest", "median", "largest set", "inputs up to", "parameters", "saving")
    return text_table("What each kappa costs", columns, rows)


def _advice(advice: Mapping[str, Any], width: int) -> Iterator[str]:
    """What to try first: the command stands on a line of its own, sentences are wrapped."""
    yield "What to try first"
    yield f"  {advice['command']}"
    alternatives = (
        f"Or {alternative['method']}: {alternative['when']}."
        for alternative in advice["alternatives"]
    )
    warnings = (f"But: {warning}" for warning in advice["warnings"])
    for sentence in (advice["why"], *alternatives, *advice["findings"], *warnings):
        yield from textwrap.wrap(
            sentence, width, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False
        )
