"""What all figures are drawn with: the style, curves with bands, reference lines, frames, files."""

import io
import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from mastac.errors import UserError
from mastac.files import write_bytes
from mastac.palette import PALE, STYLE

LABEL_WIDTH = 34  # characters
FEWEST_FOR_BAND = 3  # the interval of two seeds is 13 standard errors wide and would fill the frame


@dataclass(frozen=True)
class Curve:
    """One line: `mean` ± `half` over the seeds' `values` at `at`.

    `window`: how many epochs went into each point.
    """

    label: str
    color: str
    at: Float[np.ndarray, " points"]
    mean: Float[np.ndarray, " points"]
    half: Float[np.ndarray, " points"]
    values: Float[np.ndarray, "seeds points"]
    window: int = 1
    is_greedy: bool = False
    style: Any = "-"


def save(figure: Figure, path: str | Path) -> list[Path]:
    """Write `figure` as PNG and SVG, or in the format that another suffix names."""
    path = Path(path)
    suffix = path.suffix.lower() or ".png"
    known = {name.lower() for name in figure.canvas.get_supported_filetypes()}
    if suffix[1:] not in known:
        raise UserError(f"figures cannot be written as '{suffix}'; use .png, .svg or .pdf")
    paths = [
        path.with_suffix(ending)
        for ending in ((".png", ".svg") if suffix in (".png", ".svg") else (suffix,))
    ]
    for target in paths:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            content, dated = io.BytesIO(), {"Date": None} if target.suffix == ".svg" else None
            with matplotlib.rc_context(STYLE):
                figure.savefig(content, format=target.suffix[1:], metadata=dated)
            write_bytes(target, content.getvalue())  # whole, and through no symbolic link
        except OSError as error:
            raise UserError(
                f"figure '{target}' cannot be written: {error.strerror or error}"
            ) from None
    wanted = path.with_suffix(suffix)
    return [wanted, *(target for target in paths if target != wanted)]


def draw_curve(axes: Axes, curve: Curve, band: float = 0.16) -> None:
    """Draw the mean with its interval, as dark as `band` says.

    Where there are too few seeds for an interval, every seed is drawn.
    """
    few = len(curve.at) < 40
    look: dict[str, Any] = {"color": curve.color, "linestyle": curve.style}
    marker = {"marker": "o", "markersize": 3.5} if curve.is_greedy and few else {}
    axes.plot(curve.at, curve.mean, linewidth=1.8, label=curve.label, zorder=3, **look, **marker)
    if len(curve.values) < FEWEST_FOR_BAND:
        for row in curve.values if len(curve.values) > 1 else ():
            axes.plot(curve.at, row, linewidth=0.7, alpha=0.5, zorder=2, **look)
        return
    low, high = curve.mean - curve.half, curve.mean + curve.half
    axes.fill_between(curve.at, low, high, color=curve.color, alpha=band, linewidth=0, zorder=2)


def limits_of(
    curves: Sequence[Curve],
    reference: Mapping[str, Any],
    deepest: float = math.inf,
    room: float = 0.7,
) -> tuple[float, float]:
    """A frame for what matters: where the curves go, and the figures that they are held against.

    Early returns can be a hundred times worse than all that follows; showing them would press the
    rest into a line. The frame then begins below the references and the second half of every curve,
    which enters it from below, with `room` (a share of what is framed) for the way there. What
    matters ends at most `deepest` times the references' own span below the best of them, lest one
    hopeless curve presses the others together.
    """
    means = np.concatenate([curve.mean[np.isfinite(curve.mean)] for curve in curves])
    if not len(means):
        raise UserError("there is nothing to draw: no finite return is stored")
    later = np.concatenate([curve.mean[len(curve.mean) // 2 :] for curve in curves])
    later = later[np.isfinite(later)] if np.isfinite(later).any() else means
    scale = [
        float(reference[name])
        for name in ("simple", "best_known", "bound")
        if is_number(reference.get(name))
    ]
    top = max([float(means.max()), *scale])
    low = min([float(np.quantile(later, 0.02)), *scale])
    if len(scale) > 1 and max(scale) > min(scale):
        low = max(low, max(scale) - deepest * (max(scale) - min(scale)))
    span = (top - low) or max(abs(top), 1.0)
    bottom = max(min(float(means.min()), low), low - room * span)
    return bottom - 0.05 * span, top + 0.08 * span


def draw_references(
    axes: Axes, references: Sequence[tuple[str, float]], fontsize: float = 8.5, joint: str = " = "
) -> None:
    """Thin labelled lines; labels never touch, and share a line where they print the same figure.

    Long labels are broken into lines: they stand beside the frame, and would leave no width for it.
    """
    low, high = axes.get_ylim()
    shown = [(name, value) for name, value in references if low <= value <= high]
    names: dict[str, list[str]] = {}
    for name, value in sorted(shown, key=lambda pair: round(pair[1], 2)):
        names.setdefault(short(value), []).append(name)
    whole = [f"{joint.join(equal)}  {figure}" for figure, equal in names.items()]
    values = [dict(shown)[equal[0]] for equal in names.values()]
    line = 0.058 * (high - low) * fontsize / 8.5
    labels = [
        "\n".join(textwrap.fill(part, LABEL_WIDTH) for part in label.split("\n")) for label in whole
    ]
    rooms = [line * (1 + 0.75 * label.count("\n")) for label in labels]
    for value, label, place in zip(values, labels, separated(values, rooms, high), strict=True):
        axes.axhline(value, color=PALE, linewidth=1.0, linestyle=(0, (4, 3)), zorder=1)
        axes.annotate(
            label,
            xy=(1.0, value),
            xytext=(1.02, place),
            xycoords=axes.get_yaxis_transform(),
            textcoords=axes.get_yaxis_transform(),
            va="center",
            fontsize=fontsize,
            color="#555555",
            annotation_clip=False,
        )


def separated(values: Sequence[float], rooms: Sequence[float], high: float) -> list[float]:
    """Where to put labels so that none overlap: their middles, close to the values.

    **Arguments:**

    - `values`: what the labels name, in increasing order.
    - `rooms`: height of each label.
    - `high`: where the last one ends at most.
    """
    places = list(values)
    for k in range(1, len(places)):
        places[k] = max(places[k], places[k - 1] + (rooms[k - 1] + rooms[k]) / 2)
    limit = high
    for k in range(len(places) - 1, -1, -1):
        places[k] = min(places[k], limit - rooms[k] / 2)
        limit = places[k] - rooms[k] / 2
    return places


def references_of(reference: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Names and values of the exact figures, in short."""
    names = {"simple": "simple policy", "best_known": "best known", "bound": "bound"}
    figures = [(names[name], reference[name]) for name in names if is_number(reference.get(name))]
    figures += [
        (str(name), value)
        for name, value in (reference.get("policies") or {}).items()
        if is_number(value)
    ]
    return [(name, float(value)) for name, value in figures]


def count_axis(axes: Axes, label: str) -> None:
    """Whole numbers with separators along the horizontal axis."""
    axes.set_xlabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def is_number(value: Any) -> bool:
    """Whether it is a finite number."""
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))
    )


def short(value: float) -> str:
    """Two digits behind the point up to a thousand, with a true minus sign; no minus zero."""
    text = f"{value:,.2f}" if abs(value) < 1000 else f"{value:,.0f}"
    return text.replace("-0.00", "0.00").replace("-", "−")
