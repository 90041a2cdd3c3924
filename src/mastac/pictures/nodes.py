"""Where labelled nodes stand on paper: near their places, and never on each other."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from scipy.spatial import KDTree
from scipy.spatial.distance import pdist, squareform

from mastac.palette import INK, NODE
from mastac.pictures.shapes import Shape
from mastac.pictures.text import line_height, text_width

LABEL, SMALL = 7.5, 6.5
"""Sizes of labels, in points; small ones where agents are many."""
MANY = 20
BETWEEN, FREE = 0.1, 0.36
"""Least distance between two nodes, in inches, and the distance where there is room."""
MARGIN = 0.04
SMALLEST, LARGEST = 0.02, 0.2
"""Sizes of dots, in inches."""
WIDTHS, HIGHEST = (2.12, 3.36, 5.0, 7.0), 8.0
"""What places are scaled to, in inches, before nodes are pushed apart."""


@dataclass(frozen=True)
class Nodes:
    """Boxes with labels, at middles in inches that begin at (0, 0)."""

    labels: tuple[str, ...]
    points: float
    middles: Float[np.ndarray, "nodes 2"]
    sizes: Float[np.ndarray, "nodes 2"]

    @property
    def extent(self) -> tuple[float, float]:
        """Width and height of the whole."""
        width, height = (self.middles + self.sizes / 2).max(axis=0) + MARGIN
        return float(width), float(height)

    def shapes(self, x: float, y: float) -> list[Shape]:
        """Their outlines, with the lower left corner of the whole at (x, y)."""
        return [
            Shape("round", (float(x + middle[0]), float(y + middle[1])), (float(w), float(h)))
            for middle, (w, h) in zip(self.middles, self.sizes, strict=True)
        ]


def standing(labels: Sequence[str], places: Float[np.ndarray, "nodes 2"], under: str = "") -> Nodes:
    """Nodes at places of any unit: scaled to paper, then pushed apart where they would overlap.

    `under`: the widest text of a second line, for which every node has room.
    """
    points = LABEL if len(labels) <= MANY else SMALL
    least, height = 0.0, label_height(points)
    if under:
        least, height = label_width(under, points) + 0.06, height + line_height(points)
    widths = [max(label_width(label, points), least) for label in labels]
    sizes = np.stack([np.array(widths), np.full(len(labels), height)], axis=1)
    room = 0.8 * BETWEEN if len(labels) > MANY else 1.5 * BETWEEN
    middles = _apart(_scaled(places, sizes), sizes + room)
    corner = (middles - sizes / 2).min(axis=0) - MARGIN
    return Nodes(tuple(labels), points, middles - corner, sizes)


def dots(places: Float[np.ndarray, "nodes 2"]) -> Nodes:
    """Nodes without labels, as large as their distances allow."""
    side = WIDTHS[1] - LARGEST
    middles = (places - places.min(axis=0)) * side / max(float(np.ptp(places, axis=0).max()), 1e-9)
    nearest = KDTree(middles).query(middles, 2)[0][:, 1] if len(places) > 1 else [SMALLEST]
    size = float(np.clip(0.8 * np.median(nearest), SMALLEST, LARGEST))
    labels = ("",) * len(places)
    return Nodes(labels, SMALL, middles + size / 2 + MARGIN, np.full((len(places), 2), size))


def label_width(label: str, points: float = LABEL) -> float:
    """The width of a node with a label, in inches."""
    return max(text_width(label, points) + 0.1, label_height(points))


def label_height(points: float = LABEL) -> float:
    """The height of a node with a label, in inches."""
    return line_height(points) + 0.03


def draw_shapes(
    axes: Axes,
    shapes: Sequence[Shape],
    labels: Sequence[str] = (),
    edge: str = INK,
    fill: str = NODE,
    points: float = LABEL,
) -> None:
    """Draw shapes, with labels in their middles."""
    outlines = [shape.outline() for shape in shapes]
    look = {"facecolors": fill, "edgecolors": edge, "linewidths": 0.8, "zorder": 3}
    axes.add_collection(PolyCollection(outlines, **look), autolim=False)
    for shape, label in zip(shapes, labels, strict=False):
        axes.text(
            *shape.middle,
            label,
            fontsize=points,
            color=INK,
            ha="center",
            va="center_baseline",
            zorder=4,
        )


def _scaled(places: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Places in inches: as wide as a third of the page if nodes have room there, a half, a page."""
    if len(places) < 2:
        return np.zeros_like(places, dtype=float)
    distances = squareform(pdist(places))
    np.fill_diagonal(distances, np.inf)
    nearest = distances.min(axis=1)
    typical = float(np.median(nearest[nearest > 0])) if (nearest > 0).any() else 1.0
    span = np.maximum(np.ptp(places, axis=0), 1e-9)
    width, height = np.median(sizes, axis=0)
    least, wanted = ((width + height) / 2 + BETWEEN) / typical, (width + FREE) / typical
    scales = [min((widest - width) / span[0], HIGHEST / span[1]) for widest in WIDTHS]
    fitting = next((scale for scale in scales if scale >= least), scales[-1])
    return places * min(wanted, fitting)


def _apart(middles: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Push boxes that overlap away from each other, along the side that needs less."""
    middles = middles.astype(float)
    count = np.arange(len(middles))
    before = np.where(count[:, None] < count, -1.0, 1.0)  # tells boxes on one spot apart
    room = (sizes[:, None] + sizes) / 2
    for turn in range(10_000):
        gap = middles[:, None] - middles
        lack = room - np.abs(gap)
        lack[count, count] = 0
        overlap = np.all(lack > 1e-6, axis=2)
        if not overlap.any():
            break
        along = lack.argmin(axis=2)[:, :, None] == np.arange(2)
        side = np.where(np.abs(gap) > 1e-9, np.sign(gap), before[:, :, None])
        push = np.where(along & overlap[:, :, None], side * lack, 0.0)
        middles += 0.5 * push.sum(axis=1) / np.maximum(overlap.sum(axis=1), 1)[:, None]
        if turn > 100:  # boxes that hem each other in need more paper
            middles = middles.mean(axis=0) + 1.01 * (middles - middles.mean(axis=0))
    return middles
