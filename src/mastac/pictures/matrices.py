"""Graphs as matrices: row depends on column. Of very many agents, a cell stands for a block."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Rectangle
from scipy.sparse import csr_array

from mastac.palette import INK, MEANING, PALE, PAPER
from mastac.pictures.sheet import Panel
from mastac.pictures.text import line_height, text_width

TICK = 6.0
CELL = 0.15
MOST_CELLS = 400
"""With more agents than this a cell is a block of agents."""
SELF = "#d4d4d4"


def matrix_panel(
    matrix: csr_array,
    labels: Sequence[str],
    meaning: str,
    title: str = "",
    note: str = "",
    side: float = 6.2,
) -> Panel:
    """A square of cells, at most `side` inches wide without the labels beside it."""
    size = len(labels)
    side = min(side, CELL * size)
    every = max(1, int(np.ceil(line_height(TICK) / (side / size))))
    shown = list(range(0, size, every))
    left = max(text_width(labels[k], TICK) for k in shown) + 0.08
    flat = max(text_width(labels[k], TICK) for k in shown) + 0.06 < every * side / size
    top = line_height(TICK) + 0.06 if flat else left
    block = -(-size // MOST_CELLS)
    if block > 1:
        note = f"{note}; a cell is {block} × {block} agents, darker with more edges"

    def draw(axes: Axes, x: float, y: float) -> None:
        corner = (x + left, y + side)
        (_draw_cells if block == 1 else _draw_blocks)(axes, matrix, corner, side, MEANING[meaning])
        frame = Rectangle(
            (x + left, y), side, side, fill=False, edgecolor=PALE, linewidth=0.6, zorder=3
        )
        axes.add_patch(frame)
        for k in shown:
            middle = (k + 0.5) * side / size
            beside, above = (corner[0] - 0.05, corner[1] - middle), (corner[0] + middle, corner[1])
            write = partial(axes.text, s=labels[k], fontsize=TICK, color=INK)
            write(*beside, ha="right", va="center")
            turn = 0.0 if flat else 90.0
            write(above[0], above[1] + 0.04, ha="center", va="bottom", rotation=turn)

    return Panel(left + side, side + top, draw, title, note)


def _draw_cells(
    axes: Axes, matrix: csr_array, corner: tuple[float, float], side: float, color: str
) -> None:
    """Rows of equal cells are one rectangle each."""
    size = len(matrix.indptr) - 1
    cell = side / size
    boxes, selves = [], []
    for row in range(size):
        columns = np.sort(matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]])
        columns = columns[columns != row]
        runs = np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1)
        boxes += [_box(corner, cell, row, int(run[0]), int(run[-1])) for run in runs if len(run)]
        selves.append(_box(corner, cell, row, row, row))
    for shapes, shade in ((selves, SELF), (boxes, color)):
        width = 0.4 if cell > 0.05 else 0.0
        axes.add_collection(
            PolyCollection(shapes, facecolors=shade, edgecolors=PAPER, linewidths=width)
        )
    if cell > 0.05:
        for row in range(1, size):
            at = corner[0] + row * cell
            axes.plot([at, at], [corner[1] - side, corner[1]], color=PAPER, linewidth=0.4)


def _box(
    corner: tuple[float, float], cell: float, row: int, first: int, last: int
) -> list[tuple[float, float]]:
    left, right = corner[0] + first * cell, corner[0] + (last + 1) * cell
    top, bottom = corner[1] - row * cell, corner[1] - (row + 1) * cell
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def _draw_blocks(
    axes: Axes, matrix: csr_array, corner: tuple[float, float], side: float, color: str
) -> None:
    """An image of how many edges each block has; the root keeps single edges in sight."""
    size = len(matrix.indptr) - 1
    block = -(-size // MOST_CELLS)
    row, column = matrix.tocoo().coords
    blocks = -(-size // block)
    counts = np.zeros((blocks, blocks))
    np.add.at(counts, (row // block, column // block), 1.0)
    shades = LinearSegmentedColormap.from_list("edges", [PAPER, color])
    # The last blocks are not full: the image reaches as far past the frame as they are short.
    reach = side * blocks * block / size
    extent = (corner[0], corner[0] + reach, corner[1] - reach, corner[1])
    least = 0.15 * (counts > 0)
    image = axes.imshow(
        np.maximum(np.sqrt(counts / counts.max()), least),
        cmap=shades,
        vmin=0.0,
        vmax=1.0,
        extent=extent,
        interpolation="nearest",
        aspect="auto",
        zorder=1,
    )
    image.set_clip_path(
        Rectangle((corner[0], corner[1] - side), side, side, transform=axes.transData)
    )
