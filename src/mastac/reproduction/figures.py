"""The paper's Figures 1, 2 and 11, and one on sample efficiency, from raw data alone."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mastac.errors import UserError, unknown
from mastac.palette import STYLE
from mastac.reproduction.efficiency_figure import sample_efficiency
from mastac.reproduction.measures import (
    by_env,
    label_of,
)
from mastac.reproduction.panels import NOTE, TITLES, legend_below, look_of, panels_of
from mastac.reproduction.paper import ABLATION, COMPARED, PAPER_ABLATION, WINDOWS
from mastac.reproduction.raw_data import RawCell, read_raw
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
from mastac.runs.statistics import t_interval

# A panel reaches at most so many spans of the reference figures below the best of them.
DEEPEST = 3.0


def write_figure(name: str, raw_folder: str | Path, out: str | Path) -> list[Path]:
    """Draw one of `FIGURES` from raw data and write it into the folder `out` as PNG and SVG."""
    if name not in FIGURES:
        raise unknown("figure", name, FIGURES)
    return save(FIGURES[name](read_raw(raw_folder)), Path(out) / f"{name}.png")


def figure1(cells: Sequence[RawCell]) -> Figure:
    """Training returns of all compared algorithms, a panel for each environment."""
    envs = {env: _chosen(those, COMPARED) for env, those in by_env(cells).items()}
    envs = {env: those for env, those in envs.items() if those}
    if not envs:
        raise UserError("there is nothing to draw in figure1: none of its cells is in the raw data")
    with matplotlib.rc_context(STYLE):
        figure, panels = panels_of(len(envs))
        for axes, (env, those) in zip(panels, envs.items(), strict=True):
            _panel(axes, env, those, fontsize=7.5)
        panels[0].set_ylabel("return of a training episode")
        names = [name for name in COMPARED if any(name in those for those in envs.values())]
        legend_below(figure, [_handle(name) for name in names])
        figure.suptitle(_note([cell for those in envs.values() for cell in those.values()]), **NOTE)
        figure.draw_without_rendering()
    return figure


def figure2(cells: Sequence[RawCell]) -> Figure:
    """The ablation: MAStAC, with critics that read all agents, and that predict sums."""
    return _one_panel("figure2", cells, ABLATION, _paper_points)


def figure11(cells: Sequence[RawCell]) -> Figure:
    """MAStAC with windows of κ = 2, 4, 6, 8."""
    return _one_panel("figure11", cells, WINDOWS)


FIGURES: dict[str, Callable[[Sequence[RawCell]], Figure]] = {
    "figure1": figure1,
    "figure2": figure2,
    "figure11": figure11,
    "sample_efficiency": sample_efficiency,
}


def _chosen(those: Mapping[str, RawCell], names: Sequence[str]) -> dict[str, RawCell]:
    return {name: those[name] for name in names if name in those}


def _one_panel(
    what: str,
    cells: Sequence[RawCell],
    names: Sequence[str],
    more: Callable[[Axes, Mapping[str, RawCell]], list[Line2D]] | None = None,
) -> Figure:
    """One environment: the one that has most of the cells."""
    found = {env: _chosen(those, names) for env, those in by_env(cells).items()}
    env = max(found, key=lambda each: len(found[each]), default="")
    if not found.get(env):
        raise UserError(f"there is nothing to draw in {what}: none of its cells is in the raw data")
    with matplotlib.rc_context(STYLE):
        figure, (axes,) = panels_of(1)
        _panel(axes, env, found[env], fontsize=8.5)
        axes.set_ylabel("return of a training episode")
        handles = [_handle(name) for name in found[env]] + (more(axes, found[env]) if more else [])
        axes.legend(handles=handles, loc="lower right", handlelength=2.6)
        figure.suptitle(_note(list(found[env].values())), **NOTE)
        figure.draw_without_rendering()
    return figure


def _panel(axes: Axes, env: str, cells: Mapping[str, RawCell], fontsize: float) -> None:
    """Curves of one environment, the best of them on top, held against the exact figures."""
    curves = {name: _curve(name, cell) for name, cell in cells.items()}
    first = next(iter(cells.values()))
    for name in reversed(curves):
        draw_curve(axes, curves[name], band=0.16 if len(curves) < 5 else 0.09)
    axes.set_ylim(*limits_of(list(curves.values()), first.reference, DEEPEST, room=0.15))
    axes.set_xlim(0, max(cell.epochs for cell in cells.values()))
    draw_references(
        axes, references_of({**first.reference, "policies": {}}), fontsize, joint="\n= "
    )
    axes.set_title(TITLES.get(env, env), loc="left", fontsize=11.5, fontweight="bold")
    count_axis(axes, "epoch")
    _name_curves_below(axes, curves)


def _curve(name: str, cell: RawCell) -> Curve:
    """Mean of the seeds that went to the end: a mean that a seed drops out of would jump."""
    at, values = cell.curve()
    alive = np.isfinite(cell.greedy())
    values = values[alive] if alive.any() else values
    mean, half = t_interval(values)
    color, style = look_of(name)
    return Curve(label_of(name), color, at, mean, half, values, style=style)


def _name_curves_below(axes: Axes, curves: Mapping[str, Curve]) -> None:
    """Name the curves that end below the frame beside it, with the return that they end at."""
    low = axes.get_ylim()[0]
    ends = {name: _end(curve) for name, curve in curves.items()}
    below = [f"{label_of(name)}  {short(end)}" for name, end in ends.items() if end < low]
    if below:
        text = "\n".join(["below the frame,", "ends at:", *below])
        axes.text(
            1.02, 0.0, text, transform=axes.transAxes, va="bottom", fontsize=7.5, color="#555555"
        )


def _end(curve: Curve) -> float:
    known = curve.mean[np.isfinite(curve.mean)]
    return float(known[-max(1, len(known) // 5) :].mean()) if len(known) else np.nan


def _paper_points(axes: Axes, cells: Mapping[str, RawCell]) -> list[Line2D]:
    """What the paper's text says of the ablation, where our curves go so far."""
    right, drawn, places = axes.get_xlim()[1], False, [*map(str, ABLATION)]
    for (name, epoch), (mean, std) in PAPER_ABLATION.items():
        if name in cells and epoch <= right:
            shift = 0.02 * right * (places.index(name) - 1)
            look: dict[str, Any] = {
                "color": look_of(name)[0],
                "markerfacecolor": "white",
                "capsize": 2.5,
            }
            axes.errorbar(
                epoch + shift, mean, std, fmt="D", markersize=5, linewidth=1.2, zorder=4, **look
            )
            drawn = True
    marker = Line2D(
        [],
        [],
        color="#555555",
        marker="D",
        markerfacecolor="white",
        linestyle="",
        label="paper ± std",
    )
    return [marker] if drawn else []


def _handle(name: str) -> Line2D:
    color, style = look_of(name)
    return Line2D([], [], color=color, linestyle=style, linewidth=2.2, label=label_of(name))


def _note(cells: Sequence[RawCell]) -> str:
    """How many seeds and epochs stand behind a line and its band."""
    counts = sorted({len(cell.seeds) for cell in cells})
    seeds = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    windows = sorted({round(cell.epochs / max(1, len(cell.curve()[0]))) for cell in cells})
    wide = f"{windows[0]}" if len(windows) == 1 else f"{windows[0]} to {windows[-1]}"
    parts = [f"mean over {seeds} seeds" if counts[-1] > 1 else "one seed"]
    if counts[-1] >= FEWEST_FOR_BAND:
        parts.append("band: 95 % interval (Student's t)")
    elif counts[-1] > 1:
        parts.append("thin lines: each seed")
    if windows[-1] > 1:
        parts.append(f"each point the mean of {wide} epochs")
    stopped = sum(int(np.isnan(cell.greedy()).sum()) for cell in cells)
    return ", ".join([*parts, *([f"without the {stopped} that stopped"] if stopped else [])])
