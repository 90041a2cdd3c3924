"""Who affects whom: the coupling graphs of a multi-agent system, with named agents, checked at construction."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import scipy.sparse as sp
from scipy.sparse import csr_array

from mastac.errors import UserError, unknown

GRAPHS = ("state", "observation", "reward", "action", "reward_action")
REQUIRED = GRAPHS[:3]

Edges = Any
"""Pairs (source, target) of names or indices, a networkx graph, or a matrix [source, target] of 0 and 1."""


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Couplings:
    r"""The coupling graphs of one time step: who affects, is seen by, and pays into whom.

    An edge `(source, target)` says that `source` affects `target`, as in the paper's $\mathcal{E}_S,
    \mathcal{E}_O, \mathcal{E}_R$ and in networkx. The attributes hold the transpose, row depends on column:
    row `i` of `state` is $\mathcal{I}_S^i$. Every agent affects itself, so the diagonal is always set.

    **Arguments:**

    - `agents`: a number (names `agent-0`, `agent-1`, …) or a list of distinct names.
    - `state`: whose state enters whose next state.
    - `observation`: whose state is seen by whose policy.
    - `reward`: whose state enters whose reward.
    - `action`: whose action enters whose next state; as `state` unless given.
    - `reward_action`: whose action enters whose reward; as `reward` unless given.

    Each graph is a collection of pairs of names or indices, a networkx graph (an undirected edge counts
    both ways), or a dense or scipy matrix `[source, target]` of 0 and 1. Left out, it is empty: every agent
    on its own.

    **Raises:**

    - [`mastac.errors.UserError`][] for a repeated or empty name, an edge to an unknown agent, a matrix of
        another shape, and matrix entries other than 0 and 1.

    !!! example

        >>> pair = Couplings(["pump", "tank"], state=[("pump", "tank")])
        >>> pair.state.toarray().astype(int)
        array([[1, 0],
               [1, 1]])
    """

    agents: tuple[str, ...]
    state: csr_array
    observation: csr_array
    reward: csr_array
    action: csr_array
    reward_action: csr_array

    def __init__(
        self,
        agents: int | Iterable[Hashable],
        state: Edges = (),
        observation: Edges = (),
        reward: Edges = (),
        action: Edges | None = None,
        reward_action: Edges | None = None,
    ) -> None:
        names, places = _named(agents)
        object.__setattr__(self, "agents", names)
        graphs = {"state": state, "observation": observation, "reward": reward}
        for graph, edges in graphs.items():
            object.__setattr__(self, graph, _matrix(edges, graph, names, places))
        for graph, edges, default in (("action", action, self.state), ("reward_action", reward_action, self.reward)):
            matrix = default if edges is None else _matrix(edges, graph, names, places)
            # One object where the graphs agree, so that "the same?" costs nothing later.
            object.__setattr__(self, graph, default if _same(matrix, default) else matrix)
        object.__setattr__(self, "_places", {name: place for place, name in enumerate(names)})

    @property
    def num_agents(self) -> int:
        """$N$."""
        return len(self.agents)

    def index(self, name: str | int) -> int:
        """The row of an agent, by name (or by row, which is only checked)."""
        if isinstance(name, Integral) and not isinstance(name, bool):
            if 0 <= name < self.num_agents:
                return int(name)
            raise UserError(f"there is no agent number {name}: agents are numbered 0 to {self.num_agents - 1}")
        places: dict[str, int] = self.__dict__["_places"]
        if name not in places:
            raise unknown("agent", str(name), self.agents)
        return places[name]

    def edges(self, graph: str) -> list[tuple[str, str]]:
        """The edges (source, target) of a graph by name, self-loops left out, sorted by agent."""
        if graph not in GRAPHS:
            raise unknown("graph", graph, GRAPHS)
        matrix = getattr(self, graph).tocoo()
        pairs = sorted((int(s), int(t)) for t, s in zip(*matrix.coords, strict=True) if s != t)
        return [(self.agents[source], self.agents[target]) for source, target in pairs]

    def to_dict(self) -> dict[str, Any]:
        """The form of `couplings.json`; a graph that equals its default is left out."""
        graphs = list(REQUIRED)
        graphs += ["action"] if self.action is not self.state else []
        graphs += ["reward_action"] if self.reward_action is not self.reward else []
        edges = {graph: [list(pair) for pair in self.edges(graph)] for graph in graphs}
        return {"agents": list(self.agents), **edges}

    def to_json(self, path: str | Path | None = None) -> str:
        """The text of `couplings.json`, one graph a line; written to `path` if one is given."""
        lines = (
            f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in self.to_dict().items()
        )
        text = "{\n" + ",\n".join(lines) + "\n}\n"
        if path is not None:
            Path(path).write_text(text, encoding="utf-8")
        return text

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], source: str = "couplings") -> Couplings:
        """The inverse of [`Couplings.to_dict`][]; `source` (a file, say) opens the message of an error."""
        try:
            return cls(**_checked(data))
        except UserError as error:
            raise UserError(f"{source}: {error}") from error

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Couplings):
            return NotImplemented
        return self.agents == other.agents and all(_same(getattr(self, g), getattr(other, g)) for g in GRAPHS)

    def __hash__(self) -> int:
        return hash((self.agents, *(getattr(self, graph).indices.tobytes() for graph in GRAPHS)))

    def __repr__(self) -> str:
        shown = ", ".join(self.agents[:3]) + (", …" if self.num_agents > 3 else "")
        graphs = list(self.to_dict_keys())
        counts = ", ".join(f"{graph}={getattr(self, graph).nnz - self.num_agents} edges" for graph in graphs)
        return f"Couplings({self.num_agents} agents: {shown}; {counts})"

    def to_dict_keys(self) -> Iterator[str]:
        """The graphs that are stored: the three of the paper, and the finer ones that differ from them."""
        yield from REQUIRED
        if self.action is not self.state:
            yield "action"
        if self.reward_action is not self.reward:
            yield "reward_action"


@dataclass(frozen=True, init=False, repr=False)
class CouplingSequence(Sequence[Couplings]):
    """Time-varying couplings of the same agents.

    Entry `t` governs observations and rewards at time `t` and the step from `t` to `t + 1`. The last entry belongs to the last reward; its state and action graphs are never used.

    **Raises:**

    - [`mastac.errors.UserError`][] if there is no entry, or an entry has other agents.
    """

    entries: tuple[Couplings, ...]

    def __init__(self, entries: Iterable[Couplings]) -> None:
        object.__setattr__(self, "entries", tuple(entries))
        if not self.entries:
            raise UserError("a CouplingSequence needs at least one entry: the couplings at time 0")
        for time, entry in enumerate(self.entries):
            if not isinstance(entry, Couplings):
                raise UserError(f"entry {time} of a CouplingSequence must be Couplings, got {type(entry).__name__}")
            if entry.agents != self.agents:
                raise UserError(
                    f"entry {time} of a CouplingSequence has other agents than entry 0 "
                    f"({_difference(entry.agents, self.agents)}); give all entries the same agents in the same order"
                )

    @property
    def agents(self) -> tuple[str, ...]:
        """The names, the same at all times."""
        return self.entries[0].agents

    @property
    def num_agents(self) -> int:
        """$N$."""
        return len(self.agents)

    @property
    def horizon(self) -> int:
        """$T$: the time of the last reward."""
        return len(self.entries) - 1

    def index(self, name: str | int, *_: Any) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The row of an agent, by name."""
        return self.entries[0].index(name)

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, time: Any) -> Any:
        return CouplingSequence(self.entries[time]) if isinstance(time, slice) else self.entries[time]

    def __repr__(self) -> str:
        return f"CouplingSequence({len(self)} entries, t = 0 … {self.horizon}; {self.entries[0]!r} at t = 0)"


