"""Couplings of common shapes.

Edges are of the state and of the observation graph, both ways; rewards are local.
"""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array

from mastac.checks import whole_number
from mastac.errors import UserError
from mastac.structure.couplings import Couplings

Names = Sequence[str] | None


def ring(number: int, names: Names = None) -> Couplings:
    """Each agent coupled with the next one, and the last with the first."""
    agents = np.arange(_size(number))
    return _coupled(number, agents, (agents + 1) % len(agents), names)


def chain(number: int, names: Names = None) -> Couplings:
    """Each agent coupled with the next one."""
    agents = np.arange(_size(number))
    return _coupled(number, agents[:-1], agents[1:], names)


def grid(rows: int, columns: int, names: Names = None) -> Couplings:
    """Each agent coupled with those beside, above and below it; agents are numbered row by row."""
    agents = np.arange(_size(rows) * _size(columns)).reshape(int(rows), int(columns))
    across, down = (agents[:, :-1], agents[:, 1:]), (agents[:-1], agents[1:])
    first, second = (
        np.concatenate([a.ravel(), d.ravel()]) for a, d in zip(across, down, strict=True)
    )
    return _coupled(agents.size, first, second, names)


def star(number: int, names: Names = None) -> Couplings:
    """Agent 0 coupled with all others."""
    others = np.arange(1, _size(number))
    return _coupled(number, np.zeros_like(others), others, names)


def complete(number: int, names: Names = None) -> Couplings:
    """All agents coupled with all."""
    return _coupled(number, *np.tril_indices(_size(number), -1), names)


def uncoupled(number: int, names: Names = None) -> Couplings:
    """Every agent on its own."""
    return _coupled(number, np.arange(0), np.arange(0), names)


def _size(number: int) -> int:
    return whole_number("the number of agents", number, least=1)


def _coupled(number: int, first: np.ndarray, second: np.ndarray, names: Names) -> Couplings:
    size = _size(number)
    if names is not None and len(names) != size:
        raise UserError(f"there are {len(names)} names for {size} agents")
    ends = (
        np.concatenate([first, second]).astype(np.int32),
        np.concatenate([second, first]).astype(np.int32),
    )
    edges = csr_array((np.ones(len(ends[0]), bool), ends), shape=(size, size))
    return Couplings(size if names is None else names, state=edges, observation=edges)
