"""All pictures of a system: which there are, and which are left out and why."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from scipy.sparse import csr_array

from mastac.errors import UserError
from mastac.pictures.graphs import MOST_AGENTS, graph_panels
from mastac.pictures.networks import edge_meaning, network_panel, one_step
from mastac.pictures.sheet import WORDS, save, sheet
from mastac.pictures.text import short_labels
from mastac.pictures.training import training_picture
from mastac.structure import (
    Couplings,
    CouplingSequence,
    bayesian_network,
    folded_network,
    gradient_dependency,
    value_dependency,
)
from mastac.structure.placement import agent_places

SAYS = {
    "state": "from state to next state",
    "action": "from action to next state",
    "observation": "from state to who sees it",
    "reward": "from state to reward",
    "reward_action": "from action to reward",
    "value": "from agent to values that need it",
    "gradient": "from value to policies it moves",
}
"""How to read an arrow."""
LAST_DRAWN = 3
"""Of a sequence, the unrolled network is drawn up to this time."""


@dataclass(frozen=True)
class Album:
    """Pictures by name, and in sentences what is left out."""

    figures: dict[str, Figure]
    left_out: list[str]

    def save(self, folder: str | Path) -> list[Path]:
        """Write every picture as PNG and SVG, and return the paths."""
        pairs = self.figures.items()
        return [path for name, figure in pairs for path in save(figure, Path(folder), name)]

    def says(self, folder: str | Path) -> str:
        """What was written where, and what was left out."""
        names = ", ".join(self.figures)
        lines = [f"Pictures in {folder}, each as .png and .svg: {names}"]
        return "\n".join([*lines, *(f"Left out: {reason}" for reason in self.left_out)])


@dataclass(frozen=True)
class _System:
    """What all pictures of a system share."""

    couplings: Couplings | CouplingSequence
    steady: Couplings
    labels: list[str]
    places: np.ndarray
    remark: str


def album(
    couplings: Couplings | CouplingSequence, kappa: int | None = None, agent: str | None = None
) -> Album:
    """Pictures of the graphs, the networks, and the dependency sets, as the paper draws them.

    - `couplings`: all graphs beside each other.
    - `state`, `observation`, `reward`, and the graphs of actions where they differ: each graph, and
        its edges in the network.
    - `unrolled`, `folded`: the network.
    - `dependency`: the value and the gradient dependency graph.
    - `training`: what trains with what, of one agent.

    Agents stand at the same places in every picture. Of a sequence of couplings, graphs are the
    union over all times and sets those of the union; the unrolled network shows the first times.

    **Arguments:**

    - `kappa`: of the dependency sets; `None`: the exact ones.
    - `agent`: of the picture `training`; the first one by default.
    """
    couplings.index(agent or 0)
    system = _system_of(couplings)
    steady = system.steady
    left_out: list[str] = []
    figures = {"couplings": _couplings(system)}
    figures |= {graph: _one_graph(system, graph) for graph in steady.graphs()}
    if couplings.num_agents > MOST_AGENTS:
        left_out.append(
            f"the networks: with more than {MOST_AGENTS} agents their edges cannot be told apart"
        )
    else:
        figures["unrolled"] = _unrolled(system)
        if isinstance(couplings, Couplings):
            figures["folded"] = _folded(system)
        else:
            left_out.append("the folded network: couplings that change with the time have none")
    try:
        figures["dependency"] = _dependency(system, kappa)
        figures["training"] = training_picture(steady, kappa, agent)
    except UserError as error:
        left_out.append(f"the dependency graphs: {error}")
    return Album(figures, left_out)


def couplings_picture(couplings: Couplings | CouplingSequence) -> Figure:
    """The picture `couplings` of an album alone."""
    return _couplings(_system_of(couplings))


def _system_of(couplings: Couplings | CouplingSequence) -> _System:
    steady = couplings.union() if isinstance(couplings, CouplingSequence) else couplings
    labels, remark = short_labels(couplings.agents)
    return _System(couplings, steady, labels, agent_places(couplings), remark)


def _note(system: _System, matrix: csr_array, says: str) -> str:
    count = int(matrix.nnz - matrix.diagonal().sum())
    union = ", at some time" if isinstance(system.couplings, CouplingSequence) else ""
    return f"{says}{union}; {count:,} edge{'s' * (count != 1)}"


def _title(graph: str) -> str:
    words = WORDS[graph]
    return words[0].upper() + words[1:]


def _remark(system: _System) -> str:
    parts = [system.remark, "every agent also affects itself (not drawn; grey in matrices)"]
    return "; ".join(part for part in parts if part)


def _couplings(system: _System) -> Figure:
    """All graphs that have edges."""
    graphs = list(system.steady.graphs())
    matrices = {graph: getattr(system.steady, graph) for graph in graphs}
    size = len(system.labels)
    drawn = [graph for graph in graphs if matrices[graph].nnz > size] or graphs
    panels = graph_panels(
        [
            (matrices[graph], graph, _title(graph), _note(system, matrices[graph], SAYS[graph]))
            for graph in drawn
        ],
        system.labels,
        system.places,
        side=1.95,
    )
    without = [f"the {WORDS[graph]} has no edges" for graph in graphs if graph not in drawn]
    return sheet(panels, remark="; ".join([*without, _remark(system)]))


def _one_graph(system: _System, graph: str) -> Figure:
    matrix = getattr(system.steady, graph)
    note = _note(system, matrix, SAYS[graph])
    panels = graph_panels([(matrix, graph, _title(graph), note)], system.labels, system.places)
    if len(system.labels) <= MOST_AGENTS:
        names = system.steady.agents
        panels.append(
            network_panel(
                one_step(system.steady, graph),
                names,
                system.labels,
                edge_meaning(system.steady),
                "In the network",
                "states s, actions a, rewards r at a step",
                when=("t", "t+1"),
            )
        )
    return sheet(panels, remark=_remark(system))


def _unrolled(system: _System) -> Figure:
    couplings = system.couplings
    is_steady = isinstance(couplings, Couplings)
    last = 1 if is_steady else min(couplings.horizon, LAST_DRAWN)
    network = bayesian_network(couplings, horizon=last)
    of = edge_meaning(couplings)
    goes_on = is_steady or couplings.horizon > last
    note = f"t = 0 … {last}" + (", and so on" if goes_on else "")
    panel = network_panel(network, couplings.agents, system.labels, of, "Unrolled network", note)
    return sheet([panel], _meanings(network.edges, of), system.remark)


def _folded(system: _System) -> Figure:
    network = folded_network(system.steady)
    of = edge_meaning(system.steady)
    panel = network_panel(
        network,
        system.steady.agents,
        system.labels,
        of,
        "Folded network",
        "each use of a thick edge backwards is one more step",
        when=("t", "t+1"),
    )
    return sheet([panel], _meanings(network.edges, of), system.remark)


def _meanings(edges: object, of: object) -> list[str]:
    found = {of(*edge) for edge in edges}  # type: ignore[operator, attr-defined]
    return [meaning for meaning in WORDS if meaning in found]


def _dependency(system: _System, kappa: int | None) -> Figure:
    sets = value_dependency(system.steady, kappa)
    which = "exact" if kappa is None else f"κ = {kappa}"
    graphs = [
        (matrix, meaning, f"{_title(meaning)}, {which}", _note(system, matrix, SAYS[meaning]))
        for meaning, matrix in (("value", sets.agents), ("gradient", gradient_dependency(sets)))
    ]
    panels = graph_panels(graphs, system.labels, system.places, side=3.1, alike=True)
    return sheet(panels, remark=_remark(system))
