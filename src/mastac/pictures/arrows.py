"""Arrows between shapes that pass other shapes by where they can."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection

from mastac.pictures.shapes import Shape

BENDS = (0.0, 0.08, -0.08, 0.16, -0.16, 0.26, -0.26, 0.4, -0.4)
HEAD_LENGTH, HEAD_WIDTH = 0.075, 0.06
ROOM = 0.012
"""Between an arrow and what it points at, in inches."""
STEPS = 60

Curve = Float[np.ndarray, "steps 2"]


@dataclass(frozen=True)
class Arrow:
    """From one shape to another.

    **Arguments:**

    - `source`, `target`: places among the shapes.
    - `color`: of line and head.
    - `both`: whether there is a head at either end.
    - `width`: of the line, in points.
    - `bend`: how far it bends aside, as a share of its length.
    """

    source: int
    target: int
    color: str
    both: bool = False
    width: float = 0.9
    bend: float = 0.0


def draw_arrows(axes: Axes, shapes: Sequence[Shape], arrows: Sequence[Arrow]) -> None:
    """Draw arrows from the edge of one shape to the edge of another, below the shapes."""
    lines, heads = [], []
    for arrow in arrows:
        curve = _visible(shapes, arrow, arrow.bend)
        for end in (curve, curve[::-1])[: 1 + arrow.both]:
            heads.append((_head(end, arrow.width), arrow.color))
        shown = slice(_neck(curve[::-1]) if arrow.both else 0, len(curve) - _neck(curve))
        line = curve[shown]
        corners = [0, -1] if arrow.bend == 0 else [*range(0, len(line) - 1, 4), -1]
        lines.append((line[corners], arrow.color, arrow.width))
    _collect(axes, lines, heads)


def draw_line(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], color: str, width: float = 0.9
) -> None:
    """A straight arrow between two points."""
    curve = np.linspace(start, end, STEPS)
    shown = curve[: len(curve) - _neck(curve)]
    _collect(axes, [(shown, color, width)], [(_head(curve, width), color)])


def bent(
    shapes: Sequence[Shape], arrows: Sequence[Arrow], aside: float = 0.6, outside: float = 0.1
) -> tuple[list[Arrow], int]:
    """Each arrow with the least bend that runs through the fewest other shapes.

    **Arguments:**

    - `aside`: how far an arrow may lead away from a straight line, in inches.
    - `outside`: and out of the rectangle around all shapes.

    **Returns:**

    The arrows, and how many still run through a shape.
    """
    middles = np.array([shape.middle for shape in shapes])
    halves = np.array([shape.size for shape in shapes]) / 2
    low, high = (middles - halves).min(axis=0), (middles + halves).max(axis=0)
    found, crossing = [], 0
    for arrow in arrows:
        start, end = middles[arrow.source], middles[arrow.target]
        length = float(np.linalg.norm(end - start))
        best, fewest = 0.0, len(shapes)
        for bend in BENDS:
            curve = _curve(start, end, bend)[2:-2:2]
            is_out = (np.maximum(low - curve, curve - high) > outside).any()
            if bend != 0 and (is_out or abs(bend) * length > aside):
                continue
            near = (middles + halves > curve.min(axis=0)) & (middles - halves < curve.max(axis=0))
            near = set(np.flatnonzero(near.all(axis=1)).tolist()) - {arrow.source, arrow.target}
            hits = sum(bool(shapes[k].holds(curve, ROOM).any()) for k in near)
            if hits < fewest:
                best, fewest = bend, hits
            if hits == 0:
                break
        found.append(replace(arrow, bend=best))
        crossing += fewest > 0
    return found, crossing


def _curve(start: np.ndarray, end: np.ndarray, bend: float, number: int = STEPS) -> Curve:
    steps = np.linspace(0, 1, number)[:, None]
    aside = np.array([end[1] - start[1], start[0] - end[0]])
    control = (start + end) / 2 + 2 * bend * aside
    return (1 - steps) ** 2 * start + 2 * steps * (1 - steps) * control + steps**2 * end


def _visible(shapes: Sequence[Shape], arrow: Arrow, bend: float) -> Curve:
    """The part of the curve between the shapes at its ends."""
    source, target = shapes[arrow.source], shapes[arrow.target]
    start, end = np.array(source.middle), np.array(target.middle)
    fine = _curve(start, end, bend, 600)
    outside = np.flatnonzero(~(source.holds(fine, ROOM) | target.holds(fine, ROOM)))
    if len(outside) < 2:  # the shapes touch
        outside = np.array([290, 310])
    kept = np.linspace(outside[0], outside[-1], STEPS).round().astype(int)
    return fine[kept]


def _head_length(curve: Curve) -> float:
    """Shorter than the arrow itself, also where there are two heads."""
    return min(HEAD_LENGTH, 0.4 * float(np.linalg.norm(curve[-1] - curve[0])))


def _neck(curve: Curve) -> int:
    """How many points at the end of a curve lie beneath its head."""
    along = np.linalg.norm(curve - curve[-1], axis=1)
    return int(min(max((along < 0.7 * _head_length(curve)).sum(), 1), len(curve) - 2))


def _head(curve: Curve, width: float) -> Float[np.ndarray, "3 2"]:
    """The head at the end of a curve: broader on a thick line."""
    behind = curve[-1 - _neck(curve)]
    along = curve[-1] - behind
    along = along / max(float(np.linalg.norm(along)), 1e-9)
    aside = np.array([-along[1], along[0]])
    scale = max(1.0, width / 1.2)
    length = scale * _head_length(curve)
    base = curve[-1] - length * along
    half = length / HEAD_LENGTH * HEAD_WIDTH / 2
    return np.stack([curve[-1], base + half * aside, base - half * aside])


def _collect(
    axes: Axes,
    lines: Sequence[tuple[np.ndarray, str, float]],
    heads: Sequence[tuple[np.ndarray, str]],
) -> None:
    axes.add_collection(
        LineCollection(
            [line for line, _, _ in lines],
            colors=[color for _, color, _ in lines],
            linewidths=[width for _, _, width in lines],
            capstyle="butt",
            zorder=2,
        ),
        autolim=False,
    )
    colors = [color for _, color in heads]
    axes.add_collection(
        PolyCollection(
            [head for head, _ in heads],
            facecolors=colors,
            edgecolors="none",
            zorder=2.5,
        ),
        autolim=False,
    )
