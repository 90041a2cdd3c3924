"""The figure of `variance.py`, from its CSVs alone."""

import itertools
from collections import defaultdict
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mastac.palette import COLORS, STYLE
from mastac.runs.drawing import save

Rows = list[dict[str, str]]
COLOR: dict[str, str] = dict(zip(("ring", "chain", "grid", "stream"), COLORS, strict=False))
KAPPAS = {"ring": "1", "chain": "1", "grid": "1", "stream": "exact"}  # drawn of each graph
DASHES = {"none": "-", "state": "--"}


def draw(games: Rows, linear: Rows, critics: Rows, path: Path) -> None:
    """Ratios of total variance by the number of agents, and critics' errors by samples."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(12.5, 4.3), layout="constrained")
        left, middle, right = figure.subplots(1, 3)
        ratios(left, games)
        left.set_title("random games, rewards of both signs")
        ratios(middle, linear)
        middle.set_xscale("log")
        middle.set_title("linear-quadratic networks, costs")
        errors(right, critics)
        for axes in (left, middle):
            axes.set_xlabel("agents")
            axes.axhline(1, color="#8a8a8a", linewidth=1)
        left.set_ylabel("total variance, centralised / structured")
        left.plot([], [], color="#333333", label="no baseline")
        left.plot([], [], color="#333333", linestyle="--", label="baseline of the state")
        for axes in (left, middle, right):
            axes.legend(fontsize=8)
        save(figure, path)


def ratios(axes: Axes, rows: Rows) -> None:
    """Medians over seeds, with quartiles, of the ratio of totals over agents."""
    curves: dict[tuple[str, str], dict[int, list[float]]] = defaultdict(dict)
    for row in rows:
        if KAPPAS.get(row["graph"]) == row["kappa"] and row["baseline"] in DASHES:
            quartiles = [float(row[name]) for name in ("ratio_low", "ratio", "ratio_high")]
            curves[row["graph"], row["baseline"]][int(row["agents"])] = quartiles
    axes.set_yscale("log")
    for (graph, baseline), by_count in curves.items():
        counts = sorted(by_count)
        low, mid, high = np.array([by_count[n] for n in counts]).T
        label = f"{graph}, {window_text(KAPPAS[graph])}" if baseline == "none" else None
        look: dict[str, Any] = {"color": COLOR[graph], "linestyle": DASHES[baseline]}
        axes.plot(counts, mid, marker="o", markersize=3.5, label=label, **look)
        axes.fill_between(counts, low, high, color=COLOR[graph], alpha=0.12, linewidth=0)


def errors(axes: Axes, rows: Rows) -> None:
    """Errors relative to the variance of the team's value, means over seeds."""
    curves: dict[tuple[str, str, int], list[list[float]]] = defaultdict(list)
    for row in rows:
        scale = float(row["variance_centralised"])
        pair = [float(row[name]) / scale for name in ("error_centralised", "error_structured")]
        curves[row["system"], row["kappa"], int(row["samples"])].append(pair)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_title("critics learnt from the same samples")
    axes.set_xlabel("samples")
    axes.set_ylabel("squared error / variance of the team's value")
    pairs = itertools.product(("linear", "game"), ("stream", "ring"))
    for color, (kind, graph) in zip(COLORS, pairs, strict=False):
        system, kappa = f"{kind}, {graph}", KAPPAS[graph]
        counts = sorted(count for *key, count in curves if key == [system, kappa])
        means = [np.mean(curves[system, kappa, count], 0) for count in counts]
        central, structured = np.array(means).T
        label = f"{system}, {window_text(kappa)}"
        axes.plot(counts, structured, marker="o", markersize=3.5, color=color, label=label)
        axes.plot(counts, central, color=color, linestyle=":", marker="o", markersize=3.5)
    axes.plot([], [], color="#333333", linestyle=":", label="centralised critic")


def window_text(kappa: str) -> str:
    return "exact sets" if kappa == "exact" else f"κ = {kappa}"
