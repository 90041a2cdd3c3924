"""Where pictures put agents: where they are, if that is known, else by the graphs.

The same graphs give the same places, from run to run. No random numbers are drawn.
"""

import networkx as nx
import numpy as np
from jaxtyping import Float
from scipy.sparse import csr_array, diags_array
from scipy.sparse.csgraph import connected_components, dijkstra
from scipy.spatial import KDTree

from mastac.structure.couplings import Couplings
from mastac.structure.sequences import CouplingSequence

FEW = 60
"""Up to this number of agents Kamada and Kawai's method is quick; it balances all distances."""
PIVOTS = 40
NEAREST = 8
ROUNDS = 60
LONGEST_ROW = 12
"""A chain of more agents is laid in rows."""
ASPECT = 1.6
"""Width over height of the whole, where the parts may be put anywhere."""

Points = Float[np.ndarray, "agents 2"]


def agent_places(couplings: Couplings | CouplingSequence) -> Points:
    """Where each agent is drawn, in all pictures: x to the right, y upwards.

    These are the positions of the couplings. Where they have none, agents that are coupled stand
    near each other, neighbours about 1 apart: a chain is a row, a ring a circle, parts that nothing
    couples stand side by side. Of a sequence, the couplings of all times count.
    """
    steady = couplings.union() if isinstance(couplings, CouplingSequence) else couplings
    if steady.positions:
        return np.array([steady.positions[name] for name in steady.agents], float)
    links = csr_array(steady.state + steady.observation + steady.reward, dtype=float)
    for matrix, default in ((steady.action, steady.state), (steady.reward_action, steady.reward)):
        links = links if matrix is default else links + matrix
    return places_by_links(csr_array(links + links.T - diags_array(2 * links.diagonal())))


def places_by_links(links: csr_array) -> Points:
    """Places for agents that are linked where the symmetric matrix is not zero."""
    links = csr_array(links, dtype=float, copy=True)
    links.eliminate_zeros()
    links.data[:] = 1.0
    _, part_of = connected_components(links, directed=False)
    order = np.argsort(part_of, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(part_of[order])) + 1)
    lone = [part[0] for part in members if len(part) == 1]
    parts = [part for part in members if len(part) > 1]
    parts.sort(key=lambda part: (-len(part), part[0]))
    shapes = [_shape(csr_array(links[part][:, part])) for part in parts]
    places = np.zeros((_size(links), 2))
    for part, shape in zip([*parts, lone], _packed([*shapes, _block(len(lone))]), strict=True):
        places[part] = shape
    return places - places.min(axis=0)


def _shape(links: csr_array) -> Points:
    """Places within one connected part."""
    size, degrees = _size(links), np.diff(links.indptr)
    if links.nnz == 2 * (size - 1) and degrees.max() <= 2:
        return _rows(_walk(links, int(np.flatnonzero(degrees == 1)[0])))
    if links.nnz == 2 * size and degrees.max() == degrees.min() == 2:
        return _circle(_walk(links, 0))
    start = _spread(links)
    if size > FEW:
        return _turned(_relaxed(links, start))
    given = dict(enumerate(start / max(float(np.abs(start).max()), 1e-9)))
    placed = nx.kamada_kawai_layout(nx.from_scipy_sparse_array(links), pos=given)
    points = np.array([placed[k] for k in range(size)])
    return _turned(points / _typical_length(links, points))


def _size(links: csr_array) -> int:
    return len(links.indptr) - 1


def _walk(links: csr_array, first: int) -> np.ndarray:
    """The agents of a chain or ring in the order in which one follows another."""
    order, before = [first], -1
    while len(order) < _size(links):
        here = order[-1]
        beside = links.indices[links.indptr[here] : links.indptr[here + 1]]
        onward = [int(k) for k in beside if k != before]
        order.append(min(onward))
        before = here
    return np.array(order)


