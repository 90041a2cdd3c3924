"""One graph of agents: nodes and arrows while that can be read, else a matrix."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from scipy.sparse import csr_array

from mastac.palette import MEANING
from mastac.pictures.arrows import Arrow, bent, draw_arrows
from mastac.pictures.matrices import matrix_panel
from mastac.pictures.nodes import Nodes, draw_shapes, standing
from mastac.pictures.sheet import Panel

MOST_AGENTS = 40
MOST_LINES = 120
"""More agents or lines than these cannot be told from each other, and a matrix is drawn."""
FEW_AGENTS = 12
"""Of so few agents, bent arrows can be followed too."""


def edges_of(matrix: csr_array) -> list[tuple[int, int]]:
    """Pairs (source, target) of a matrix whose rows depend on columns, without self-loops."""
    target, source = matrix.tocoo().coords
    return sorted((int(s), int(t)) for s, t in zip(source, target, strict=True) if s != t)


def drawn_edges(matrix: csr_array, nodes: Nodes, color: str) -> list[Arrow] | None:
    """The arrows of a graph; `None` where they could not be told apart."""
    if matrix.nnz > len(nodes.labels) + 2 * MOST_LINES:
        return None
    edges = edges_of(matrix)
    known = set(edges)
    arrows = [
        Arrow(source, target, color, both=(target, source) in known)
        for source, target in edges
        if source < target or (target, source) not in known  # two opposite ones share a line
    ]
    arrows, crossing = bent(nodes.shapes(0, 0), arrows)
    bends = sum(arrow.bend != 0 for arrow in arrows)
    if len(arrows) > MOST_LINES:
        return None
    few = len(nodes.labels) <= FEW_AGENTS
    return arrows if few or max(3 * bends, 10 * crossing) <= len(arrows) else None


def graph_panels(
    graphs: Sequence[tuple[csr_array, str, str, str]],
    labels: Sequence[str],
    places: Float[np.ndarray, "agents 2"],
    side: float = 6.2,
    alike: bool = False,
) -> list[Panel]:
    """Graphs given as (matrix whose rows depend on columns, meaning, title, note).

    **Arguments:**

    - `places`: of the nodes, the same in every graph.
    - `side`: of a matrix at most, in inches.
    - `alike`: whether all become matrices where one must.
    """
    nodes = standing(labels, places) if len(labels) <= MOST_AGENTS else None
    drawn = [nodes and drawn_edges(matrix, nodes, MEANING[what]) for matrix, what, _, _ in graphs]
    are_matrices = nodes is None or (alike and None in drawn)
    panels = []
    for arrows, (matrix, meaning, title, note) in zip(drawn, graphs, strict=True):
        if are_matrices or nodes is None or arrows is None:
            says = f"{note}\nrow depends on column"
            panels.append(matrix_panel(matrix, labels, meaning, title, says, side))
        else:
            panels.append(Panel(*nodes.extent, partial(_draw, nodes, arrows), title, note))
    return panels


def _draw(nodes: Nodes, arrows: Sequence[Arrow], axes: Axes, x: float, y: float) -> None:
    shapes = nodes.shapes(x, y)
    draw_arrows(axes, shapes, arrows)
    draw_shapes(axes, shapes, nodes.labels, points=nodes.points)
