"""Water networks of EPANET: `.inp`."""

from collections.abc import Iterator

from mastac.errors import UserError
from mastac.structure.importers.topology import Topology, both_ways, choice, joined, nothing_found
from mastac.structure.positions import known_positions, middle, number_pair

ENDS = {"PIPES": "pipe", "PUMPS": "pump", "VALVES": "valve"}
NODES = {"JUNCTIONS": "junction", "TANKS": "tank", "RESERVOIRS": "reservoir"}
KINDS = {
    "all": ("pump", "valve", "tank"),
    "pumps-and-tanks": ("pump", "tank"),
    "pumps": ("pump",),
    "tanks": ("tank",),
}


def read_epanet(text: str, path: str, options: dict[str, str]) -> Topology:
    """Pumps, valves and tanks, and the pipes that join them.

    Edges lead both ways: pressure acts against the flow too. They join neighbours, between which
    water passes no third agent and no reservoir. Pressure also passes pumps that run, open valves
    and, as time goes by, tanks: `edges=network` joins all that no reservoir keeps apart. A path
    leads on through tanks that are no agents: their level is part of the state of agents beside
    them.

    **Arguments:**

    - `text`: the content of the file.
    - `path`: the file, for messages.
    - `options`: `agents`: `all` (default), `pumps-and-tanks`, `pumps` or `tanks`; `edges`:
        `pipes` (default) or `network`.

    **Raises:**

    - [`mastac.errors.UserError`][] naming the file and the line, if it is damaged or has no agents.
    """
    agents = choice(options, "agents", KINDS)
    edges = choice(options, "edges", ("pipes", "network"))
    kinds, links = _read(text, path)
    names = _names({key: kind for key, kind in kinds.items() if kind in KINDS[agents]})
    if not names:
        raise nothing_found(path, "pumps, valves or tanks", "choose agents=all")
    ends = [key for key, kind in kinds.items() if kind == "reservoir"]
    pairs = joined(names, both_ways(links), [*ends, *names] if edges == "pipes" else ends)
    said = f"an agent is a {' or a '.join(KINDS[agents])}; an edge says that " + (
        "pipes join two past no third one (edges=network joins all that pressure reaches)"
        if edges == "pipes"
        else "no reservoir keeps two apart"
    )
    return Topology(list(names.values()), pairs, said, _positions(text, path, names, links))


def _positions(
    text: str, path: str, names: dict[str, str], links: list[tuple[str, str]]
) -> dict[str, tuple[float, float]]:
    """Coordinates of nodes; a pump or a valve is amid its two nodes."""
    rows = [cells for _, section, cells in _rows(text, path) if section == "COORDINATES"]
    at = {cells[0]: number_pair(*cells[1:3]) for cells in rows if len(cells) > 2}
    ends: dict[str, list[str]] = {key: [] for key in names}
    for start, end in links:
        for key, other in ((start, end), (end, start)):
            ends.get(key, []).append(other)

    def position(key: str) -> tuple[float, float] | None:
        nodes = ends[key] if key.partition(" ")[0] in ENDS.values() else [key]
        return middle([at.get(node.partition(" ")[2]) for node in nodes])

    return known_positions({name: position(key) for key, name in names.items()})


def _names(kinds: dict[str, str]) -> dict[str, str]:
    """What each agent is called: as in the file, and with its kind where a node is called so too.

    EPANET tells nodes from links, so that a tank and a pump may both be "1".
    """
    ids = [key.partition(" ")[2] for key in kinds]
    return {
        key: key if ids.count(key.partition(" ")[2]) > 1 else key.partition(" ")[2] for key in kinds
    }


def _read(text: str, path: str) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """The kind of each element, by kind and id, and the links between elements.

    A pump or valve is an element between its two nodes, a pipe only a link.
    """
    kinds: dict[str, str] = {}
    nodes: dict[str, str] = {}
    rows: list[tuple[str, str, list[str]]] = []
    for where, section, cells in _rows(text, path):
        if section in NODES:
            key = f"{NODES[section]} {cells[0]}"
            _add(kinds, key, NODES[section], where)
            nodes[cells[0]] = key
        elif section in ENDS:
            rows.append((where, ENDS[section], cells))
    links: list[tuple[str, str]] = []
    for where, kind, cells in rows:
        if len(cells) < 3:
            raise UserError(f"{where}: a {kind} needs an id and two nodes")
        for node in cells[1:3]:
            if node not in nodes:
                raise UserError(f"{where}: {kind} '{cells[0]}' ends at '{node}', which is no node")
        start, end = (nodes[node] for node in cells[1:3])
        if kind == "pipe":
            links.append((start, end))
        else:
            key = f"{kind} {cells[0]}"
            _add(kinds, key, kind, where)
            links += [(start, key), (key, end)]
    return kinds, links


def _rows(text: str, path: str) -> Iterator[tuple[str, str, list[str]]]:
    """Where it stands, the section and the cells of each line that says something."""
    section = ""
    for number, line in enumerate(text.splitlines(), start=1):
        cells = line.partition(";")[0].split()
        if cells and cells[0].startswith("["):
            section = cells[0].strip("[]").upper()
        elif cells and section:
            yield f"{path}, line {number}", section, cells
        elif cells:
            raise UserError(
                f"{path}, line {number}: a file of EPANET opens with a section such as [TITLE]"
            )


def _add(kinds: dict[str, str], key: str, kind: str, where: str) -> None:
    if key in kinds:
        raise UserError(f"{where}: {kind} '{key.partition(' ')[2]}' stands there twice")
    kinds[key] = kind
