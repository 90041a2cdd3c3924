"""Who affects whom: the coupling graphs of a multi-agent system with named agents."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any

from scipy.sparse import csr_array, issparse

from mastac.errors import UserError, unknown
from mastac.files import write_text
from mastac.structure.edges import Edges, agent_names, edge_matrix, same_matrix
from mastac.structure.positions import Positions, checked_kinds, checked_positions

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
    - `positions`: where each agent is, `{name: (x, y)}`, for pictures. They do not count when
        couplings are compared.
    - `kinds`: of which kind each agent is, `{name: kind}`; agents of a kind may share networks.
        Left out, kinds are found.

    Each graph is a collection of pairs of names or indices, a networkx graph (an undirected edge
    counts both ways), or a dense or scipy matrix `[source, target]` of 0 and 1. Left out, it is
    empty: every agent on its own.

    **Raises:**

    - [`mastac.errors.UserError`][] for a repeated or empty name, an edge to an unknown agent, a
        matrix of another shape, matrix entries other than 0 and 1, and positions that are not
        finite or that only some agents have.

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
    positions: Positions
    kinds: Mapping[str, str]

    def __init__(
        self,
        agents: int | Iterable[Hashable],
        state: Edges = (),
        observation: Edges = (),
        reward: Edges = (),
        action: Edges | None = None,
        reward_action: Edges | None = None,
        positions: Any = None,
        kinds: Any = None,
    ) -> None:
        names = agent_names(agents)
        object.__setattr__(self, "agents", names.names)
        for graph, edges in {"state": state, "observation": observation, "reward": reward}.items():
            # One matrix given for two graphs is read once.
            is_read = graph == "observation" and edges is state and issparse(edges)
            matrix = self.state if is_read else edge_matrix(edges, graph, names)
            object.__setattr__(self, graph, matrix)
        for graph, edges, default in (
            ("action", action, self.state),
            ("reward_action", reward_action, self.reward),
        ):
            matrix = default if edges is None else edge_matrix(edges, graph, names)
            # One object where the graphs agree, so that "the same?" costs nothing later.
            object.__setattr__(self, graph, default if same_matrix(matrix, default) else matrix)
        object.__setattr__(self, "_names", names)
        given = {} if positions is None else checked_positions(positions, names.names, names.row)
        object.__setattr__(self, "positions", given)
        named = {} if kinds is None else checked_kinds(kinds, names.names, names.row)
        object.__setattr__(self, "kinds", named)

    @property
    def num_agents(self) -> int:
        """How many agents there are, $N$."""
        return len(self.agents)

    def index(self, name: str | int) -> int:
        """The row of an agent in every matrix.

        **Arguments:**

        - `name`: the agent's name, or its row, which is only checked.

        **Raises:**

        - [`mastac.errors.UserError`][] if there is no such agent.
        """
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
        rows = self.__dict__["_names"].rows
        if name not in rows:
            raise unknown("agent", str(name), self.agents)
        return rows[name]

    def edge_end(self, end: Any) -> int:
        """The row of the agent that the end of an edge means, as in the graphs at construction.

        Unlike in [`Couplings.index`][], an integer is a name where agents were named by integers.

        **Raises:**

        - [`mastac.errors.UserError`][] if there is no such agent, or an integer is ambiguous.
        """
        row = self.__dict__["_names"].row(end)
        return self.index(end) if row is None else row

    def with_graphs(self, **graphs: csr_array) -> Couplings:
        """The same agents with other matrices, row depends on column, for the graphs given."""
        matrices = {graph: getattr(self, graph) for graph in GRAPHS} | graphs
        edges: dict[str, Any] = {graph: csr_array(matrices[graph].T) for graph in matrices}
        changed = Couplings(self.num_agents, **edges)
        object.__setattr__(changed, "agents", self.agents)
        object.__setattr__(changed, "_names", self.__dict__["_names"])
        object.__setattr__(changed, "positions", self.positions)
        object.__setattr__(changed, "kinds", self.kinds)
        return changed

    def edges(self, graph: str) -> list[tuple[str, str]]:
        """The edges (source, target) of a graph, without self-loops, in the order of the agents.

        **Raises:**

        - [`mastac.errors.UserError`][] if there is no such graph.
        """
        if graph not in GRAPHS:
            raise unknown("graph", graph, GRAPHS)
        matrix = getattr(self, graph).tocoo()
        pairs = sorted((int(s), int(t)) for t, s in zip(*matrix.coords, strict=True) if s != t)
        return [(self.agents[source], self.agents[target]) for source, target in pairs]

    def graphs(self) -> Iterator[str]:
        """The paper's three graphs, and the action graphs where these are not the defaults."""
        yield from REQUIRED
        if self.action is not self.state:
            yield "action"
        if self.reward_action is not self.reward:
            yield "reward_action"

    def to_dict(self) -> dict[str, Any]:
        """The form of `couplings.json`; a graph that equals its default is left out."""
        edges = {graph: [list(pair) for pair in self.edges(graph)] for graph in self.graphs()}
        data: dict[str, Any] = {"agents": list(self.agents), **edges}
        if self.positions:
            data["positions"] = {name: list(pair) for name, pair in self.positions.items()}
        if self.kinds:
            data["kinds"] = dict(self.kinds)
        return data

    def to_json(self, path: str | Path | None = None) -> str:
        """The text of `couplings.json`, one graph a line; written to `path` if one is given."""
        lines = (
            f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}"
            for key, value in self.to_dict().items()
        )
        text = "{\n" + ",\n".join(lines) + "\n}\n"
        if path is not None:
            write_text(Path(path), text)
        return text

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], source: str = "couplings") -> Couplings:
        """The inverse of [`Couplings.to_dict`][].

        **Arguments:**

        - `data`: names of agents and edges of graphs.
        - `source`: where they are from, for messages.

        **Raises:**

        - [`mastac.errors.UserError`][] that opens with `source`.
        """
        try:
            return cls(**_checked(data))
        except UserError as error:
            raise UserError(f"{source}: {error}") from error

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Couplings):
            return NotImplemented
        return (self.agents, self.kinds) == (other.agents, other.kinds) and all(
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


def _checked(data: Any) -> dict[str, Any]:
    """The keywords in `data`, if its keys are those of `couplings.json`."""
    if not isinstance(data, Mapping):
        raise UserError(f"couplings must be an object with the keys agents, {', '.join(REQUIRED)}")
    for key in data:
        if key not in (allowed := ("agents", *GRAPHS, "positions", "kinds")):
            raise unknown("key", str(key), allowed)
    for graph in GRAPHS[3:]:
        if graph in data and data[graph] is None:
            default = "state" if graph == "action" else "reward"
            raise UserError(
                f"the {graph} graph is null; leave the key out where it is as the {default} graph, "
                "or give an empty list"
            )
    for key in ("agents", *REQUIRED):
        if key not in data:
            raise UserError(
                f"the key '{key}' is missing (an empty list says that no edges are there)"
            )
    return dict(data)
