"""Couplings from files: JSON, CSV edge lists, GraphML, and the networks of simulators."""

import csv
import io
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from mastac.errors import UserError, unknown
from mastac.reading import file_text, json_value
from mastac.structure.couplings import GRAPHS, REQUIRED, Couplings
from mastac.structure.graphml import read_graphml
from mastac.structure.importers.epanet import read_epanet
from mastac.structure.importers.pandapower import is_pandapower, read_pandapower
from mastac.structure.importers.rddl import read_rddl
from mastac.structure.importers.sumo import read_sumo
from mastac.structure.importers.topology import Topology
from mastac.structure.positions import Positions, number_pair
from mastac.structure.sequences import CouplingSequence

SIMULATORS: dict[str, Callable[[str, str, dict[str, str]], Topology]] = {
    ".net.xml": read_sumo,
    ".inp": read_epanet,
    ".rddl": read_rddl,
}

Read = tuple[Couplings | CouplingSequence, str]
"""Graphs, and in words what was taken for agents and edges; empty where the file lists them."""


def read_graphs(path: str | Path, **options: str) -> Couplings | CouplingSequence:
    """Couplings from a file, or a sequence of them: the file decides which.

    The form of the file goes by the ending of its name:

    - `.json`: `{"agents": [names], "state": [[source, target], …], "observation": …, "reward": …}`,
        and `action` and `reward_action` where they differ from `state` and `reward`. Couplings that
        change with the time are `{"agents": [names], "sequence": [graphs at time 0, …]}`; instead
        of graphs, a number stands for the graphs of that earlier time. Both may say where agents
        are, for pictures: `"positions": {name: [x, y], …}`.
    - `.csv`: an edge list with the columns `source`, `target` and, if wanted, `graph`. Agents are
        in the order in which they are first named; a line whose source is its target adds an agent
        without an edge; its position may stand there, in columns `x` and `y`.
    - `.graphml`: agents are nodes, by their attribute `name` or, where no node has one, by id;
        edges may have an attribute `graph`; an undirected edge counts both ways; nodes may have
        positions, `x` and `y`.
    - `.net.xml` of SUMO, `.inp` of EPANET, `.rddl` and the `.json` of pandapower: edges are those
        of the state graph.

    Where the file does not itself list agents and edges, which only couplings in `.json` do, one
    line on stderr says what was taken for an agent and for an edge.

    `graph` is one of state, observation, reward, action, reward_action, or several joined by `+`
    (`state+observation`); an edge without one belongs to the state graph. Graphs without an edge
    are local: every agent observes itself only, and its reward is its own.

    **Arguments:**

    - `path`: the file.
    - `options`: for the file of a simulator, what else to take for `agents` and `edges`, as the
        reader in `mastac.structure.importers` says.

    **Returns:**

    A [`mastac.CouplingSequence`][] where the file says `sequence`, else [`mastac.Couplings`][].

    **Raises:**

    - [`mastac.errors.UserError`][] naming the file and, where there is one, the line or the time,
        if the file is not there, cannot be read, or does not say clearly what it should.
    """
    graphs, said = _read(Path(path), options)
    _print(path, said)
    return graphs


def read_topology(path: str | Path, **options: str) -> tuple[Couplings, str]:
    """Couplings from a file, and in words what was taken for agents and edges.

    As [`read_couplings`][], but without printing. The words are empty where the file itself lists
    agents and edges.
    """
    graphs, said = _read(Path(path), options)
    if isinstance(graphs, CouplingSequence):
        raise UserError(f"{path}: these couplings change in time; read them with read_sequence")
    return graphs, said


def read_couplings(path: str | Path, **options: str) -> Couplings:
    """Couplings that stay the same, from a file in a form that [`read_graphs`][] reads.

    **Arguments:**

    - `path`, `options`: as of [`read_graphs`][].

    **Raises:**

    - [`mastac.errors.UserError`][] as [`read_graphs`][], and if the file holds a sequence.
    """
    graphs, said = read_topology(path, **options)
    _print(path, said)
    return graphs


def read_sequence(path: str | Path) -> CouplingSequence:
    """A sequence of couplings from a `.json` file in the form that [`read_graphs`][] reads.

    A file of couplings that stay the same is a sequence of one time.

    **Raises:**

    - [`mastac.errors.UserError`][] as [`read_graphs`][], and if the file does not end in `.json`.
    """
    if Path(path).suffix.lower() != ".json":
        raise UserError(f"{path}: sequences of couplings are read from files that end in .json")
    graphs = read_graphs(path)
    return graphs if isinstance(graphs, CouplingSequence) else CouplingSequence([graphs])


def _read(path: Path, options: dict[str, str]) -> Read:
    rest = dict(options)
    readers = {".json": _from_json, ".csv": _from_csv, ".graphml": _from_graphml, **SIMULATORS}
    ending = next((known for known in readers if path.name.lower().endswith(known)), None)
    if ending is None:
        raise UserError(f"{path}: couplings are read from files that end in {', '.join(readers)}")
    found = readers[ending](_text(path), str(path), rest)
    if rest:
        raise UserError(f"{path}: this file takes no option '{next(iter(rest))}'")
    if not isinstance(found, Topology):
        return found
    graphs = _built(found.agents, {"state": found.edges}, str(path), found.positions)
    return graphs, found.said


def _print(path: str | Path, said: str) -> None:
    if said:
        print(f"{path}: {said}", file=sys.stderr)