def _difference(agents: tuple[str, ...], expected: tuple[str, ...]) -> str:
    extra = [name for name in agents if name not in set(expected)]
    missing = [name for name in expected if name not in set(agents)]
    if extra:
        return f"'{extra[0]}' is new"
    return f"'{missing[0]}' is missing" if missing else "in another order"


def _named(agents: int | Iterable[Hashable]) -> tuple[tuple[str, ...], Callable[[Any], int | None]]:
    """The names of the agents, and a function from an edge's end to the agent's row (`None`: unknown)."""
    if agents is None or isinstance(agents, bool | str | float):
        raise UserError(f"agents must be a number of agents or a list of names, got {agents!r}")
    if isinstance(agents, Integral):
        if agents < 1:
            raise UserError(f"there must be at least one agent, got agents={agents}")
        labels: list[Hashable] = [f"agent-{number}" for number in range(int(agents))]
    else:
        labels = [label.item() if isinstance(label, np.generic) else label for label in agents]
    if not labels:
        raise UserError("there must be at least one agent, got an empty list")
    for number, label in enumerate(labels):
        if isinstance(label, bool) or not isinstance(label, str | int) or not str(label).strip():
            raise UserError(f"agent number {number} is named {label!r}; a name must be text that is not empty")
    names = tuple(str(label) for label in labels)
    places = {name: place for place, name in enumerate(names)}
    if len(places) < len(names):
        repeated = next(name for place, name in enumerate(names) if places[name] != place)
        raise UserError(f"two agents are named '{repeated}'; names must differ")
    # Numbers in edges are rows, unless the agents themselves were named by numbers.
    by_number = {label: place for place, label in enumerate(labels) if isinstance(label, int)}
    numbered = by_number or {place: place for place in range(len(names))}

    def place(end: Any) -> int | None:
        if isinstance(end, str):
            return places.get(end)
        return numbered.get(int(end)) if isinstance(end, Integral) and not isinstance(end, bool) else None

    return names, place