def _rows(order: np.ndarray) -> Points:
    """A chain from left to right; a long one turns back and forth."""
    size = len(order)
    rows = min(-(-size // LONGEST_ROW), max(1, round(np.sqrt(size))))
    row, column = np.divmod(np.arange(size), -(-size // rows))
    width = -(-size // rows)
    x = np.where(row % 2 == 0, column, width - 1 - column)
    return _at(order, np.stack([x, -row], axis=1))


def _circle(order: np.ndarray) -> Points:
    """A ring, clockwise from the top, neighbours 1 apart."""
    size = len(order)
    angle = np.pi / 2 - 2 * np.pi * np.arange(size) / size
    radius = 0.5 / np.sin(np.pi / size)
    return _at(order, radius * np.stack([np.cos(angle), np.sin(angle)], axis=1))


def _at(order: np.ndarray, points: np.ndarray) -> Points:
    places = np.zeros((len(order), 2))
    places[order] = points
    return places


def _spread(links: csr_array) -> Points:
    """Classical scaling of the distances to a few agents far apart (pivot MDS)."""
    size = _size(links)
    nearest, pivot, columns = np.full(size, np.inf), 0, []
    for _ in range(min(PIVOTS, size)):
        distance = dijkstra(links, directed=False, unweighted=True, indices=pivot)
        columns.append(distance)
        nearest = np.minimum(nearest, distance)
        pivot = int(nearest.argmax())
    squares = np.stack(columns, axis=1) ** 2
    centred = squares - squares.mean(0) - squares.mean(1, keepdims=True) + squares.mean()
    _, _, directions = np.linalg.svd(centred.T @ centred)
    points = -0.5 * centred @ directions[:2].T
    points *= np.where(points[np.abs(points).argmax(axis=0), [0, 1]] < 0, -1.0, 1.0)
    # Agents with the same distances would lie on each other: a spiral tells them apart.
    turn = np.arange(size) * np.pi * (3 - np.sqrt(5))
    step = np.stack([np.cos(turn), np.sin(turn)], axis=1) * np.sqrt(np.arange(size) / size)[:, None]
    scale = _typical_length(links, points)
    return points / scale + 0.3 * step


def _relaxed(links: csr_array, start: Points) -> Points:
    """Links pull towards length 1, and agents nearer than 1 push each other away."""
    points = start.copy()
    row, column = links.tocoo().coords
    degree = np.maximum(np.diff(links.indptr), 1)[:, None]
    for count in range(ROUNDS):
        step = 0.5 * (1 - count / ROUNDS)
        gap = points[column] - points[row]
        length = np.linalg.norm(gap, axis=1, keepdims=True) + 1e-9
        pull = np.zeros_like(points)
        np.add.at(pull, row, gap * (1 - 1 / length))
        distance, near = KDTree(points).query(points, min(NEAREST, len(points) - 1) + 1)
        apart = points[:, None] - points[near]
        force = np.clip(1 - distance, 0, None) / (distance + 1e-9)
        push = (apart * force[:, :, None]).sum(axis=1)
        points += step * pull / degree + 2 * step * np.clip(push, -0.5, 0.5)
    return points


def _typical_length(links: csr_array, points: Points) -> float:
    row, column = links.tocoo().coords
    lengths = np.linalg.norm(points[row] - points[column], axis=1)
    return max(float(np.median(lengths)), 1e-9)


def _turned(points: Points) -> Points:
    """The longer side lies across; agents go from left to right and from top to bottom."""
    centred = points - points.mean(axis=0)
    spread, axes = np.linalg.eigh(centred.T @ centred)
    if spread[1] > 1.2 * max(spread[0], 1e-9):
        centred = centred @ axes[:, ::-1]
    count = np.arange(len(points)) - (len(points) - 1) / 2
    ahead = count @ centred * np.array([1.0, -1.0])
    return centred * np.where(ahead < -1e-6, -1.0, 1.0)


def _block(size: int) -> Points:
    """Agents that nothing couples, in rows."""
    width = max(1, round(np.sqrt(ASPECT * size)))
    row, column = np.divmod(np.arange(size), width)
    return np.stack([column, -row], axis=1).astype(float)


def _packed(shapes: list[np.ndarray]) -> list[np.ndarray]:
    """Shapes in rows from the top, so that the whole is a little wider than high."""
    shapes = [shape - shape.min(axis=0) if len(shape) else shape for shape in shapes]
    sides = [shape.max(axis=0) + 1 if len(shape) else np.zeros(2) for shape in shapes]
    area = sum(float(side.prod()) for side in sides)
    width = max([np.sqrt(ASPECT * area), *(float(side[0]) for side in sides)])
    placed, x, top, tallest = [], 0.0, 0.0, 0.0
    for shape, side in zip(shapes, sides, strict=True):
        if x > 0 and x + side[0] > width + 1e-6:
            x, top, tallest = 0.0, top - tallest - 0.4, 0.0
        placed.append(shape + np.array([x, top - side[1] + 1]) if len(shape) else shape)
        x, tallest = x + side[0] + 0.4, max(tallest, float(side[1]))
    return placed
