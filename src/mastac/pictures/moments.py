"""One moment of an episode on the graph: agents in the colours of their states, flows as arrows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from scipy.sparse import csr_array

from mastac.envs.rollouts import Rollout
from mastac.palette import INK, NODE, PAPER
from mastac.pictures.arrows import Arrow, bent, draw_arrows, draw_line
from mastac.pictures.graphs import MOST_AGENTS, MOST_LINES, drawn_edges
from mastac.pictures.nodes import MANY, Nodes, dots, standing
from mastac.pictures.scales import scale_of, short_number
from mastac.pictures.shapes import Shape
from mastac.pictures.sheet import NOTE, Panel
from mastac.pictures.text import line_height, short_labels, text_width
from mastac.structure import CouplingSequence
from mastac.structure.placement import agent_places

POSSIBLE = "#c8c8c8"
"""The colour of an edge on which nothing flows."""
THIN, THICK = 0.8, 2.6
"""Widths of arrows for little flow and for the most, in points."""
LEAST_FLOW = 0.01
"""A share of the largest flow; less is not drawn."""
APART = 0.12
"""How far two opposite edges are bent apart, as a share of their length."""


@dataclass
class Handles:
    """What changes from moment to moment on one panel, and its upper left corner."""

    axes: Axes
    corner: tuple[float, float]
    shapes: Sequence[Shape]
    nodes: PolyCollection
    texts: Sequence[Any]
    flows: Sequence[Any] = ()


class Stage:
    """What all moments of a rollout share: nodes, edges, colours, and how thick arrows are.

    **Arguments:**

    - `rollout`: what is drawn.
    - `with_numbers`: whether values are written below names where agents are few.
    """

    def __init__(self, rollout: Rollout, with_numbers: bool = True) -> None:
        self.rollout, self.scale = rollout, scale_of(rollout)
        labels, self.remark = short_labels(rollout.agents)
        places = agent_places(rollout.couplings)
        self.values = [
            rollout.states(episode, rollout.view.states[0]) for episode in rollout.episodes
        ]
        few = len(labels) <= MOST_AGENTS
        is_number = not self.scale.quantity.levels
        self.has_numbers = with_numbers and len(labels) <= MANY and is_number
        under = ""
        if self.has_numbers:
            every = np.concatenate([values.ravel() for values in self.values])
            under = max((short_number(value) for value in every), key=len)
        self.nodes: Nodes = standing(labels, places, under) if few else dots(places)
        self.flows = [
            [rollout.flows(episode, time) for time in range(episode.steps)]
            for episode in rollout.episodes
        ]
        amounts = np.concatenate([row for flows in self.flows for row in flows] or [np.zeros(0)])
        known = np.abs(amounts[np.isfinite(amounts)])
        self.most = float(known.max(initial=0.0))
        self.edges = self._edges(both=bool((amounts < 0).any()))

    def _edges(self, both: bool) -> list[Arrow]:
        """The edges of the flow, or of the state graph; none where they are too many."""
        couplings, flow = self.rollout.couplings, self.rollout.view.flow
        if flow is None:
            steady = couplings.union() if isinstance(couplings, CouplingSequence) else couplings
            return drawn_edges(csr_array(steady.state), self.nodes, POSSIBLE) or []
        if len(flow.edges) > MOST_LINES:
            return []
        pairs = [(source, target) for source, target in flow.pairs(couplings).tolist()]
        arrows = [Arrow(source, target, POSSIBLE, both=both) for source, target in pairs]
        arrows, _ = bent(self.nodes.shapes(0, 0), arrows)
        known = set(pairs)
        return [
            replace(arrow, bend=APART) if (arrow.target, arrow.source) in known else arrow
            for arrow in arrows
        ]

    def panel(self, title: str, note: str, kept: list[Handles]) -> Panel:
        """The agents before any moment is shown; what will change is added to `kept`."""

        def draw(axes: Axes, x: float, y: float) -> None:
            kept.append(self._drawn(axes, x, y))

        return Panel(*self.nodes.extent, draw, title, note)

    def _drawn(self, axes: Axes, x: float, y: float) -> Handles:
        shapes = self.nodes.shapes(x, y)
        if self.rollout.view.flow is None:
            draw_arrows(axes, shapes, self.edges)
        outlines = [shape.outline() for shape in shapes]
        look: dict[str, Any] = {"facecolors": NODE, "edgecolors": INK, "zorder": 3}
        nodes = PolyCollection(outlines, **look)
        axes.add_collection(nodes, autolim=False)
        texts = [
            axes.text(
                *shape.middle,
                label,
                fontsize=self.nodes.points,
                ha="center",
                va="center",
                linespacing=1.05,
                zorder=4,
            )
            for shape, label in zip(shapes, self.nodes.labels, strict=True)
            if label
        ]
        return Handles(axes, (x, y + self.nodes.extent[1]), shapes, nodes, texts)

    def show(self, handles: Handles, number: int, time: int) -> None:
        """Show an episode at a time; an episode that is over stays as it ended."""
        values = self.values[number][min(time, len(self.values[number]) - 1)]
        fills = self.scale.fills(values)
        has_labels = bool(handles.texts)
        usual, beyond = (0.8, 2.2) if has_labels else (0.3, 1.2)
        widths = np.where(self.scale.is_beyond(values), beyond, usual)
        handles.nodes.set(facecolor=fills, linewidth=widths)
        bright = fills[:, :3] @ np.array([0.299, 0.587, 0.114])
        for k, text in enumerate(handles.texts):
            under = f"\n{short_number(values[k])}" if self.has_numbers else ""
            text.set_text(self.nodes.labels[k] + under)
            text.set_color(PAPER if bright[k] < 0.53 else INK)
        self._show_flows(handles, number, time)

    def _show_flows(self, handles: Handles, number: int, time: int) -> None:
        for line in handles.flows:
            line.remove()
        handles.flows = ()
        if self.rollout.view.flow is None:
            return
        # Nothing flows at the last time.
        is_over = time >= len(self.flows[number]) or self.most == 0
        shares = np.zeros(len(self.edges))
        if self.edges and not is_over:
            shares = np.nan_to_num(self.flows[number][time] / self.most)
        arrows = [
            _flowing(edge, share) if abs(share) > LEAST_FLOW else edge
            for edge, share in zip(self.edges, shares.tolist(), strict=True)
        ]
        before = list(handles.axes.collections)
        draw_arrows(handles.axes, handles.shapes, arrows)
        handles.flows = [line for line in handles.axes.collections if line not in before]

    def legend(self) -> Panel:
        """What colours and arrows mean."""
        flow, bar = self.rollout.view.flow, self.scale.panel()
        if flow is None or self.most == 0:
            return bar
        text = f"{flow.title}: at most {short_number(self.most)}"
        if not self.edges:
            text = f"{flow.name} is not drawn: there are too many edges"
        below, start = line_height(NOTE) + 0.06, 0.46 if self.edges else 0.0

        def draw(axes: Axes, x: float, y: float) -> None:
            bar.draw(axes, x, y + below)
            middle = y + line_height(NOTE) / 2
            if self.edges:
                draw_line(axes, (x, middle), (x + 0.4, middle), INK, THICK)
            axes.text(x + start, middle, text, fontsize=NOTE, color=INK, va="center_baseline")

        width = max(bar.width, start + text_width(text, NOTE))
        return Panel(width, bar.height + below, draw, bar.title, bar.note)


def _flowing(edge: Arrow, share: float) -> Arrow:
    """The arrow of a flow along an edge; a negative one leads back along the same curve."""
    if share < 0:
        edge = replace(edge, source=edge.target, target=edge.source, bend=-edge.bend)
    width = THIN + (THICK - THIN) * abs(share)
    return replace(edge, color=INK, both=False, width=width)
