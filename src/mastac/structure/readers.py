"""Couplings from files: JSON, CSV edge lists and GraphML."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import networkx as nx

from mastac.errors import UserError, unknown
from mastac.structure.couplings import GRAPHS, REQUIRED, Couplings, CouplingSequence


def read_couplings(path: str | Path) -> Couplings:
    """Couplings from a file, its form by the ending of its name.

    - `.json`: `{"agents": [names], "state": [[source, target], …], "observation": …, "reward": …}`,
        and `action` and `reward_action` where they differ from `state` and `reward`.
    - `.csv`: an edge list with the columns `source`, `target` and, if wanted, `graph`. Agents are
        in the order in which they are first named; a line whose source is its target adds an agent
        without an edge.
    - `.graphml`: agents are nodes (by their attribute `name` where all have one, else by id), edges
        may have an attribute `graph`; an undirected edge counts both ways.

    `graph` is one of state, observation, reward, action, reward_action, or several joined by `+`
    (`state+observation`); an edge without one belongs to the state graph. Graphs without an edge
    are local: every agent observes itself only, and its reward is its own.

    **Raises:**

    - [`mastac.errors.UserError`][] naming the file and, where there is one, the line, if the file
        is not there, cannot be read, or does not say what it should.
    """
    path = Path(path)
    readers = {".json": _from_json, ".csv": _from_csv, ".graphml": _from_graphml}
    if path.suffix.lower() not in readers:
        raise UserError(f"{path}: couplings are read from files that end in {', '.join(readers)}")
    return readers[path.suffix.lower()](_text(path), str(path))


def read_sequence(path: str | Path) -> CouplingSequence:
    """Couplings that change in time, from a file that ends in `.json`.

    `{"agents": [names], "sequence": [graphs at time 0, graphs at time 1, …]}`, the graphs of a time
    as [`read_couplings`][] reads them, or the number of an earlier time whose graphs hold again. A
    file of couplings that stay the same is a sequence of one time.

    **Raises:**

    - [`mastac.errors.UserError`][] naming the file and the time, if the file is not there, cannot
        be read, or does not say what it should.
    """
    path = Path(path)
    if path.suffix.lower() != ".json":
        raise UserError(f"{path}: sequences of couplings are read from files that end in .json")
    data = _json(_text(path), str(path))
    if isinstance(data, dict) and "sequence" in data:
        return CouplingSequence.from_dict(data, str(path))
    return CouplingSequence([Couplings.from_dict(data, str(path))])


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise UserError(f"{path}: there is no such file") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: this is not text in UTF-8 (byte {error.start})") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error


def _from_json(text: str, source: str) -> Couplings:
    data = _json(text, source)
    if isinstance(data, dict) and "sequence" in data:
        raise UserError(f"{source}: these couplings change in time; read them with read_sequence")
    return Couplings.from_dict(data, source)


def _json(text: str, source: str) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        repeated = [key for key in keys if keys.count(key) > 1]
        if repeated:
            raise UserError(f"{source}: the key '{repeated[0]}' stands there twice")
        return dict(pairs)

    try:
        return json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise UserError(
            f"{source}: not valid JSON at line {error.lineno}, column {error.colno}: {error.msg}"
        ) from error
    except RecursionError as error:
        raise UserError(f"{source}: nested too deeply for couplings") from error


def _from_csv(text: str, source: str) -> Couplings:
    rows = csv.reader(io.StringIO(text), skipinitialspace=True)
    header = [name.strip() for name in next(rows, [])]
    for name in header:
        if name not in ("source", "target", "graph"):
            raise UserError(
                f"{source}, line 1: {unknown('column', name, ('source', 'target', 'graph'))}"
            )
    if sorted(set(header)) != sorted(header) or not {"source", "target"} <= set(header):
        raise UserError(
            f"{source}, line 1: an edge list opens with the line 'source,target' or 'source,target,graph'"
        )
    agents: dict[str, None] = {}
    edges: dict[str, list[tuple[str, str]]] = {}
    for row in rows:
        if not any(cell.strip() for cell in row):
            continue
        where = f"{source}, line {rows.line_num}"
        if len(row) != len(header):
            raise UserError(
                f"{where}: {len(row)} columns, expected {len(header)} ({','.join(header)})"
            )
        cells = dict(zip(header, (cell.strip() for cell in row), strict=True))
        if not cells["source"] or not cells["target"]:
            raise UserError(f"{where}: the {'target' if cells['source'] else 'source'} is empty")
        agents.update({cells["source"]: None, cells["target"]: None})
        for graph in _graphs(cells.get("graph", ""), where):
            edges.setdefault(graph, []).append((cells["source"], cells["target"]))
    return _built(agents, edges, source)


def _from_graphml(text: str, source: str) -> Couplings:
    try:
        graph = nx.parse_graphml(text)
    except (ParseError, nx.NetworkXError, KeyError, ValueError, TypeError) as error:
        raise UserError(f"{source}: not valid GraphML ({error})") from error
    given = nx.get_node_attributes(graph, "name")
    names = {node: str(given[node] if len(given) == len(graph) else node) for node in graph}
    edges: dict[str, list[tuple[str, str]]] = {}
    for tail, head, attributes in graph.edges(data=True):
        where = f"{source}, edge {names[tail]} -> {names[head]}"
        for kind in _graphs(str(attributes.get("graph", "")), where):
            edges.setdefault(kind, []).append((names[tail], names[head]))
            if not graph.is_directed():
                edges[kind].append((names[head], names[tail]))
    return _built(names.values(), edges, source)


def _graphs(text: str, where: str) -> list[str]:
    """The graphs named in a cell or attribute."""
    names = [name.strip() for name in text.split("+")] if text.strip() else ["state"]
    for name in names:
        if name not in GRAPHS:
            raise UserError(f"{where}: {unknown('graph', name, GRAPHS)}")
    return names


def _built(
    agents: Iterable[str], edges: dict[str, list[tuple[str, str]]], source: str
) -> Couplings:
    names = list(agents)
    if not names:
        raise UserError(f"{source}: there are no agents in this file")
    return Couplings.from_dict({"agents": names, **dict.fromkeys(REQUIRED, ()), **edges}, source)