def _text(path: Path) -> str:
    try:
        # Identifiers of EPANET are bytes; older programs write them in the code of the country.
        return file_text(path, otherwise="latin-1" if path.suffix.lower() == ".inp" else None)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def _from_json(text: str, path: str, options: dict[str, str]) -> Read | Topology:
    try:
        data = json_value(text, constants=True)  # pandapower writes NaN where nothing is known
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    if is_pandapower(data):
        return read_pandapower(data, path, options)
    if isinstance(data, dict) and "sequence" in data:
        return CouplingSequence.from_dict(data, path), ""
    return Couplings.from_dict(data, path), ""


def _from_csv(text: str, path: str, options: dict[str, str]) -> Read:
    if re.search("\r(?!\n)", text):
        raise UserError(
            f"{path}: a line ends in \\r alone, as on old Macs; save it with line ends \\n"
        )
    # Strict: else a quote that is not closed would swallow all lines after it.
    rows = csv.reader(io.StringIO(text), skipinitialspace=True, strict=True)
    agents: dict[str, None] = {}
    edges: dict[str, list[tuple[str, str]]] = {}
    positions: dict[str, tuple[float, float]] = {}
    try:
        header = _header(next(rows, []), path)
        for row in rows:
            if any(cell.strip() for cell in row):
                where = f"{path}, line {rows.line_num}"
                cells = _cells(row, header, where)
                source, target = cells["source"], cells["target"]
                graphs = _graphs(cells.get("graph", ""), where)
                if cells.get("x") or cells.get("y"):
                    positions[source] = _position(cells, where)
                agents.update({source: None, target: None})
                for graph in graphs:
                    edges.setdefault(graph, []).append((source, target))
    except csv.Error as error:
        what = str(error).partition(" - ")[0]  # what follows is for programmers
        raise UserError(f"{path}, line {rows.line_num}: not valid CSV ({what})") from error
    graph = "column 'graph'" if "graph" in header else ""
    said = "an agent is a name in column 'source' or 'target'; " + _edge_said(graph)
    return _built(agents, edges, path, positions), said


def _edge_said(graph: str) -> str:
    """What is taken for an edge. `graph`: what names its graph; empty where nothing does."""
    of = f"of the graph in its {graph}, else of the state graph" if graph else "of the state graph"
    return f"an edge says that its source affects its target; it is {of}"


def _header(row: list[str], path: str) -> list[str]:
    """The names of the columns, checked."""
    columns = ("source", "target", "graph", "x", "y")
    header = [name.strip() for name in row]
    for name in header:
        if name not in columns:
            raise UserError(f"{path}, line 1: {unknown('column', name, columns)}")
    if len(set(header)) < len(header) or not {"source", "target"} <= set(header):
        raise UserError(
            f"{path}, line 1: an edge list opens with the line 'source,target' or "
            "'source,target,graph' (and x and y, for positions)"
        )
    return header


def _cells(row: list[str], header: list[str], where: str) -> dict[str, str]:
    """The cells of one line by their columns; source and target are there."""
    if len(row) != len(header):
        raise UserError(f"{where}: {len(row)} columns, expected {len(header)} ({','.join(header)})")
    cells = dict(zip(header, (cell.strip() for cell in row), strict=True))
    for end in ("source", "target"):
        if not cells[end]:
            raise UserError(f"{where}: the {end} is empty")
    return cells


def _position(cells: dict[str, str], where: str) -> tuple[float, float]:
    """The position on the line of an agent: its source is its target."""
    pair = number_pair(cells.get("x"), cells.get("y"))
    if pair is None:
        raise UserError(f"{where}: x and y must both be finite numbers")
    if cells["source"] != cells["target"]:
        raise UserError(
            f"{where}: a position stands on a line of its own, whose source is its target "
            f"('{cells['source']},{cells['source']}')"
        )
    return pair


def _from_graphml(text: str, path: str, options: dict[str, str]) -> Read:
    agents, by, graphml_edges, positions = read_graphml(text, path)
    edges: dict[str, list[tuple[str, str]]] = {}
    for source, target, graphs, is_directed in graphml_edges:
        for graph in _graphs(graphs, f"{path}, edge {source} -> {target}"):
            pairs = [(source, target)] if is_directed else [(source, target), (target, source)]
            edges.setdefault(graph, []).extend(pairs)
    graph = "attribute 'graph'" if any(edge.graph for edge in graphml_edges) else ""
    said = f"an agent is a node, by its {by}; " + _edge_said(graph)
    if not all(edge.is_directed for edge in graphml_edges):
        said += "; one without a direction counts both ways"
    return _built(agents, edges, path, positions), said


def _graphs(text: str, where: str) -> list[str]:
    """The graphs named in a cell or attribute."""
    names = [name.strip() for name in text.split("+")] if text.strip() else ["state"]
    for name in names:
        if name not in GRAPHS:
            raise UserError(f"{where}: {unknown('graph', name, GRAPHS)}")
    return names


def _built(
    agents: Iterable[str],
    edges: dict[str, list[tuple[str, str]]],
    path: str,
    positions: Positions,
) -> Couplings:
    names = list(agents)
    if not names:
        raise UserError(f"{path}: there are no agents in this file")
    graphs = {**dict.fromkeys(REQUIRED, ()), **edges}
    return Couplings.from_dict({"agents": names, "positions": positions, **graphs}, path)
