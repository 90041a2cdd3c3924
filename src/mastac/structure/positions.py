"""Positions and kinds that a user or a file gives to agents, checked."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from mastac.errors import UserError, unknown

Value = TypeVar("Value")
Positions = Mapping[str, tuple[float, float]]
"""For each agent where it is, x to the right and y upwards, in any unit."""


def checked_positions(
    positions: Mapping[Any, Any], agents: Sequence[str], row: Callable[[Any], int | None]
) -> dict[str, tuple[float, float]]:
    """Positions by the names of the agents, in their order; all agents or none have one.

    **Arguments:**

    - `positions`: pairs of numbers by name, or by whatever else the ends of edges are.
    - `agents`: the names.
    - `row`: from such a name to the agent's row, or `None` where there is no such agent.

    **Raises:**

    - [`mastac.errors.UserError`][] for an unknown agent, one that is left out, and what is no pair
        of finite numbers.
    """
    if not isinstance(positions, Mapping):
        raise UserError('positions must be an object, as in {"pump": [0.0, 1.5], "tank": [2, 1]}')
    return _of_all("positions", positions, agents, row, _pair)


def checked_kinds(
    kinds: Mapping[Any, Any], agents: Sequence[str], row: Callable[[Any], int | None]
) -> dict[str, str]:
    """Kinds by the names of the agents, in their order; all agents or none have one.

    **Arguments:** as those of [`checked_positions`][]; a kind is a text.

    **Raises:**

    - [`mastac.errors.UserError`][] for an unknown agent, one that is left out, and what is no text.
    """
    if not isinstance(kinds, Mapping):
        raise UserError('kinds must be an object, as in {"pump-1": "pump", "pump-2": "pump"}')
    return _of_all("kinds", kinds, agents, row, _kind)


def _of_all(
    what: str,
    given: Mapping[Any, Any],
    agents: Sequence[str],
    row: Callable[[Any], int | None],
    checked: Callable[[Any, str], Value],
) -> dict[str, Value]:
    """Something of every agent, by name and in their order."""
    found: dict[int, Value] = {}
    for name, value in given.items():
        place = row(name)
        if place is None:
            raise unknown(f"agent in {what}", str(name), agents)
        found[place] = checked(value, agents[place])
    missing = [name for place, name in enumerate(agents) if place not in found]
    if missing and found:
        raise UserError(
            f"{what} leave out agent '{missing[0]}'; give every agent one, or leave out all"
        )
    return {agents[place]: found[place] for place in sorted(found)}


def _kind(kind: Any, agent: str) -> str:
    if not isinstance(kind, str) or not kind.strip():
        raise UserError(f"the kind of '{agent}' must be a text that is not empty")
    return kind


def known_positions(
    positions: Mapping[str, tuple[float, float] | None],
) -> dict[str, tuple[float, float]]:
    """The positions, if they are known of all agents, else none: a map with holes is no map."""
    known = {name: position for name, position in positions.items() if position is not None}
    return known if len(known) == len(positions) else {}


def number_pair(x: Any, y: Any) -> tuple[float, float] | None:
    """Two coordinates as they stand in a file; `None` unless both are finite numbers."""
    try:
        pair = (float(x), float(y))
    except (TypeError, ValueError):
        return None
    return pair if np.isfinite(pair).all() else None


def middle(points: Sequence[tuple[float, float] | None]) -> tuple[float, float] | None:
    """The point amid several; `None` where one is not known, or there is none."""
    known = [point for point in points if point is not None]
    if not known or len(known) < len(points):
        return None
    x, y = np.mean(known, axis=0)
    return float(x), float(y)


def _pair(position: Any, agent: str) -> tuple[float, float]:
    is_pair = isinstance(position, Sequence | np.ndarray) and len(position) == 2
    pair = number_pair(*position) if is_pair and not isinstance(position, str) else None
    if pair is None:
        raise UserError(f"the position of '{agent}' must be two finite numbers [x, y]")
    return pair
