"""The comparison of a report: which run is best, how sure that is, and the table of results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mastac.pages.markup import Markup, element, joined, table_of
from mastac.pages.strips import strips
from mastac.text import number, plus_minus, seeds_text


def verdict(data: Mapping[str, Any]) -> str:
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


def comparison_part(data: Mapping[str, Any]) -> Markup:
    """All seeds on one scale, the table, and how often one run does better than another."""
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


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _or_least(value: float | None) -> float:
    return float("-inf") if value is None else value
