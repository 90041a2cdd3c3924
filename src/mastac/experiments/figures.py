"""Drawings of stored results. Reads run folders, trains nothing, opens no window."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from mastac.errors import UserError
from mastac.experiments.results import Axis, Results, labels
from mastac.experiments.statistics import t_interval

COLORS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#E69F00",
    "#000000",
)  # Okabe and Ito: safe for all eyes
INK, PALE = "#333333", "#8a8a8a"
STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.edgecolor": PALE,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.8,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "legend.frameon": True,
    "legend.framealpha": 0.85,
    "legend.edgecolor": "none",
    "legend.fancybox": False,
    "lines.solid_capstyle": "round",
    "svg.hashsalt": "mastac",  # the same results give the same file
    "svg.fonttype": "none",
}
AXIS_LABELS = {"epoch": "epoch", "env_steps": "environment steps of each seed"}
FEWEST_FOR_BAND = 3  # the interval of two seeds is 13 standard errors wide and would fill the frame
POINTS = 150  # a curve is drawn with about so many points, each the mean of a window of epochs


@dataclass(frozen=True)
class Curve:
    """One line: `mean` ± `half` over the seeds' `values` at `at`; `window` epochs went into each point."""

    label: str
    color: str
    at: Float[np.ndarray, " points"]
    mean: Float[np.ndarray, " points"]
    half: Float[np.ndarray, " points"]
    values: Float[np.ndarray, "seeds points"]
    window: int = 1
    is_greedy: bool = False


def learning_curves(runs: Sequence[Results], axis: Axis = "epoch", greedy: bool = False) -> Figure:
    """Returns over training: mean over seeds with its 95 % interval (Student's t), and the exact reference figures.

    One run is drawn with its training episodes and its greedy policy; several runs with one of the two, as `greedy`
    says, all in one frame. Two seeds are drawn one by one, without an interval. Reference figures are those of the
    first run; runs of different environments in one figure are refused, since their returns have nothing in common.
    """
    check_comparable(runs)
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
            _draw(axes, curve)
        limits = _limits(curves, runs[0].reference)
        axes.set_ylim(*limits)
        axes.set_xlim(left=0, right=max(curve.at[-1] for curve in curves))
        _draw_references(axes, runs[0].reference)
        _label(axes, runs, curves, axis)
        if len(curves) > 1:
            axes.legend(loc="lower right")
        figure.draw_without_rendering()  # lays out while the style holds
    return figure


def check_comparable(runs: Sequence[Results]) -> None:
    """`UserError` unless there are runs and all are of one environment."""
    if not runs:
        raise UserError("no run folder is given")
    other = next((run for run in runs if run.env != runs[0].env), None)
    if other is not None:
        raise UserError(
            f"'{runs[0].folder}' is a run on {runs[0].env} and '{other.folder}' one on {other.env}; "
            "draw runs of one environment in one figure"
        )


def save(figure: Figure, path: str | Path) -> list[Path]:
    """Write `figure` as PNG and as SVG beside it (or in the one other format that the suffix names)."""
    path = Path(path)
    suffix = path.suffix.lower() or ".png"
    known = {name.lower() for name in figure.canvas.get_supported_filetypes()}
    if suffix[1:] not in known:
        raise UserError(f"figures cannot be written as '{suffix}'; use .png, .svg or .pdf")
    paths = [path.with_suffix(each) for each in ((".png", ".svg") if suffix in (".png", ".svg") else (suffix,))]
    for each in paths:
        try:
            each.parent.mkdir(parents=True, exist_ok=True)
            with matplotlib.rc_context(STYLE):
                figure.savefig(each, metadata={"Date": None} if each.suffix == ".svg" else None)
        except OSError as error:
            raise UserError(f"figure '{each}' cannot be written: {error.strerror or error}") from None
    wanted = path.with_suffix(suffix)
    return [wanted, *(each for each in paths if each != wanted)]


def _colors(number: int) -> list[str]:
    return [COLORS[k % len(COLORS)] for k in range(number)]


def _curves_of(run: Results, name: str, color: str, axis: Axis, greedy: bool, alone: bool) -> list[Curve]:
    found = []
    for kind in (False, True) if alone else (greedy,):
        at, values = run.curve(greedy=kind, axis=axis)
        if not len(at):
            continue
        window = max(1, round(len(at) / POINTS))
        at, values = _windows(at, values, window)
        label = name if not alone else ("greedy policy" if kind else "training episodes")
        shade = COLORS[1] if alone and kind else color
        mean, half = t_interval(values)
        found.append(Curve(label, shade, at, mean, half, values, window, kind))
    return found


