"""Every seed of every run on one scale, with interquartile means and their intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mastac.pages.markup import Markup, element, joined
from mastac.text import number

TALL = 30  # pixels of a row
MIDDLE = TALL / 2
SHOWN = ("simple policy", "best known")


def strips(data: Mapping[str, Any]) -> Markup | str:
    """One row for each run; places are shares of the width, so that it fits every window."""
    values = [_values(run) for run in data["runs"]]
    references = [entry for entry in data["reference"] if entry["name"] in SHOWN]
    known = [x for row in values for x in row] + [entry["value"] for entry in references]
    if not any(values):
        return ""
    low, high = min(known), max(known)
    room = 0.04 * (high - low) or 1.0
    low, high = low - room, high + room

    def place(x: float) -> str:
        return f"{100 * (x - low) / (high - low):.2f}%"

    rows = [
        element(
            "div",
            element("span", run["run"], class_="name"),
            _strip(run, references, place, k),
            class_="strip",
        )
        for k, run in enumerate(data["runs"])
    ]
    ends = element(
        "div",
        element("span", "", class_="name"),
        element(
            "span",
            element("span", number(low)),
            element("span", number(high)),
            class_="ends",
        ),
        class_="strip",
    )
    said = " Broken lines: " + ", ".join(
        f"{entry['name']} {number(entry['value'])}" for entry in references
    )
    about = (
        "Returns of greedy policies: a ring for each seed, a stroke at the interquartile mean, a "
        f"bar over its 95 % interval.{said + '.' if references else ''}"
    )
    return element("figure", *rows, ends, element("figcaption", about, class_="small"))


def _values(run: Mapping[str, Any]) -> list[float]:
    figures = [*run["greedy_by_seed"], run["iqm"], run["iqm_low"], run["iqm_high"]]
    return [x for x in figures if x is not None]


def _strip(run: Mapping[str, Any], references: Any, place: Any, k: int) -> Markup:
    """The row of one run."""

    def line(x1: float, x2: float, y1: float, y2: float, class_: str) -> Markup:
        return element("line", x1=place(x1), x2=place(x2), y1=y1, y2=y2, class_=class_)

    color = f"run-{k % 7}"
    parts = [line(e["value"], e["value"], 0, TALL, "reference") for e in references]
    if run["iqm_low"] is not None:
        bar = (run["iqm_low"], run["iqm_high"], MIDDLE, MIDDLE)
        parts.append(line(*bar, f"interval {color}"))
    parts += [
        element("circle", cx=place(x), cy=MIDDLE, r=4.5, class_=f"seed {color}")
        for x in run["greedy_by_seed"]
        if x is not None
    ]
    if run["iqm"] is not None:
        parts.append(line(run["iqm"], run["iqm"], 4, TALL - 4, f"middle {color}"))
    said = f"{run['run']}: interquartile mean {number(run['iqm']) or 'not known'}"
    return element("svg", joined(parts), role="img", aria_label=said, height=TALL)
