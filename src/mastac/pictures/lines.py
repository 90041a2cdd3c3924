"""Lines over time within a frame on a sheet: all in inches, a few hundred frames on one sheet."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from mastac.palette import FAINT, INK, PALE, SIMPLE, TRAINED
from mastac.pictures.scales import short_number
from mastac.pictures.sheet import NOTE
from mastac.pictures.text import text_width

LOOKS: dict[str, dict[str, Any]] = {
    "trained": {"color": TRAINED, "linewidth": 1.3, "zorder": 5},
    "simple": {"color": SIMPLE, "linewidth": 1.3, "linestyle": (0, (4, 1.5)), "zorder": 4},
}
"""Lines of each policy."""
LIMIT: dict[str, Any] = {"color": INK, "linewidth": 0.8, "linestyle": (0, (1, 1.5)), "zorder": 3}
TARGET: dict[str, Any] = {"color": INK, "linewidth": 0.6, "linestyle": "-", "zorder": 3}
ROOM = 0.06
"""Between the largest value and the frame, as a share of its height."""


@dataclass(frozen=True)
class Range:
    """What the frames of one quantity share: times from 0 to `last`, values from low to high."""

    last: int
    low: float
    high: float

    @staticmethod
    def around(last: int, values: Sequence[np.ndarray]) -> "Range":
        """The range that holds all values that are known."""
        known = np.concatenate([np.ravel(each) for each in values])
        known = known[np.isfinite(known)]
        low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
        if high - low <= 1e-9 * max(abs(low), abs(high), 1e-9):
            low, high = low - 0.5, high + 0.5
        return Range(max(last, 1), low, high)


@dataclass(frozen=True)
class Frame:
    """A frame on the sheet: its lower left corner and its size in inches, and what it spans."""

    x: float
    y: float
    width: float
    height: float
    spans: Range

    def points(self, values: Float[np.ndarray, " times"]) -> Float[np.ndarray, "times 2"]:
        """Where values at the times 0, 1, … are on the sheet."""
        times = np.arange(len(values)) / self.spans.last
        share = (values - self.spans.low) / (self.spans.high - self.spans.low)
        inside = ROOM + (1 - 2 * ROOM) * share
        return np.stack([self.x + self.width * times, self.y + self.height * inside], axis=1)

    def line(
        self, axes: Axes, values: Float[np.ndarray, " times"], held: bool = False, **look: Any
    ) -> None:
        """A line through values; gaps where they are not known, a dot where there is but one.

        `held`: whether a value holds until the next time, so that the line is one of stairs.
        """
        points = self.points(values)
        if held:
            points = np.repeat(points, 2, axis=0)
            points[1:-1, 0] = points[2:, 0]
            points[-1, 0] += self.width / self.spans.last * (len(values) <= self.spans.last)
        elif np.isfinite(values).sum() == 1:
            axes.plot(*points.T, marker="o", markersize=2, **look)
            return
        axes.add_collection(LineCollection([points], **_many(look)), autolim=False)

    def across(self, axes: Axes, value: float, **look: Any) -> None:
        """A horizontal line at a value."""
        at = self.points(np.array([value]))[0, 1]
        ends = [(self.x, at), (self.x + self.width, at)]
        axes.add_collection(LineCollection([ends], **_many(look)), autolim=False)

    def draw(self, axes: Axes, levels: Sequence[str], with_values: bool, with_times: bool) -> None:
        """The frame, and what its ends are where asked for."""
        left, right, top = self.x, self.x + self.width, self.y + self.height
        box = [(left, self.y), (right, self.y), (right, top), (left, top), (left, self.y)]
        look = {"colors": FAINT, "linewidths": 0.8, "zorder": 2}
        axes.add_collection(LineCollection([box], **look), autolim=False)
        text: dict[str, Any] = {"fontsize": NOTE, "color": PALE}
        ends = (self.spans.low, self.spans.high)
        if with_values:
            named = dict(enumerate(levels)) or {value: short_number(value) for value in ends}
            for value, name in named.items():
                at = self.points(np.array([float(value)]))[0, 1]
                axes.text(left - 0.04, at, name, ha="right", va="center", **text)
        if with_times:
            axes.text(left, self.y - 0.03, "0", ha="left", va="top", **text)
            axes.text(right, self.y - 0.03, f"{self.spans.last}", ha="right", va="top", **text)


def _many(look: dict[str, Any]) -> dict[str, Any]:
    """Settings of one line as those of a collection."""
    names = {"color": "colors", "linewidth": "linewidths", "linestyle": "linestyles"}
    return {names.get(name, name): value for name, value in look.items()}


def value_room(levels: Sequence[str], spans: Range) -> float:
    """The width of what stands left of a frame, in inches."""
    ends = levels or [short_number(spans.low), short_number(spans.high)]
    return max(text_width(text, NOTE) for text in ends) + 0.06


def draw_key(
    axes: Axes, x: float, y: float, entries: Sequence[tuple[str, dict[str, Any]]]
) -> float:
    """Samples of lines with what they mean, side by side; returns where they end."""
    for name, look in entries:
        axes.plot([x, x + 0.26], [y, y], **look)
        axes.text(x + 0.32, y, name, fontsize=NOTE, color=INK, va="center_baseline")
        x += 0.32 + text_width(name, NOTE) + 0.18
    return x - 0.18
