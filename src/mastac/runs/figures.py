"""Drawings of stored results. Reads run folders, trains nothing, opens no window."""

from collections.abc import Collection, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mastac.errors import UserError
from mastac.palette import COLORS, STYLE
from mastac.runs.comparable import check_comparable
from mastac.runs.curves import windowed
from mastac.runs.drawing import (
    FEWEST_FOR_BAND,
    Curve,
    count_axis,
    draw_curve,
    draw_references,
    limits_of,
    references_of,
    save,
    short,
)
from mastac.runs.results import Axis, Results, labels
from mastac.runs.statistics import t_interval

__all__ = ["learning_curves", "save"]
AXIS_LABELS = {"epoch": "epoch", "env_steps": "environment steps of each seed"}
POINTS = 150  # a curve is drawn with about so many points, each the mean of a window of epochs


def learning_curves(
    runs: Sequence[Results],
    axis: Axis = "epoch",
    greedy: bool = False,
    may_differ: Collection[str] = (),
) -> Figure:
    """Returns over training: mean over seeds, its 95 % interval, and the reference figures.

    One run is drawn with its training episodes and its greedy policy; several runs with one of the
    two, all in one frame. Two seeds are drawn one by one, without an interval. The interval is that
    of Student's t distribution. Reference figures are those of the first run that has any.

    **Arguments:**

    - `runs`: of one environment.
    - `axis`: "epoch", or "env_steps" for the environment steps of one seed.
    - `greedy`: whether several runs are drawn with their greedy policies.
    - `may_differ`: options of the environment that do not change what a policy returns.

    **Raises:**

    - `UserError` if runs are of different environments, or of one with different options: their
      returns cannot be compared.
    """
    check_comparable(runs, may_differ, "draw runs of one environment in one figure")
    names = labels(list(runs))
    curves = [
        curve
        for run, name, color in zip(runs, names, _colors(len(runs)), strict=True)
        for curve in _curves_of(run, name, color, axis, greedy, alone=len(runs) == 1)
    ]
    if not curves:
        which = "evaluation of a greedy policy" if greedy and len(runs) > 1 else "epoch"
        raise UserError(f"there is nothing to draw: no {which} is stored yet")
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 4.2), dpi=150, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        for curve in curves:
            draw_curve(axes, curve)
        reference = next((run.reference for run in runs if run.reference), {})
        limits = limits_of(curves, reference)
        axes.set_ylim(*limits)
        axes.set_xlim(left=0, right=max(curve.at[-1] for curve in curves))
        draw_references(axes, references_of(reference))
        _label(axes, runs, curves, axis)
        if len(curves) > 1:
            axes.legend(loc="lower right")
        figure.draw_without_rendering()  # lays out while the style holds
    return figure


def _colors(number: int) -> list[str]:
    return [COLORS[k % len(COLORS)] for k in range(number)]


def _curves_of(
    run: Results, name: str, color: str, axis: Axis, greedy: bool, alone: bool
) -> list[Curve]:
    curves = []
    for kind in (False, True) if alone else (greedy,):
        at, values = run.curve(greedy=kind, axis=axis)
        if not len(at):
            continue
        at, values, window = windowed(at, values, POINTS)
        label = name if not alone else ("greedy policy" if kind else "training episodes")
        shade = COLORS[1] if alone and kind else color
        mean, half = t_interval(values)
        curves.append(Curve(label, shade, at, mean, half, values, window, kind))
    return curves


def _label(axes: Axes, runs: Sequence[Results], curves: Sequence[Curve], axis: Axis) -> None:
    first = runs[0]
    counts = sorted({len(run.seeds) for run in runs})
    many = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    seeds = f"{many} seed{'s' if counts[-1] > 1 else ''}"
    title = f"{first.env}: " + (
        f"{first.algorithm}{'' if first.kappa is None else f' κ={first.kappa}'}"
        if len(runs) == 1
        else f"{len(runs)} runs"
    )
    axes.set_title(title, loc="left", fontsize=11.5, fontweight="bold", pad=22)
    window = max((curve.window for curve in curves if not curve.is_greedy), default=1)
    parts = [f"mean over {seeds}" if counts[-1] > 1 else seeds]
    if counts[-1] >= FEWEST_FOR_BAND:
        parts.append("95 % interval (Student's t)")
    elif counts[-1] > 1:
        parts.append("thin lines: each seed")
    if window > 1:
        parts.append(f"training: mean of {window} epochs for each point")
    axes.text(0, 1.03, ", ".join(parts), transform=axes.transAxes, fontsize=8.5, color="#666666")
    count_axis(axes, AXIS_LABELS[axis])
    axes.set_ylabel("return of an episode")
    low = axes.get_ylim()[0]
    start = min(
        float(curve.mean[np.isfinite(curve.mean)][0])
        for curve in curves
        if np.isfinite(curve.mean).any()
    )
    if start < low:
        box = {"facecolor": "white", "alpha": 0.85, "linewidth": 0, "pad": 1.5}
        text = f"↓ starts at {short(start)}"
        axes.text(
            0.012, 0.025, text, transform=axes.transAxes, fontsize=8.5, color="#666666", bbox=box
        )
