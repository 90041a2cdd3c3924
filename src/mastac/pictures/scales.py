"""Colours of a quantity: the same over all times and policies, and what they mean."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import LinearSegmentedColormap, to_rgba

from mastac.envs.rollouts import Rollout
from mastac.envs.views import Quantity
from mastac.palette import BLUE_TO_RED, INK, LOW_TO_HIGH, NODE
from mastac.pictures.sheet import NOTE, Panel
from mastac.pictures.text import line_height, text_width

WIDTH, BAR, CELLS = 3.2, 0.13, 96
"""Of the bar, in inches, and of how many cells it is."""
SHADES = 257
"""Of a scale; an odd number, so that the one in the middle is white."""


@dataclass(frozen=True)
class Scale:
    """The colours of a quantity.

    - `low`, `high`: the ends.
    - `base`: what is subtracted from each agent's values: zero, or its own target or limit.
    - `white`: what is drawn white, and `says` why; `None`: colours run from low to high.
    """

    quantity: Quantity
    low: float
    high: float
    base: Float[np.ndarray, " agents"]
    white: float | None
    says: str

    @cached_property
    def colors(self) -> LinearSegmentedColormap:
        """From the low end to the high one."""
        stops = LOW_TO_HIGH
        if self.white is not None:
            stops = BLUE_TO_RED if self.quantity.red == "above" else BLUE_TO_RED[::-1]
        return LinearSegmentedColormap.from_list("scale", list(stops), N=SHADES)

    def fills(self, values: Float[np.ndarray, " agents"]) -> Float[np.ndarray, "agents 4"]:
        """The colour of each agent; that of empty nodes where there is no value."""
        share = (values - self.base - self.low) / (self.high - self.low)
        fills = self.colors(np.nan_to_num(np.clip(share, 0.0, 1.0)))
        return np.where(np.isnan(values)[:, None], np.array(to_rgba(NODE)), fills)

    def is_beyond(self, values: Float[np.ndarray, " agents"]) -> Bool[np.ndarray, " agents"]:
        """Whose value is not within its limits, by more than rounding."""
        room = 1e-6 * (self.high - self.low)
        low, high = (self.quantity.each(name, len(values)) for name in ("low", "high"))
        below = np.zeros(len(values), bool) if low is None else values < low - room
        return below if high is None else below | (values > high + room)

    def panel(self) -> Panel:
        """The bar of colours with its ends, or the levels by name."""
        quantity = self.quantity
        if quantity.levels:
            return Panel(WIDTH, BAR, self._draw_levels, quantity.title)
        less = f", less {self.says.replace('the', 'its')}" if self.base.any() else ""
        notes = [f"white: {self.says}"] if self.white is not None else []
        limits = limits_text(quantity, len(self.base))
        notes += [f"thick outline: {limits}"] if limits else []
        height = BAR + line_height(NOTE) + 0.04
        return Panel(WIDTH, height, self._draw_bar, quantity.title + less, "; ".join(notes))

    def _draw_bar(self, axes: Axes, x: float, y: float) -> None:
        bottom, edges = y + line_height(NOTE) + 0.04, np.linspace(x, x + WIDTH, CELLS + 1)
        _cells(axes, edges, bottom, self.colors((np.arange(CELLS) + 0.5) / CELLS))
        ends = [(self.low, x, "left"), (self.high, x + WIDTH, "right")]
        if self.white is not None:
            ends.append((self.white, x + WIDTH / 2, "center"))
        for value, at, side in ends:
            text = short_number(value)
            axes.text(at, bottom - 0.03, text, fontsize=NOTE, color=INK, ha=side, va="top")

    def _draw_levels(self, axes: Axes, x: float, y: float) -> None:
        names = self.quantity.levels
        for name, color in zip(names, self.colors(np.linspace(0, 1, len(names))), strict=True):
            _cells(axes, np.array([x, x + 2 * BAR]), y, color[None])
            at = x + 2 * BAR + 0.06
            axes.text(at, y + BAR / 2, name, fontsize=NOTE, color=INK, va="center_baseline")
            x = at + text_width(name, NOTE) + 0.2


def _cells(axes: Axes, edges: np.ndarray, bottom: float, colors: np.ndarray) -> None:
    """Boxes side by side, and a frame around them."""
    boxes = [
        [(left, bottom), (right, bottom), (right, bottom + BAR), (left, bottom + BAR)]
        for left, right in pairwise(edges)
    ]
    look = {"facecolors": colors, "edgecolors": colors, "linewidths": 0.3}
    axes.add_collection(PolyCollection(boxes, **look), autolim=False)
    frame = [boxes[0][0], boxes[-1][1], boxes[-1][2], boxes[0][3]]
    look = {"facecolors": "none", "edgecolors": INK, "linewidths": 0.6}
    axes.add_collection(PolyCollection([frame], **look), autolim=False)


def scale_of(rollout: Rollout) -> Scale:
    """The colours of the first quantity of states, over all episodes."""
    quantity = rollout.view.states[0]
    values = np.concatenate([rollout.states(episode, quantity) for episode in rollout.episodes])
    zeros = np.zeros(len(rollout.agents))
    if quantity.levels:
        return Scale(quantity, 0.0, max(len(quantity.levels) - 1.0, 1.0), zeros, None, "")
    white, says = _white(quantity, values)
    if white is None:
        low, high = _range(values, quantity)
        return Scale(quantity, low, high, zeros, None, "")
    is_one = (white == white[0]).all()
    base, white_at = (zeros, float(white[0])) if is_one else (white, 0.0)
    away = np.abs(values - white)
    half = float(np.nanmax(away)) if np.isfinite(away).any() else 0.0
    half = half if half > 0 else 1.0
    return Scale(quantity, white_at - half, white_at + half, base, white_at, says)


def _white(quantity: Quantity, values: np.ndarray) -> tuple[np.ndarray | None, str]:
    """What is drawn white for each agent, and what that is: target, the only limit, or zero."""
    agents = values.shape[1]
    target, low, high = (quantity.each(name, agents) for name in ("target", "low", "high"))
    if target is not None:
        return target, "the target"
    if (low is None) != (high is None):
        return (high if low is None else low), "the limit"
    has_both_signs = low is None and (values < 0).any() and (values > 0).any()
    return (np.zeros(agents), "zero") if has_both_signs else (None, "")


def _range(values: np.ndarray, quantity: Quantity) -> tuple[float, float]:
    """From the least value or limit to the largest."""
    ends = [quantity.each(name, values.shape[1]) for name in ("low", "high")]
    known = np.concatenate([values.ravel(), *(end for end in ends if end is not None)])
    known = known[np.isfinite(known)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def limits_text(quantity: Quantity, agents: int) -> str:
    """What it is to be beyond the limits of a quantity; empty where there are none."""
    low, high = (quantity.each(name, agents) for name in ("low", "high"))
    if any(each is not None and (each != each[0]).any() for each in (low, high)):
        return "beyond its limits"
    if low is not None and high is not None:
        return f"outside {short_number(low[0])} to {short_number(high[0])}"
    if low is not None:
        return f"below {short_number(low[0])}"
    return "" if high is None else f"above {short_number(high[0])}"


def short_number(value: float) -> str:
    """Some three digits, with a true minus sign; nothing for what is not known.

    >>> [short_number(value) for value in (-0.254, 22.13, 1234.5, 0.0, 2.5e9)]
    ['−0.25', '22.1', '1,234', '0', '2.50e09']
    """
    if not np.isfinite(value):
        return ""
    if abs(value) >= 1e6:
        return f"{value:.2e}".replace("e+", "e").replace("-", "−")
    digits = 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0
    text = f"{value:,.{0 if value == round(value) else digits}f}"
    return text.removeprefix("-") if float(text.replace(",", "")) == 0 else text.replace("-", "−")
