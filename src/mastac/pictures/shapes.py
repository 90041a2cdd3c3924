"""Shapes of nodes: outlines to draw, and where an arrow meets them. All in inches."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

Points = Float[np.ndarray, "points 2"]


class Shape(NamedTuple):
    """A circle, a box with round ends, a square or a diamond.

    **Arguments:**

    - `kind`: `round` (a circle, or a box with round ends), `box` or `diamond`.
    - `middle`: of the shape.
    - `size`: width and height.
    """

    kind: str
    middle: tuple[float, float]
    size: tuple[float, float]

    def outline(self) -> Float[np.ndarray, "corners 2"]:
        """Corners of the shape; many, where it is round."""
        half = np.array(self.size) / 2
        if self.kind == "box":
            corners = half * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
        elif self.kind == "diamond":
            corners = half * np.array([(0, -1), (1, 0), (0, 1), (-1, 0)])
        else:
            radius = half.min()
            angle = np.pi * np.linspace(-0.5, 0.5, 17)
            end = radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
            end += [half[0] - radius, 0.0]
            corners = np.concatenate([end, -end])
        return corners + np.array(self.middle)

    def holds(self, points: Points, room: float = 0.0) -> Bool[np.ndarray, " points"]:
        """Which points are within the shape, or nearer to it than `room`."""
        away = np.abs(points - np.array(self.middle))
        half = np.array(self.size) / 2
        if self.kind == "box":
            return np.all(away <= half + room, axis=-1)
        if self.kind == "diamond":
            return np.sum(away / (half + 1.4 * room), axis=-1) <= 1
        radius = half.min()
        core = np.maximum(away - (half - radius), 0.0)
        return np.hypot(core[:, 0], core[:, 1]) <= radius + room