def _matrix(edges: Edges, graph: str, names: tuple[str, ...], place: Callable[[Any], int | None]) -> csr_array:
    """Edges of any form as a matrix of bool, row depends on column, diagonal set, indices sorted."""
    if isinstance(edges, np.ndarray) or sp.issparse(edges):
        sources, targets = _from_matrix(edges, graph, len(names))
    else:
        sources, targets = _from_pairs(edges, graph, names, place)
    own = np.arange(len(names))
    rows, columns = np.concatenate([targets, own]), np.concatenate([sources, own])
    matrix = csr_array((np.ones(len(rows), bool), (rows, columns)), shape=(len(names), len(names)))
    matrix.sum_duplicates()
    matrix.sort_indices()
    return matrix


def _from_matrix(matrix: Any, graph: str, num_agents: int) -> tuple[np.ndarray, np.ndarray]:
    if matrix.shape != (num_agents, num_agents):
        raise UserError(
            f"the matrix of the {graph} graph has shape {tuple(matrix.shape)}, expected ({num_agents}, {num_agents}) "
            "for [source, target]; pairs are given as a list of tuples"
        )
    coo = sp.coo_array(matrix)
    values = coo.data
    if values.dtype.kind not in "biuf" or not np.isin(values, (0, 1)).all():
        wrong = values.flat[0] if values.dtype.kind not in "biuf" else values[~np.isin(values, (0, 1))][0]
        raise UserError(
            f"the matrix of the {graph} graph holds {wrong}; entries must be 0 or 1 "
            "(`matrix != 0` takes every non-zero weight as an edge)"
        )
    sources, targets = coo.coords
    return sources[values != 0].astype(np.int64), targets[values != 0].astype(np.int64)


def _from_pairs(
    edges: Edges, graph: str, names: tuple[str, ...], place: Callable[[Any], int | None]
) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(edges, nx.Graph):
        for node in edges.nodes:
            if place(node) is None:
                raise UserError(f"the {graph} graph has a node for an unknown agent {_near(node, names)}")
        both = [] if edges.is_directed() else [(target, source) for source, target, *_ in edges.edges]
        edges = [(source, target) for source, target, *_ in edges.edges] + both
    if isinstance(edges, str | Mapping) or not isinstance(edges, Iterable):
        raise UserError(
            f"the {graph} graph must be a list of pairs (source, target), a networkx graph or a matrix, "
            f"got {type(edges).__name__}"
        )
    found: list[tuple[int, int]] = []
    for pair in edges:
        if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
            raise UserError(f"the {graph} graph holds {pair!r}, which is not a pair (source, target)")
        source, target = place(pair[0]), place(pair[1])
        if source is None or target is None:
            end = pair[0] if source is None else pair[1]
            raise UserError(
                f"the edge {pair[0]} -> {pair[1]} of the {graph} graph names an unknown agent {_near(end, names)}"
            )
        found.append((source, target))
    sources, targets = np.array(found, np.int64).reshape(-1, 2).T
    return sources, targets


def _near(end: Any, names: tuple[str, ...]) -> str:
    """The unknown end of an edge with the nearest known name, for a message."""
    if isinstance(end, Integral) and not isinstance(end, bool):
        return f"{end}; agents are numbered 0 to {len(names) - 1} ('{names[0]}' to '{names[-1]}')"
    near = difflib.get_close_matches(str(end), names, n=1, cutoff=0.5)
    known = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
    return f"'{end}'" + (f"; did you mean '{near[0]}'?" if near else f" (known: {known})")


def _same(one: csr_array, other: csr_array) -> bool:
    if one is other:
        return True
    return bool(np.array_equal(one.indptr, other.indptr) and np.array_equal(one.indices, other.indices))


def _checked(data: Any) -> dict[str, Any]:
    """The keywords in `data`, if its keys are those of `couplings.json`."""
    if not isinstance(data, Mapping):
        raise UserError(f"couplings must be an object with the keys agents, {', '.join(REQUIRED)}")
    for key in data:
        if key not in ("agents", *GRAPHS):
            raise unknown("key", str(key), ("agents", *GRAPHS))
    for key in ("agents", *REQUIRED):
        if key not in data:
            raise UserError(f"the key '{key}' is missing (an empty list says that no edges are there)")
    return dict(data)
