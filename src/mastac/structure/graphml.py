"""Agents and edges of a GraphML file; what couplings cannot express is refused, not dropped."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from xml.etree.ElementTree import Element

from mastac.errors import UserError
from mastac.structure.positions import known_positions, number_pair
from mastac.structure.xml_text import parse_xml

DIRECTED = {"directed": True, "undirected": False}
OF_EDGE = {"true": True, "1": True, "false": False, "0": False}


class GraphMLEdge(NamedTuple):
    """An edge: names of its ends, text of its attribute `graph`, whether it has a direction."""

    source: str
    target: str
    graph: str
    is_directed: bool


def read_graphml(
    text: str, path: str
) -> tuple[list[str], str, list[GraphMLEdge], dict[str, tuple[float, float]]]:
    """The names of the agents in the order of the nodes, what names them, the edges, and positions.

    An agent's name is the attribute `name` of its node where nodes have one, else the node's id.
    Positions are the attributes `x` and `y`, where all nodes have them. Other attributes say
    nothing of couplings and are ignored.

    **Arguments:**

    - `text`: the content of the file; with or without the namespace of GraphML.
    - `path`: the file, for messages.

    **Raises:**

    - [`mastac.errors.UserError`][] naming the file and the element, where the file is no GraphML
        or holds what couplings cannot express: several or nested graphs, hyperedges, an edge to a
        node that is not declared, an id that stands twice.
    """
    root = parse_xml(text, path, "graphml", "GraphML")
    graphs = [element for element in root.iter() if element.tag == "graph"]
    if len(graphs) != 1:
        raise UserError(
            f"{path}: the file holds {len(graphs)} graphs, expected one; name the graph of an edge "
            "by its attribute 'graph', and keep nested graphs in files of their own"
        )
    (graph,) = graphs
    for element in graph.iter():
        _check_children(element, path)
    keys = _Keys(root, path)
    nodes = graph.findall("node")
    names = _names(nodes, keys, path)
    edges = graph.findall("edge")
    default = graph.get("edgedefault", "")
    positions = known_positions(
        {
            name: number_pair(keys.value(node, "x"), keys.value(node, "y"))
            for node, name in zip(nodes, names.values(), strict=True)
        }
    )
    read = [_edge(edge, names, keys, default, path) for edge in edges]
    has_names = any(keys.value(node, "name") is not None for node in nodes)
    return list(names.values()), "attribute 'name'" if has_names else "id", read, positions


CHILDREN = {"graph": {"node", "edge"}, "node": {"port"}, "edge": set()}


def _check_children(element: Element, path: str) -> None:
    """Refuse elements and attributes that would be dropped, such as hyperedges."""
    if element.tag not in CHILDREN:
        return
    for child in element:
        if child.tag not in CHILDREN[element.tag] | {"desc", "data"}:
            raise UserError(
                f"{path}: a <{child.tag}> within a <{element.tag}> is not read as couplings; write "
                "nodes and edges between two nodes"
            )
    for attribute in ("graph", "name"):
        if attribute in element.attrib and element.tag != "graph":
            raise UserError(
                f"{path}: a <{element.tag}> has the XML attribute '{attribute}'; write "
                f"'{attribute}' as <data> with a declared <key>"
            )


class _Keys:
    """The declared attributes, by the ids that elements refer to."""

    def __init__(self, root: Element, path: str) -> None:
        self.path = path
        self.keys = {key.get("id", ""): key for key in root.findall("key")}
        _check_unique([key.get("id", "") for key in root.findall("key")], "key", path)

    def value(self, element: Element, attribute: str) -> str | None:
        """The text of an attribute of an element, else the default of its key, else `None`."""
        texts = list(self._given(element, attribute))
        if len(texts) > 1:
            raise UserError(
                f"{self.path}: a <{element.tag}> has the attribute '{attribute}' twice"
                + (" (several graphs of an edge are joined by +)" if attribute == "graph" else "")
            )
        if texts:
            return texts[0]
        for key in self.keys.values():
            default = key.find("default")
            applies = key.get("for", "all") in ("all", element.tag)
            if key.get("attr.name") == attribute and applies and default is not None:
                return default.text or ""
        return None

    def _given(self, element: Element, attribute: str) -> Iterator[str]:
        for data in element.findall("data"):
            key = self.keys.get(data.get("key", ""))
            if key is None:
                raise UserError(f"{self.path}: the key '{data.get('key')}' is not declared")
            if key.get("attr.name") == attribute:
                yield data.text or ""


def _names(nodes: list[Element], keys: _Keys, path: str) -> dict[str, str]:
    """The name of each agent by the id of its node."""
    ids = [_required(node, "id", path) for node in nodes]
    _check_unique(ids, "node", path)
    given = [keys.value(node, "name") for node in nodes]
    unnamed = [node for node, name in zip(ids, given, strict=True) if name is None]
    if unnamed and len(unnamed) < len(ids):
        raise UserError(
            f"{path}: node '{unnamed[0]}' has no attribute 'name' while others have one; name all "
            "nodes or none"
        )
    return {node: name or node for node, name in zip(ids, given, strict=True)}


def _edge(
    edge: Element, names: dict[str, str], keys: _Keys, default: str, path: str
) -> GraphMLEdge:
    ends = [_required(edge, end, path) for end in ("source", "target")]
    for node in ends:
        if node not in names:
            raise UserError(
                f"{path}: the edge {ends[0]} -> {ends[1]} ends at '{node}', which is not "
                f'declared as a node; add <node id="{node}"/> or correct the edge'
            )
    own = edge.get("directed")
    is_directed = DIRECTED.get(default) if own is None else OF_EDGE.get(own)
    if is_directed is None:
        said = f"directed='{own}'" if own is not None else f"edgedefault='{default}'"
        expected = "true or false" if own is not None else "directed or undirected"
        raise UserError(
            f"{path}: whether the edge {ends[0]} -> {ends[1]} has a direction is not clear from "
            f"{said}, expected {expected}"
        )
    source, target = (names[node] for node in ends)
    return GraphMLEdge(source, target, keys.value(edge, "graph") or "", is_directed)


def _required(element: Element, attribute: str, path: str) -> str:
    if not element.get(attribute):
        raise UserError(f"{path}: a <{element.tag}> has no {attribute}")
    return element.attrib[attribute]


def _check_unique(ids: Iterable[str], kind: str, path: str) -> None:
    repeated = [name for name, count in Counter(ids).items() if count > 1]
    if repeated:
        raise UserError(f"{path}: two {kind}s have the id '{repeated[0]}'; ids must differ")
