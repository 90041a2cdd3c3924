"""Who affects whom: the coupling graphs of a multi-agent system, with named agents, checked at construction."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral
from pathlib import Path
from typing import Any

from scipy.sparse import csr_array, issparse

from mastac.errors import UserError, unknown
from mastac.structure.edges import Edges, edge_matrix, named, same_matrix

GRAPHS = ("state", "observation", "reward", "action", "reward_action")
REQUIRED = GRAPHS[:3]


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Couplings:
    r"""The coupling graphs of one time step: who affects, is seen by, and pays into whom.

    An edge `(source, target)` says that `source` affects `target`, as in the paper's
    $\mathcal{E}_S, \mathcal{E}_O, \mathcal{E}_R$ and in networkx. The attributes hold the
    transpose, row depends on column: row `i` of `state` is $\mathcal{I}_S^i$. Every agent affects
    itself, so the diagonal is always set.

    **Arguments:**

    - `agents`: a number (names `agent-0`, `agent-1`, …) or a list of distinct names.
    - `state`: whose state enters whose next state.
    - `observation`: whose state is seen by whose policy.
    - `reward`: whose state enters whose reward.
    - `action`: whose action enters whose next state; as `state` unless given.
    - `reward_action`: whose action enters whose reward; as `reward` unless given.

    Each graph is a collection of pairs of names or indices, a networkx graph (an undirected edge
    counts both ways), or a dense or scipy matrix `[source, target]` of 0 and 1. Left out, it is
    empty: every agent on its own.

    **Raises:**

    - [`mastac.errors.UserError`][] for a repeated or empty name, an edge to an unknown agent, a
        matrix of another shape, and matrix entries other than 0 and 1.

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
        names = named(agents)
        object.__setattr__(self, "agents", names.names)
        for graph, edges in {"state": state, "observation": observation, "reward": reward}.items():
            # One matrix given for several graphs is read once.
            read = graph == "observation" and edges is state and issparse(edges)
            object.__setattr__(
                self, graph, self.state if read else edge_matrix(edges, graph, names)
            )
        for graph, edges, default in (
            ("action", action, self.state),
            ("reward_action", reward_action, self.reward),
        ):
            matrix = default if edges is None else edge_matrix(edges, graph, names)
            # One object where the graphs agree, so that "the same?" costs nothing later.
            object.__setattr__(self, graph, default if same_matrix(matrix, default) else matrix)
        object.__setattr__(self, "_names", names)

    @property
    def num_agents(self) -> int:
        """$N$."""
        return len(self.agents)

    def index(self, name: str | int) -> int:
        """The row of an agent, by name (or by row, which is only checked)."""
        if not isinstance(name, str):
            if (
                isinstance(name, Integral)
                and not isinstance(name, bool)
                and 0 <= int(name) < self.num_agents
            ):
                return int(name)
            raise UserError(
                f"there is no agent number {name}: agents are numbered 0 to {self.num_agents - 1}"
            )
        places = self.__dict__["_names"].places
        if name not in places:
            raise unknown("agent", str(name), self.agents)
        return places[name]

    def with_graphs(self, **graphs: csr_array) -> Couplings:
        """The same agents with other matrices, row depends on column, for some graphs; the others stay."""
        matrices = {graph: getattr(self, graph) for graph in GRAPHS} | graphs
        changed = Couplings(
            self.num_agents, **{graph: csr_array(matrix.T) for graph, matrix in matrices.items()}
        )
        object.__setattr__(changed, "agents", self.agents)
        object.__setattr__(changed, "_names", self.__dict__["_names"])
        return changed

    def edges(self, graph: str) -> list[tuple[str, str]]:
        """The edges (source, target) of a graph by name, self-loops left out, sorted by agent."""
        if graph not in GRAPHS:
            raise unknown("graph", graph, GRAPHS)
        matrix = getattr(self, graph).tocoo()
        pairs = sorted((int(s), int(t)) for t, s in zip(*matrix.coords, strict=True) if s != t)
        return [(self.agents[source], self.agents[target]) for source, target in pairs]

    def graphs(self) -> Iterator[str]:
        """The names of the graphs that say something of their own: the paper's, and the finer ones that differ."""
        yield from REQUIRED
        if self.action is not self.state:
            yield "action"
        if self.reward_action is not self.reward:
            yield "reward_action"

    def to_dict(self) -> dict[str, Any]:
        """The form of `couplings.json`; a graph that equals its default is left out."""
        edges = {graph: [list(pair) for pair in self.edges(graph)] for graph in self.graphs()}
        return {"agents": list(self.agents), **edges}

    def to_json(self, path: str | Path | None = None) -> str:
        """The text of `couplings.json`, one graph a line; written to `path` if one is given."""
        lines = (
            f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}"
            for key, value in self.to_dict().items()
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
        return self.agents == other.agents and all(
            same_matrix(getattr(self, g), getattr(other, g)) for g in GRAPHS
        )

    def __hash__(self) -> int:
        return hash((self.agents, *(getattr(self, graph).indices.tobytes() for graph in GRAPHS)))

    def __repr__(self) -> str:
        shown = ", ".join(self.agents[:3]) + (", …" if self.num_agents > 3 else "")
        counts = ", ".join(
            f"{graph}={getattr(self, graph).nnz - self.num_agents} edges" for graph in self.graphs()
        )
        return f"Couplings({self.num_agents} agents: {shown}; {counts})"


