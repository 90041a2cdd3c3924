"""Couplings of common shapes. Edges couple the states both ways, and observations too; rewards are local."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mastac.errors import UserError
from mastac.structure.couplings import Couplings

Names = Sequence[str] | None


def ring(number: int, names: Names = None) -> Couplings:
    """Each agent coupled with the next one and the last with the first: state and observation; rewards local."""
    return _coupled(number, ((i, (i + 1) % _size(number)) for i in range(_size(number))), names)


def chain(number: int, names: Names = None) -> Couplings:
    """Each agent coupled with the next one: state and observation; rewards local."""
    return _coupled(number, ((i, i + 1) for i in range(_size(number) - 1)), names)


def grid(rows: int, columns: int, names: Names = None) -> Couplings:
    """Each agent coupled with those beside, above and below it, agents in order of rows; rewards local."""
    rows, columns = _size(rows), _size(columns)
    across = ((r * columns + c, r * columns + c + 1) for r in range(rows) for c in range(columns - 1))
    down = ((r * columns + c, (r + 1) * columns + c) for r in range(rows - 1) for c in range(columns))
    return _coupled(rows * columns, [*across, *down], names)


def star(number: int, names: Names = None) -> Couplings:
    """Agent 0 coupled with each other one: state and observation; rewards local."""
    return _coupled(number, ((0, i) for i in range(1, _size(number))), names)


def complete(number: int, names: Names = None) -> Couplings:
    """All agents coupled with all: state and observation; rewards local."""
    return _coupled(number, ((i, j) for i in range(_size(number)) for j in range(i)), names)


def uncoupled(number: int, names: Names = None) -> Couplings:
    """Every agent on its own."""
    return _coupled(number, (), names)


def _size(number: int) -> int:
    if isinstance(number, bool) or not hasattr(number, "__index__") or number < 1:
        raise UserError(f"the number of agents must be an integer of at least 1, got {number!r}")
    return int(number)


def _coupled(number: int, pairs: Iterable[tuple[int, int]], names: Names) -> Couplings:
    size = _size(number)
    if names is not None and len(names) != size:
        raise UserError(f"there are {len(names)} names for {size} agents")
    both = [edge for source, target in pairs for edge in ((source, target), (target, source))]
    return Couplings(size if names is None else names, state=both, observation=both)
