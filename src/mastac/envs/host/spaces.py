"""Between a simulator's spaces and the rows of numbers that networks read and write. No JAX."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.spaces.utils import flatdim, flatten
from jaxtyping import Float

from mastac.errors import UserError
from mastac.text import shortened

MOST_CHOICES = 512
"""Joint choices of one agent; every one of them is an output of its network."""

Row = Float[np.ndarray, " entries"]


class Wrong(Exception):
    """What a simulator gave is not what it declares; the message says of which agent."""


@dataclass(frozen=True)
class Observed:
    """An observation space as entries of a row: boxes as they are, choices as one-hot rows."""

    agent: str
    space: Any
    size: int

    def row(self, value: Any) -> np.ndarray:
        """The entries of one observation; [`Wrong`][] if it does not fit the space."""
        what = "observation"
        if isinstance(self.space, spaces.Box):
            is_right = isinstance(value, np.ndarray) and value.dtype.kind == "f"
            if is_right and value.shape == self.space.shape:  # mostly so, and checked soonest
                return value.reshape(-1)
            return numbers(self.agent, value, what, self.space.shape)
        try:
            entries = flatten(self.space, value)
        except Exception as error:
            raise Wrong(
                f"the {what} of agent '{self.agent}' does not fit its space {said(self.space)}: "
                f"{type(error).__name__}: {error}"
            ) from error
        return numbers(self.agent, entries, what, (self.size,))


@dataclass(frozen=True)
class Acting:
    """An action space and the head that acts in it.

    - `head`: "tanh" for boxes, "discrete" for choices, one for each joint choice.
    - `size`: entries of a row.
    - `center`, `limit`: of a box, the middle and half the width of each entry's range.
    - `low`, `high`: of a box, its ends.
    """

    agent: str
    space: Any
    head: str
    size: int
    center: Row
    limit: Row
    low: Row
    high: Row

    def action(self, row: Row) -> Any:
        """What the simulator takes for a row of the head's."""
        row = row[: self.size]
        # np.clip takes several times as long.
        return self.taken(np.minimum(np.maximum(self.center + row, self.low), self.high))

    def taken(self, row: Row) -> Any:
        """What the simulator takes for a row about the middle of the range, and within it."""
        space, given = self.space, row[: self.size]
        if isinstance(space, spaces.Box):
            if space.dtype.kind in "iu":
                given = np.rint(given)
            return given.reshape(space.shape).astype(space.dtype)
        if isinstance(space, spaces.Discrete):
            return space.start + space.dtype.type(given.argmax())
        joint = np.unravel_index(given.argmax(), space.nvec.ravel())
        chosen = np.array(joint).reshape(space.nvec.shape)
        return (chosen + space.start).astype(space.dtype)


def observed(agent: str, space: Any) -> Observed:
    """How an agent's observations become rows.

    **Raises:**

    - `UserError` for a space whose elements have no fixed number of entries.
    """
    fixed = (spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)
    if not isinstance(space, (*fixed, spaces.Dict, spaces.Tuple)):
        raise UserError(
            f"the observation space of agent '{agent}' is {said(space)}; give Box, Discrete, "
            "MultiDiscrete, MultiBinary, or a Dict or Tuple of them"
        )
    try:
        return Observed(agent, space, int(flatdim(space)))
    except (ValueError, NotImplementedError) as error:
        raise UserError(
            f"the observation space of agent '{agent}' is {said(space)}, whose elements have no "
            "fixed number of entries; give one that has"
        ) from error


def acting(agent: str, space: Any) -> Acting:
    """How the rows of a head become an agent's actions.

    **Raises:**

    - `UserError` for a box without finite limits, too many joint choices, and other spaces.
    """
    if isinstance(space, spaces.Box):
        low, high = (np.asarray(end, float).ravel() for end in (space.low, space.high))
        if not (np.isfinite(low).all() and np.isfinite(high).all()):
            raise UserError(
                f"the action space of agent '{agent}' is {said(space)}, which has no finite "
                "limits; give Box(low, high) with finite low and high"
            )
        limit = np.where(high > low, (high - low) / 2, 1.0)  # a fixed entry is held by the space
        return Acting(agent, space, "tanh", low.size, (low + high) / 2, limit, low, high)
    if isinstance(space, spaces.Discrete):
        choices = int(space.n)
    elif isinstance(space, spaces.MultiDiscrete):
        choices = math.prod(map(int, space.nvec.ravel()))
    else:
        raise UserError(
            f"the action space of agent '{agent}' is {said(space)}; give Box, Discrete or "
            "MultiDiscrete"
        )
    if choices > MOST_CHOICES:
        raise UserError(
            f"agent '{agent}' has {choices} joint choices in {said(space)}, more than "
            f"{MOST_CHOICES}; make them several agents, or a Box whose entries the simulator rounds"
        )
    ones = np.ones(choices)
    return Acting(agent, space, "discrete", choices, 0 * ones, ones, -np.inf * ones, np.inf * ones)


def heads(actings: Sequence[Acting]) -> str | tuple[str, ...]:
    """The head of all agents, or of each where some have boxes and some have choices."""
    names = tuple(acting.head for acting in actings)
    return names[0] if len(set(names)) == 1 else names


def numbers(agent: str, value: Any, what: str, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Numbers that a simulator gave, flat; [`Wrong`][] unless they are of this shape."""
    try:
        array = value if isinstance(value, np.ndarray) else np.asarray(value)
    except ValueError:  # lists of different lengths
        array = np.asarray(None)
    if array.dtype.kind not in "biuf":
        raise Wrong(f"the {what} of agent '{agent}' is {shortened(repr(value))}, no array")
    if shape is not None and array.shape != shape:
        expected = f"expected {list(shape)}"
        raise Wrong(f"the {what} of agent '{agent}' has shape {list(array.shape)}, {expected}")
    return array.ravel()


def reward(agent: str, value: Any) -> float:
    """A reward; one that is an array counts as its sum."""
    if isinstance(value, float | int | np.floating):
        return float(value)
    return float(numbers(agent, value, "reward").sum())


def check_finite(agents: Sequence[str], rows: np.ndarray, what: str) -> None:
    """[`Wrong`][] for the first number that is not finite; rows are agents."""
    if np.isfinite(rows).all():
        return
    agent, *entry = np.argwhere(~np.isfinite(rows))[0].tolist()
    place = f"entry {entry[0]} of the {what}" if entry else f"the {what}"
    raise Wrong(f"{place} of agent '{agents[agent]}' is {rows[(agent, *entry)]}")


def said(space: Any) -> str:
    """A space in a sentence."""
    return shortened(" ".join(repr(space).split()))
