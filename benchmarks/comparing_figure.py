"""The figure of the studies of `comparing.py`: scores of all rows on all environments."""

import math
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mastac.palette import COLORS, INK, PALE, STYLE
from mastac.runs.statistics import iqm, iqm_interval

COLUMNS = 5  # panels side by side
RANGE = 1.5  # scores shown below the best: rows that failed would press the rest together

Scores = Mapping[str, np.ndarray]  # of every seed, by row


def score_figure(rows: Sequence[str], base: str, scores: Mapping[str, Scores]) -> Figure:
    """A panel for each environment.

    Every seed's score is a dot, the interquartile mean a bar and its 95 % interval a line. The
    broken line is the base's interquartile mean.
    """
    columns, lines = min(COLUMNS, len(scores)), math.ceil(len(scores) / COLUMNS)
    with matplotlib.rc_context(STYLE):
        size = (2.6 * columns + 1.2, (0.9 + 0.25 * max(10, len(rows))) * lines)
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(lines, columns, sharey=True, squeeze=False)
        for panel, (env, by_row) in zip(axes.flat, scores.items(), strict=False):
            draw_panel(panel, rows, base, by_row)
            panel.set_title(env.replace(",", "\n"))
        for panel in list(axes.flat)[len(scores) :]:
            panel.set_visible(False)
        axes[0, 0].set_yticks(range(len(rows)), list(rows))
        axes[0, 0].invert_yaxis()
    return figure


def draw_panel(axes: Axes, rows: Sequence[str], base: str, scores: Scores) -> None:
    """One environment. Rows below the range that is shown are named by their interquartile mean."""
    for row, values in scores.items():
        place = rows.index(row)
        color = COLORS[place % len(COLORS)]
        dots = np.full(len(values), place)
        axes.plot(values, dots, "o", color=color, markersize=3.5, alpha=0.5)
        axes.plot(iqm_interval(values), [place, place], color=color, linewidth=2.0)
        axes.plot([iqm(values)], [place], "|", color=INK, markersize=11, markeredgewidth=2.0)
    axes.axvline(float(iqm(scores[base])), color=PALE, linewidth=0.8, linestyle="--")
    best = max(float(np.nanmax(values)) for values in scores.values())
    lowest = min(float(np.nanmin(values)) for values in scores.values())
    left = max(lowest, best - RANGE)
    width = max(best - left, 0.02)
    axes.set_xlim(left - 0.03 * width, best + 0.05 * width)
    for row, values in scores.items():
        middle = float(iqm(values))
        if middle < left:
            text = f"← {middle:.1f}"
            axes.text(left, rows.index(row), text, color=INK, va="center", fontsize=7)
    axes.set_xlabel("score")
