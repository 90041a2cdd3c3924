"""The page of `mastac report`: tables that need no script, and curves that need one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mastac.pages.markup import Markup, element, joined, table_of
from mastac.pages.page import page
from mastac.pages.report_comparison import comparison_part, verdict
from mastac.pages.report_parts import (
    agents_part,
    repeat_part,
    settings_part,
    structure_part,
    versions_part,
)
from mastac.text import number
from mastac.version import __version__

FRAMING = ("simple policy", "best known", "bound on any policy")
"""Reference figures that the picture of the curves always shows."""
MOST_REFERENCES = 6
SECTIONS = {
    "warnings": "Warnings and notes",
    "curves": "Curves",
    "comparison": "Comparison",
    "agents": "Single agents",
    "reference": "Reference figures",
    "structure": "Structure",
    "settings": "Configuration",
    "versions": "Versions",
    "repeat": "Repeat it",
}


def report_page(data: Mapping[str, Any], structure: Sequence[Mapping[str, Any]], again: str) -> str:
    """The text of the page.

    **Arguments:**

    - `data`: what [`report_data`][mastac.runs.report.report_data] gathers.
    - `structure`: for each system of graphs what
        [`structure_part`][mastac.pages.report_parts.structure_part] takes.
    - `again`: the command that wrote the page.
    """
    runs = data["runs"]
    title = f"{data['env']}: {name_of(runs[0]) if len(runs) == 1 else f'{len(runs)} runs'}"
    parts = {
        "warnings": _warnings(data["notes"]),
        "curves": _curves(data),
        "comparison": comparison_part(data),
        "agents": agents_part(data),
        "reference": _reference(data),
        "structure": structure_part(structure),
        "settings": settings_part(data),
        "versions": versions_part(data),
        "repeat": repeat_part(data, again),
    }
    shown = {key: part for key, part in parts.items() if part}
    links = [element("a", SECTIONS[key], href=f"#{key}") for key in shown]
    body = joined(
        [
            element(
                "header",
                element("h1", title),
                element("p", _played(data), class_="small"),
                element("nav", *links, aria_label="Parts of the report"),
            ),
            element(
                "main",
                element("p", verdict(data), id="verdict"),
                *(
                    element("section", element("h2", SECTIONS[key]), part, id=key)
                    for key, part in shown.items()
                ),
            ),
            element("noscript", "Only the curves need JavaScript. The page loads nothing else."),
        ]
    )
    scripts = ("report/chart.js", "report/report.js")
    return page(
        title, body, ("report/page.css", "report/pictures.css"), scripts, (), _of_curves(data)
    )


def name_of(run: Mapping[str, Any]) -> str:
    """What a run is called where it is alone: its algorithm and κ."""
    return run["algorithm"] + ("" if run["kappa"] is None else f" κ={run['kappa']}")


def _of_curves(data: Mapping[str, Any]) -> dict[str, Any]:
    """What the script needs."""
    frame = [entry["value"] for entry in data["reference"] if entry["name"] in FRAMING]
    references = [
        {"name": entry["name"], "value": entry["value"], "text": _true_minus(entry["value"])}
        for entry in data["reference"]
        if entry["name"] in FRAMING or len(data["reference"]) <= MOST_REFERENCES
    ]
    names = [run["run"] for run in data["runs"]]
    return {"curves": data["curves"], "names": names, "references": references, "frame": frame}


def _true_minus(value: float) -> str:
    return number(value).replace("-", "−")


def _played(data: Mapping[str, Any]) -> str:
    options = ", ".join(f"{name}={value}" for name, value in data["env_options"].items())
    unit = f" Returns are undiscounted sums of rewards over an episode, {data['unit']}."
    return (
        f"Environment {data['env']}{f' with {options}' if options else ''}."
        f"{unit if data['unit'] else ''} Written by mastac {__version__}."
    )


def _warnings(notes: Sequence[Mapping[str, Any]]) -> Markup | None:
    if not notes:
        return None
    lines = [
        element(
            "li",
            element("strong", f"{note['run']}: ") if note["run"] else "",
            note["text"],
            class_="warning" if note["is_warning"] else None,
        )
        for note in notes
    ]
    return element("ul", *lines, class_="notes")


def _curves(data: Mapping[str, Any]) -> Markup | None:
    if not data["curves"]:
        return element("p", "No return is stored yet.")
    kinds = {"greedy": "the greedy policy", "training": "training episodes"}
    axes = {"epoch": "epochs", "env_steps": "environment steps"}

    def chooser(label: str, name: str, choices: Mapping[str, str]) -> Markup:
        options = [element("option", text, value=value) for value, text in choices.items()]
        return element("label", f"{label} ", element("select", *options, id=name))

    buttons = {"zoom-in": "Zoom in", "zoom-out": "Zoom out", "all": "Show all"}
    legend = [
        element(
            "button",
            element("span", class_=f"key run-{k % 7} dash-{k // 7 % 3}"),
            run["run"],
            type="button",
            data_run=k,
            aria_pressed="true",
        )
        for k, run in enumerate(data["runs"])
    ]
    lines = "; ".join(
        f"{entry['name']} {_true_minus(entry['value'])}" for entry in _of_curves(data)["references"]
    )
    return joined(
        [
            element(
                "div",
                chooser("Returns of", "kind", kinds),
                chooser("over", "axis", axes),
                element(
                    "span",
                    *(
                        element("button", text, type="button", id=key)
                        for key, text in buttons.items()
                    ),
                    class_="buttons",
                ),
                class_="controls",
            ),
            element(
                "div",
                *legend,
                id="legend",
                role="group",
                aria_label="Runs; press one to hide or show its curve",
            ),
            element("div", id="chart", tabindex="0", role="img", aria_label=_described(data)),
            element("p", id="readout", class_="small"),
            element("p", f"Broken lines: {lines}.", class_="small narrow") if lines else "",
            element(
                "p",
                "Drag across the picture to zoom, press a run to hide it. With the keyboard: "
                "+ and − zoom, arrows move, Escape shows all.",
                class_="small",
            ),
        ]
    )


def _described(data: Mapping[str, Any]) -> str:
    """The picture in words."""
    names = ", ".join(run["run"] for run in data["runs"])
    return f"Returns over training of {names}. The table under Comparison has the final figures."


def _reference(data: Mapping[str, Any]) -> Markup | None:
    if not data["reference"]:
        return None
    rows = [
        (entry["name"], number(entry["value"]), number(entry["score"]))
        for entry in data["reference"]
    ]
    caption = "What returns are held against, the lowest first"
    notes = element("p", data["reference_notes"], class_="small")
    return joined(
        [
            table_of(caption, ("policy", "return", "score"), rows),
            notes if data["reference_notes"] else "",
        ]
    )
