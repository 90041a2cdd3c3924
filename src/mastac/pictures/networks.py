"""The Bayesian network, unrolled or folded: a row for each agent, columns for what and when."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import networkx as nx
from matplotlib.axes import Axes

from mastac.palette import INK, MEANING, PALE
from mastac.pictures.arrows import Arrow, bent, draw_arrows
from mastac.pictures.nodes import LABEL, draw_shapes
from mastac.pictures.shapes import Shape
from mastac.pictures.sheet import Panel
from mastac.pictures.text import line_height, text_width
from mastac.structure import Couplings, CouplingSequence, bayesian_network
from mastac.structure.bayesian_network import Node

HIGHEST = 9.0
ACROSS = {"s": 0.0, "a": 0.8, "z": 1.6}
STEP = 2.5
"""Places of states, actions and rewards within a step, in inches, and the width of a step."""
ASIDE = {"s": 0.0, "a": 0.32, "z": -0.32}
"""How far off its row a node stands, in rows: so that no node hides the edges of its agent."""
MOST_ASIDE, FEW_ROWS = 0.3, 12
"""How far edges may bend aside, in inches, and up to how many rows there is room for that."""
NAMES = {"s": "s", "a": "a", "z": "r"}

EdgeMeaning = Callable[[Node, Node], str]


@dataclass(frozen=True)
class Rows:
    """Where the nodes of a network stand, in inches from the upper left."""

    agents: tuple[str, ...]
    columns: tuple[tuple[str, int], ...]

    @property
    def pitch(self) -> float:
        """From one row to the next."""
        return max(0.22, min(0.5, HIGHEST / len(self.agents)))

    @property
    def radius(self) -> float:
        """Of a node."""
        return min(0.09, 0.22 * self.pitch)

    def shape(self, node: Node, corner: tuple[float, float]) -> Shape:
        """A circle for a state, a square for an action, a diamond for a reward."""
        kind, scale = {"s": ("round", 2.0), "a": ("box", 1.8), "z": ("diamond", 2.25)}[node[0]]
        x, y = self.at(node)
        side = scale * self.radius
        return Shape(kind, (corner[0] + x, corner[1] + y), (side, side))

    def at(self, node: Node) -> tuple[float, float]:
        """The middle of a node."""
        kind, agent, time = node
        row = self.agents.index(agent) - ASIDE[kind]
        return self.across(kind, time), -self.pitch * row

    def across(self, kind: str, time: int) -> float:
        """How far to the right a column is."""
        first_kind, first_time = self.columns[0]
        return ACROSS[kind] + STEP * time - ACROSS[first_kind] - STEP * first_time


def edge_meaning(couplings: Couplings | CouplingSequence) -> EdgeMeaning:
    """Which graph an edge of the network is from: a name in the palette.

    Actions that couple as states or rewards do are of the state or reward graph.
    """
    entries = [couplings] if isinstance(couplings, Couplings) else list(couplings)
    action = "state" if all(c.action is c.state for c in entries) else "action"
    is_one = all(c.reward_action is c.reward for c in entries)
    meanings = {
        ("s", "s"): "state",
        ("a", "s"): action,
        ("s", "a"): "observation",
        ("s", "z"): "reward",
        ("a", "z"): "reward" if is_one else "reward_action",
    }
    return lambda source, target: (
        "time" if target[2] < source[2] else meanings[source[0], target[0]]
    )


def one_step(couplings: Couplings, meaning: str) -> nx.DiGraph:
    """The edges of the network that come from one graph, at one step."""
    network = bayesian_network(couplings, horizon=1)
    of = edge_meaning(couplings)
    edges = [e for e in network.edges if of(*e) == meaning and e[0][2] == 0]
    return network.edge_subgraph(edges)


def network_panel(
    network: nx.DiGraph,
    agents: Sequence[str],
    labels: Sequence[str],
    of: EdgeMeaning,
    title: str = "",
    note: str = "",
    when: Sequence[str] = ("0", "1", "2", "3"),
) -> Panel:
    """A network whose nodes are `("s" | "a" | "z", agent, time)`.

    **Arguments:**

    - `of`: which graph an edge is from.
    - `when`: how the times 0, 1, … are written.
    """
    kinds = {(kind, time) for kind, _, time in network.nodes}
    columns = sorted(kinds, key=lambda column: (column[1], "saz".index(column[0])))
    rows = Rows(tuple(agents), tuple(columns))
    left = max(text_width(label, LABEL) for label in labels) + 0.12 + rows.radius
    top = line_height(LABEL) + 0.32 * rows.pitch + rows.radius + 0.03
    height = (len(agents) - 1) * rows.pitch + top + 0.32 * rows.pitch + 1.2 * rows.radius
    width = left + rows.across(*columns[-1]) + max(rows.radius, 0.12)

    aside = MOST_ASIDE if len(agents) <= FEW_ROWS else 0.0

    def draw(axes: Axes, x: float, y: float) -> None:
        corner = (x + left, y + height - top)
        for agent, label in zip(agents, labels, strict=True):
            at = (x, corner[1] + rows.at(("s", agent, 0))[1])
            axes.text(*at, label, fontsize=LABEL, color=INK, va="center")
        for kind, time in columns:
            head = f"{NAMES[kind]}({when[time]})"
            at = (corner[0] + rows.across(kind, time), y + height)
            axes.text(*at, head, fontsize=LABEL, color=PALE, ha="center", va="top")
        nodes = sorted(network.nodes)
        shapes = [rows.shape(node, corner) for node in nodes]
        draw_arrows(axes, shapes, bent(shapes, _arrows(network, nodes, of), aside, outside=0.0)[0])
        draw_shapes(axes, shapes)

    return Panel(width, height, draw, title, note)


def _arrows(network: nx.DiGraph, nodes: Sequence[Node], of: EdgeMeaning) -> list[Arrow]:
    """Edges in their colours. One that also leads backwards is one thick line with two heads."""
    place = {node: k for k, node in enumerate(nodes)}
    arrows = []
    for source, target in sorted(network.edges):
        meaning = of(source, target)
        if meaning == "time":
            color = MEANING["time"]
            arrows.append(Arrow(place[source], place[target], color, both=True, width=2.0))
        elif not network.has_edge(target, source):
            arrows.append(Arrow(place[source], place[target], MEANING[meaning], width=0.8))
    return arrows
