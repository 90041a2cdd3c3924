"""How one agent acts and is trained: what goes into its policy, its critic and its gradient."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.sparse import csr_array

from mastac.palette import FAINT, INK, MEANING, PALE, PAPER
from mastac.pictures.arrows import Arrow, draw_arrows, draw_line
from mastac.pictures.nodes import LABEL, draw_shapes, label_height, label_width
from mastac.pictures.shapes import Shape
from mastac.pictures.sheet import Panel, sheet
from mastac.pictures.text import line_height, short_labels, text_width
from mastac.structure import Couplings, gradient_dependency, value_dependency

MOST_MEMBERS = 24
GROUP, BOX, APART = 3.4, 1.45, 0.45
"""Widths of a group of agents and of a box, and the room between them, in inches."""


@dataclass(frozen=True)
class Group:
    """Agents that something is taken from.

    **Arguments:**

    - `caption`: what is taken.
    - `members`: labels of the agents.
    - `meaning`: the colour of its arrow.
    """

    caption: str
    members: tuple[str, ...]
    meaning: str

    def lines(self) -> list[list[str]]:
        """The labels in lines that fit; many are cut short."""
        more = len(self.members) - MOST_MEMBERS
        shown = list(self.members) if more <= 0 else list(self.members[:MOST_MEMBERS])
        words = [*shown, *([f"and {more} more"] if more > 0 else [])]
        lines: list[list[str]] = [[]]
        used = 0.0
        for word in words:
            wide = label_width(word) + 0.05
            if lines[-1] and used + wide > GROUP - 0.1:
                lines.append([])
                used = 0.0
            lines[-1].append(word)
            used += wide
        return lines

    @property
    def height(self) -> float:
        """With its caption and frame, in inches."""
        return line_height(LABEL) + 0.06 + len(self.lines()) * (label_height() + 0.05) + 0.05


def training_picture(
    couplings: Couplings, kappa: int | None = None, agent: str | None = None
) -> Figure:
    """What one agent acts on, what its critic reads, and whose values move its policy.

    **Arguments:**

    - `kappa`: of the sets; `None`: the exact ones.
    - `agent`: its name; the first one by default.

    **Raises:**

    - [`mastac.errors.UserError`][] if there is no such agent, or the memory does not hold the sets.
    """
    labels, remark = short_labels(couplings.agents)
    row = couplings.index(agent or couplings.agents[0])
    sets = value_dependency(couplings, kappa)

    def members(matrix: csr_array) -> tuple[str, ...]:
        columns = np.sort(matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]])
        return tuple(labels[column] for column in columns)

    me, which = labels[row], "exact sets" if kappa is None else f"κ = {kappa}"
    lanes = [
        _lane(
            "Acting, at every step",
            [Group("states that it observes", members(couplings.observation), "observation")],
            (f"policy of {me}", f"action of {me}"),
        ),
        _lane(
            "Learning the critic",
            [
                Group("states that it reads", members(sets.states), "value"),
                Group("actions that it reads", members(sets.actions), "value"),
                Group("reward that it predicts", (me,), "reward"),
            ],
            (f"critic of {me}", f"value of {me}"),
        ),
        _lane(
            "Improving the policy",
            [Group("values that its action moves", members(gradient_dependency(sets)), "gradient")],
            ("sum of the gradients", f"policy of {me}"),
        ),
    ]
    said = f"agent {couplings.agents[row]}, {which}"
    return sheet(
        lanes,
        ["observation", "value", "reward", "gradient"],
        f"{said}; {remark}" if remark else said,
    )


def _lane(title: str, groups: Sequence[Group], boxes: tuple[str, str]) -> Panel:
    """Groups on the left, what they go into in the middle, and what comes out on the right."""
    heights = [group.height for group in groups]
    height = sum(heights) + 0.1 * (len(groups) - 1)
    sizes = [(max(BOX, text_width(box, LABEL) + 0.2), 0.4) for box in boxes]
    first = GROUP + APART + sizes[0][0] / 2
    second = first + sizes[0][0] / 2 + APART + sizes[1][0] / 2

    def draw(axes: Axes, x: float, y: float) -> None:
        middle = y + height / 2
        steps = [
            Shape("box", (x + first, middle), sizes[0]),
            Shape("box", (x + second, middle), sizes[1]),
        ]
        draw_arrows(axes, steps, [Arrow(0, 1, PALE)])
        draw_shapes(axes, steps, boxes)
        top = y + height
        for k, group in enumerate(groups):
            _draw_group(axes, group, x, top)
            at = (x + GROUP, top - heights[k] / 2)
            share = (len(groups) / 2 - k - 0.5) / len(groups) * sizes[0][1] * 0.8
            end = (x + first - sizes[0][0] / 2, middle + share)
            draw_line(axes, at, end, MEANING[group.meaning], width=1.4)
            top -= heights[k] + 0.1

    return Panel(second + sizes[1][0] / 2, height, draw, title)


def _draw_group(axes: Axes, group: Group, x: float, top: float) -> None:
    frame = Shape("box", (x + GROUP / 2, top - group.height / 2), (GROUP, group.height))
    draw_shapes(axes, [frame], edge=FAINT, fill=PAPER)
    axes.text(x + 0.08, top - 0.04, group.caption, fontsize=LABEL, color=INK, va="top", zorder=4)
    y = top - line_height(LABEL) - 0.06 - label_height() / 2
    shapes, words = [], []
    for line in group.lines():
        at = x + 0.08
        for word in line:
            wide = label_width(word)
            shapes.append(Shape("round", (at + wide / 2, y), (wide, label_height())))
            words.append(word)
            at += wide + 0.05
        y -= label_height() + 0.05
    draw_shapes(axes, shapes, words, edge=PALE)
