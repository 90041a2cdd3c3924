"""Agents cut into parts, one for each device, so that few numbers cross between parts."""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from scipy.sparse import csr_array, diags_array
from scipy.sparse.linalg import eigsh

from mastac.checks import whole_number
from mastac.errors import UserError, unknown
from mastac.structure.layout import CriticLayout

CUTS = ("metis", "spectral", "contiguous")
DENSE = 64  # agents below which all eigenvectors are found at once


@dataclass(frozen=True, eq=False)
class Partition:
    """Which device every agent belongs to.

    **Arguments:**

    - `owner`: the device of each agent, `[agents]`, from 0.
    - `devices`: how many there are.

    **Raises:**

    - [`mastac.errors.UserError`][] if a device has no agent, or an agent no device.
    """

    owner: np.ndarray
    devices: int

    def __post_init__(self) -> None:
        owner = np.asarray(self.owner, np.int64)
        object.__setattr__(self, "owner", owner)
        if owner.size and not 0 <= owner.min() <= owner.max() < self.devices:
            raise UserError(f"owner of a partition must be devices from 0 to {self.devices - 1}")
        if empty := np.flatnonzero(self.sizes == 0).tolist():
            raise UserError(f"device {empty[0]} of a partition has no agent; use fewer devices")

    @property
    def sizes(self) -> np.ndarray:
        """How many agents each device has."""
        return np.bincount(self.owner, minlength=self.devices)

    def agents_of(self, device: int) -> np.ndarray:
        """The agents of a device, in order."""
        return np.flatnonzero(self.owner == device)


def partitioned(layout: CriticLayout, devices: int, cut: str | None = None) -> Partition:
    """The agents of a layout on so many devices, about equally many on each.

    **Arguments:**

    - `layout`: says who reads whom; a critic is where its agent is.
    - `cut`: "metis" (Karypis and Kumar 1998, of the package pymetis) and "spectral" (recursive
        bisection by the Fiedler vector) look for parts between which little is sent; "contiguous"
        cuts the agents in their order. `None`: METIS where it is installed, else spectral.

    **Raises:**

    - [`mastac.errors.UserError`][] if there are fewer agents than devices, the cut is unknown, or
        METIS is not installed.
    """
    devices = whole_number("devices of a partition", devices, least=1, most=layout.num_agents)
    cut = cut or ("metis" if find_spec("pymetis") else "spectral")
    if cut not in CUTS:
        raise unknown("cut", cut, CUTS)
    if cut == "contiguous" or devices == 1:
        owner = np.arange(layout.num_agents) * devices // layout.num_agents
        return Partition(owner, devices)
    graph = exchange_graph(layout)
    return Partition((_by_metis if cut == "metis" else _by_spectra)(graph, devices), devices)


def exchange_graph(layout: CriticLayout) -> csr_array:
    """Undirected graph of who exchanges numbers with whom, weighted by how many, about.

    An action that is read is sent twice for each sample, and a slope comes back. States count once.
    """
    reads = layout.states.astype(np.int64) + 3 * layout.actions.astype(np.int64)
    both = csr_array(reads + reads.T)
    both.setdiag(0)
    both.eliminate_zeros()
    both.sort_indices()
    return both


def _by_metis(graph: csr_array, devices: int) -> np.ndarray:
    try:
        import pymetis
    except ImportError:
        raise UserError(
            "cutting with METIS needs the package pymetis; pip install 'mastac[metis]', or choose "
            "the cut 'spectral'"
        ) from None
    # Parts differ by at most 1 % in size: the largest decides how long all wait.
    options = pymetis.Options(seed=0, ufactor=10)
    starts, others, weights = (
        np.asarray(part, np.int64) for part in (graph.indptr, graph.indices, graph.data)
    )
    _, owner = pymetis.part_graph(
        devices,
        pymetis.CSRAdjacency(list(map(int, starts)), list(map(int, others))),
        eweights=list(map(int, weights)),
        options=options,
        warn_on_copies=False,
    )
    return _without_empty(np.asarray(owner), devices)


def _without_empty(owner: np.ndarray, devices: int) -> np.ndarray:
    """METIS may leave a part without a vertex where there are few; the largest part gives one."""
    owner = owner.copy()
    while (sizes := np.bincount(owner, minlength=devices)).min() == 0:
        owner[np.flatnonzero(owner == sizes.argmax())[-1]] = sizes.argmin()
    return owner


def _by_spectra(graph: csr_array, devices: int) -> np.ndarray:
    owner = np.zeros(len(graph.indptr) - 1, np.int64)
    parts: list[tuple[np.ndarray, int, int]] = [(np.arange(len(owner)), 0, devices)]
    while parts:
        agents, first, count = parts.pop()
        if count == 1:
            owner[agents] = first
            continue
        half = count // 2
        ordered = agents[_along_fiedler(csr_array(graph[agents][:, agents]))]
        place = len(agents) * half // count
        parts += [(np.sort(ordered[:place]), first, half)]
        parts += [(np.sort(ordered[place:]), first + half, count - half)]
    return owner


def _along_fiedler(graph: csr_array) -> np.ndarray:
    """Vertices in the order of their entries in the second eigenvector of the Laplacian."""
    size = len(graph.indptr) - 1
    weights = graph.astype(np.float64)
    laplacian = csr_array(diags_array(weights.sum(axis=1)) - weights)
    if size <= DENSE:
        vector = np.linalg.eigh(laplacian.toarray())[1][:, min(1, size - 1)]
    else:
        # About a small negative number: the Laplacian itself cannot be inverted.
        start: Any = np.random.default_rng(0).normal(size=size)
        _, vectors = eigsh(laplacian.tocsc(), k=2, sigma=-1e-3, v0=start)
        vector = vectors[:, 1]
    return np.argsort(np.round(vector, 12), kind="stable")
