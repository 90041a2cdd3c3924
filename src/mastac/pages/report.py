"""The page of `mastac report`: tables that need no script, and curves that need one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mastac.pages.markup import Markup, element, joined, table_of
from mastac.pages.page import page
from mastac.pages.report_parts import (
    agents_part,
    repeat_part,
    settings_part,
    structure_part,
    versions_part,
)
from mastac.pages.strips import strips
from mastac.text import number, plus_minus, seeds_text
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
        "comparison": _comparison(data),
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
                element("p", _verdict(data), id="verdict"),
                *(
                    element("section", element("h2", SECTIONS[key]), part, id=key)
                    for key, part in shown.items()
                ),
            ),
            element("noscript", "Only the curves need JavaScript. The page loads nothing else."),
        ]
    )
    scripts = ("report/chart.js", "report/report.js")
    return page(title, body, ("report/page.css",), scripts, (), _of_curves(data))


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


def _verdict(data: Mapping[str, Any]) -> str:
    """Which run is best, and how sure that is, in words."""
    ranked = sorted(
        (k for k, run in enumerate(data["runs"]) if run["iqm"] is not None),
        key=lambda k: -data["runs"][k]["iqm"],
    )
    if not ranked:
        return "No run has a result yet."
    best = data["runs"][ranked[0]]
    score = f", score {number(best['score'])}" if best["score"] is not None else ""
    said = f"{best['run']} reaches an interquartile mean of {iqm_text(best)}{score}"
    if len(data["runs"]) == 1:
        return f"{said}."
    return f"{said}: the highest of all. {_how_sure(data, ranked)}"


def _how_sure(data: Mapping[str, Any], ranked: Sequence[int]) -> str:
    names = [run["run"] for run in data["runs"]]
    row = data["improvement"][ranked[0]]
    others = [k for k in ranked[1:] if row[k] is not None]
    alike = [k for k in others if row[k]["low"] is None or row[k]["low"] <= 0.5]
    if not others:
        return "No other run can be held against it."
    if not alike:
        return (
            "It beats every other: all intervals of the probability of improvement are above 0.5."
        )
    listed = ", ".join(names[k] for k in alike)
    return (
        f"It does not clearly beat {listed}: the interval of the probability of improvement "
        "includes 0.5."
    )


def iqm_text(run: Mapping[str, Any]) -> str:
    """An interquartile mean with its interval."""
    interval = f" [{number(run['iqm_low'])}, {number(run['iqm_high'])}]"
    return number(run["iqm"]) + ("" if run["iqm_low"] is None else interval)


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


def _comparison(data: Mapping[str, Any]) -> Markup:
    runs = sorted(data["runs"], key=lambda run: -_or_least(run["iqm"]))
    head = (
        "run",
        "IQM [95 %]",
        "greedy",
        "training, last 20 %",
        "score",
        "seeds",
        "epochs",
        "environment steps",
        "training time",
    )
    rows = [
        (
            run["run"] + ("" if run["finished"] else " (not finished)"),
            iqm_text(run),
            plus_minus(run["greedy_mean"], run["greedy_std"]),
            plus_minus(run["final20_mean"], run["final20_std"]),
            number(run["score"]),
            seeds_text(run["seeds"]),
            f"{run['epochs']:,}" if run["epochs"] else "",
            "" if run["env_steps"] is None else f"{run['env_steps']:,}",
            _duration(run["seconds"]),
        )
        for run in runs
    ]
    about = element(
        "p",
        "IQM: interquartile mean of the greedy policies' returns over seeds, with its 95 % "
        "bootstrap interval. ±: standard deviation over seeds. Score: 0 is the simple policy, 1 "
        "the best known one. Environment steps are of one seed, the training time is of all.",
        class_="small",
    )
    return joined(
        [
            strips(data),
            table_of("Results of the runs, the best first", head, rows),
            about,
            _improvements(data),
        ]
    )


def _improvements(data: Mapping[str, Any]) -> Markup | str:
    names = [run["run"] for run in data["runs"]]
    if len(names) < 2:
        return ""

    def cell(entry: Mapping[str, Any] | None) -> str:
        if entry is None:
            return "–"
        interval = f" [{number(entry['low'])}, {number(entry['high'])}]"
        return number(entry["p"]) + ("" if entry["low"] is None else interval)

    rows = [(name, *map(cell, row)) for name, row in zip(names, data["improvement"], strict=True)]
    caption = "Probability of improvement [95 %]: that a seed of the row beats one of the column"
    return table_of(caption, ("", *names), rows)


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


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _or_least(value: float | None) -> float:
    return float("-inf") if value is None else value