@dataclass(frozen=True, init=False, repr=False)
class CouplingSequence(Sequence[Couplings]):
    """Time-varying couplings of the same agents.

    Entry `t` governs observations and rewards at time `t` and the step from `t` to `t + 1`. The
    last entry belongs to the last reward; its state and action graphs are never used.

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
                raise UserError(
                    f"entry {time} of a CouplingSequence must be Couplings, got {type(entry).__name__}"
                )
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

    def index(self, name: str | int, *_: Any) -> int:
        """The row of an agent, by name."""
        return self.entries[0].index(name)

    @cached_property
    def kinds(self) -> tuple[int, ...]:
        """For each time the first time with equal couplings: what is computed for one holds for the other."""
        first: dict[Couplings, int] = {}
        places = {id(entry): time for time, entry in reversed(list(enumerate(self.entries)))}
        # Hashing reads whole matrices, so the same object is looked at once.
        known = {
            place: first.setdefault(self.entries[place], place)
            for place in sorted(set(places.values()))
        }
        return tuple(known[places[id(entry)]] for entry in self.entries)

    def union(self) -> Couplings:
        """Couplings with every edge that is there at some time: what is exact at all times without telling the time."""
        found = self.entries[0]
        for entry in dict.fromkeys(self.entries[kind] for kind in self.kinds[1:]):
            found = found.with_graphs(
                **{graph: getattr(found, graph) + getattr(entry, graph) for graph in GRAPHS}
            )
        return found

    def to_dict(self) -> dict[str, Any]:
        """`{"agents": [names], "sequence": [graphs at time 0, graphs at time 1, …]}`.

        Instead of graphs, a number stands for the graphs of that earlier time.
        """
        parts: list[Any] = [
            kind
            if kind < time
            else {key: value for key, value in entry.to_dict().items() if key != "agents"}
            for time, (kind, entry) in enumerate(zip(self.kinds, self.entries, strict=True))
        ]
        return {"agents": list(self.agents), "sequence": parts}

    def to_json(self, path: str | Path | None = None) -> str:
        """The text of [`CouplingSequence.to_dict`][], one time a line; written to `path` if one is given."""
        data = self.to_dict()
        agents, *times = (
            json.dumps(each, ensure_ascii=False) for each in (data["agents"], *data["sequence"])
        )
        text = (
            f'{{\n  "agents": {agents},\n  "sequence": [\n    '
            + ",\n    ".join(times)
            + "\n  ]\n}\n"
        )
        if path is not None:
            Path(path).write_text(text, encoding="utf-8")
        return text

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], source: str = "couplings") -> CouplingSequence:
        """The inverse of [`CouplingSequence.to_dict`][]; `source` (a file, say) opens the message of an error."""
        if (
            not isinstance(data, Mapping)
            or set(data) != {"agents", "sequence"}
            or not isinstance(data["sequence"], list)
        ):
            raise UserError(
                f"{source}: a sequence of couplings is an object with the keys agents and sequence, a list"
            )
        entries: list[Couplings] = []
        for time, part in enumerate(data["sequence"]):
            where = f"{source}, time {time}"
            if isinstance(part, int) and not isinstance(part, bool):
                if not 0 <= part < time:
                    raise UserError(
                        f"{where}: {part} is no earlier time; a number stands for the graphs of that time"
                    )
                entries.append(entries[part])
            elif not isinstance(part, Mapping) or "agents" in part:
                raise UserError(
                    f"{where}: expected an object of graphs or the number of an earlier time"
                )
            else:
                entries.append(Couplings.from_dict({"agents": data["agents"], **part}, where))
        try:
            return cls(entries)
        except UserError as error:
            raise UserError(f"{source}: {error}") from error

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, time: Any) -> Any:
        return (
            CouplingSequence(self.entries[time]) if isinstance(time, slice) else self.entries[time]
        )

    def __repr__(self) -> str:
        return f"CouplingSequence({len(self)} entries, t = 0 … {self.horizon}; {self.entries[0]!r} at t = 0)"


def steady(couplings: Couplings | CouplingSequence) -> Couplings:
    """The couplings, for what is only defined where they stay the same; `UserError` for a sequence."""
    if isinstance(couplings, CouplingSequence):
        raise UserError(
            "these couplings change with the time; take one entry of the sequence, or its union()"
        )
    return couplings


def _difference(agents: tuple[str, ...], expected: tuple[str, ...]) -> str:
    extra = [name for name in agents if name not in set(expected)]
    missing = [name for name in expected if name not in set(agents)]
    if extra:
        return f"'{extra[0]}' is new"
    return f"'{missing[0]}' is missing" if missing else "in another order"


def _checked(data: Any) -> dict[str, Any]:
    """The keywords in `data`, if its keys are those of `couplings.json`."""
    if not isinstance(data, Mapping):
        raise UserError(f"couplings must be an object with the keys agents, {', '.join(REQUIRED)}")
    for key in data:
        if key not in ("agents", *GRAPHS):
            raise unknown("key", str(key), ("agents", *GRAPHS))
    for key in ("agents", *REQUIRED):
        if key not in data:
            raise UserError(
                f"the key '{key}' is missing (an empty list says that no edges are there)"
            )
    return dict(data)