def _windows(at: np.ndarray, values: np.ndarray, window: int) -> tuple[np.ndarray, np.ndarray]:
    """Means over windows of `window` neighbouring epochs for each seed; a seed's NaN stays out of its mean."""
    if window == 1:
        return at, values
    starts = np.arange(0, len(at), window)
    known = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        means = np.add.reduceat(np.where(known, values, 0.0), starts, axis=1) / np.add.reduceat(known, starts, axis=1)
    return np.add.reduceat(at, starts) / np.add.reduceat(np.ones(len(at)), starts), means


def _draw(axes: Axes, curve: Curve) -> None:
    few = len(curve.at) < 40
    marker = {"marker": "o", "markersize": 3.5} if curve.is_greedy and few else {}
    axes.plot(curve.at, curve.mean, color=curve.color, linewidth=1.8, label=curve.label, zorder=3, **marker)
    if len(curve.values) < FEWEST_FOR_BAND:
        for row in curve.values if len(curve.values) > 1 else ():
            axes.plot(curve.at, row, color=curve.color, linewidth=0.7, alpha=0.5, zorder=2)
        return
    low, high = curve.mean - curve.half, curve.mean + curve.half
    axes.fill_between(curve.at, low, high, color=curve.color, alpha=0.16, linewidth=0, zorder=2)


def _limits(curves: Sequence[Curve], reference: Mapping[str, Any]) -> tuple[float, float]:
    """A frame for what matters: where the curves go, and the figures that they are held against.

    Early returns can be a hundred times worse than all that follows; showing them would press the rest into a line.
    The frame then begins below the references and the second half of every curve, which enters it from below.
    """
    means = np.concatenate([curve.mean[np.isfinite(curve.mean)] for curve in curves])
    if not len(means):
        raise UserError("there is nothing to draw: no finite return is stored")
    later = np.concatenate([curve.mean[len(curve.mean) // 2 :] for curve in curves])
    later = later[np.isfinite(later)] if np.isfinite(later).any() else means
    scale = [float(reference[name]) for name in ("simple", "best_known", "bound") if _is_number(reference.get(name))]
    top = max([float(means.max()), *scale])
    low = min([float(np.quantile(later, 0.02)), *scale])
    span = (top - low) or max(abs(top), 1.0)
    bottom = max(min(float(means.min()), low), low - 0.7 * span)
    return bottom - 0.05 * span, top + 0.08 * span


def _draw_references(axes: Axes, reference: Mapping[str, Any]) -> None:
    """Thin labelled lines; names of equal figures share a label, labels that would touch are pushed apart."""
    low, high = axes.get_ylim()
    lines: dict[float, list[str]] = {}
    for name, value in _references(reference):
        if low <= value <= high:
            key = next((at for at in lines if abs(at - value) < 0.002 * (high - low)), value)
            lines.setdefault(key, []).append(name)
    values, room = sorted(lines), 0.058 * (high - low)
    for value, place in zip(values, _spread(values, room, high - room / 2), strict=True):
        axes.axhline(value, color=PALE, linewidth=1.0, linestyle=(0, (4, 3)), zorder=1)
        axes.annotate(
            f"{' = '.join(lines[value])}  {_short(value)}",
            xy=(1.0, value),
            xytext=(1.02, place),
            xycoords=axes.get_yaxis_transform(),
            textcoords=axes.get_yaxis_transform(),
            va="center",
            fontsize=8.5,
            color="#555555",
            annotation_clip=False,
        )


def _spread(values: Sequence[float], room: float, high: float) -> list[float]:
    """Places for labels of increasing `values`, `room` apart, at most `high`, close to what they name."""
    places = list(values)
    for k in range(1, len(places)):
        places[k] = max(places[k], places[k - 1] + room)
    limit = high
    for k in range(len(places) - 1, -1, -1):
        places[k] = min(places[k], limit)
        limit = places[k] - room
    return places


def _references(reference: Mapping[str, Any]) -> list[tuple[str, float]]:
    names = {"simple": "simple policy", "best_known": "best known", "bound": "bound"}
    found = [(names[name], reference[name]) for name in names if _is_number(reference.get(name))]
    found += [(str(name), value) for name, value in (reference.get("policies") or {}).items() if _is_number(value)]
    return [(name, float(value)) for name, value in found]


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
    axes.set_xlabel(AXIS_LABELS[axis])
    axes.set_ylabel("return of an episode")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    low = axes.get_ylim()[0]
    start = min(float(curve.mean[np.isfinite(curve.mean)][0]) for curve in curves if np.isfinite(curve.mean).any())
    if start < low:
        box = {"facecolor": "white", "alpha": 0.85, "linewidth": 0, "pad": 1.5}
        text = f"↓ starts at {_short(start)}"
        axes.text(0.012, 0.025, text, transform=axes.transAxes, fontsize=8.5, color="#666666", bbox=box)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))


def _short(value: float) -> str:
    """Two digits behind the point up to a thousand, with a true minus sign; no minus zero."""
    text = f"{value:,.2f}" if abs(value) < 1000 else f"{value:,.0f}"
    return text.replace("-0.00", "0.00").replace("-", "−")
