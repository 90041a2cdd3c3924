"""Road networks of SUMO: `.net.xml`."""

from xml.etree.ElementTree import Element

from mastac.structure.importers.topology import Topology, choice, joined, nothing_found
from mastac.structure.positions import known_positions, middle, number_pair
from mastac.structure.xml_text import parse_xml


def read_sumo(text: str, path: str, options: dict[str, str]) -> Topology:
    """Traffic lights, and the roads that lead from one to the next.

    A road leads on from a crossing without signals to every road that vehicles may turn into there.
    Traffic lights that share one program are one agent, as in SUMO.

    **Arguments:**

    - `text`: the content of the file.
    - `path`: the file, for messages.
    - `options`: `agents`: `signals` (default) or `junctions`, with signals or without.

    **Raises:**

    - [`mastac.errors.UserError`][] naming the file, if it is no network or has no agents.
    """
    agents = choice(options, "agents", ("signals", "junctions"))
    net = parse_xml(text, path, "net", "SUMO network")
    ends = {
        road.get("id", ""): road.get("to", "")
        for road in net.findall("edge")
        if not road.get("function")  # roads inside junctions, crossings and paths have one
    }
    turns = [turn for turn in net.findall("connection") if _from(turn) in ends]
    names, agent_of = _signals(net, turns) if agents == "signals" else _junctions(net, ends)
    if not names:
        raise nothing_found(path, agents, "choose agents=junctions")
    links = [(_from(turn), turn.get("to", "")) for turn in turns if turn.get("to") in ends]
    thing = "traffic light" if agents == "signals" else "junction"
    past = ", past junctions without one" if agents == "signals" else ""
    said = (
        f"an agent is a {thing}; an edge says that a road leads from the one to the other{past} "
        "(a jam that reaches back is not an edge)"
    )
    return Topology(names, joined(agent_of, links), said, _positions(net, names, ends, agent_of))


def _positions(
    net: Element, names: list[str], ends: dict[str, str], agent_of: dict[str, str]
) -> dict[str, tuple[float, float]]:
    """Coordinates of junctions; a program of several crossings is amid them."""
    at = {j.get("id", ""): number_pair(j.get("x"), j.get("y")) for j in net.findall("junction")}
    crossings: dict[str, dict[str, None]] = {name: {} for name in names}
    for road, agent in agent_of.items():
        crossings.get(agent, {})[ends[road]] = None
    return known_positions(
        {
            name: middle([at.get(junction) for junction in found or {name: None}])
            for name, found in crossings.items()
        }
    )


def _from(turn: Element) -> str:
    return turn.get("from", "")


def _signals(net: Element, turns: list[Element]) -> tuple[list[str], dict[str, str]]:
    """The traffic lights, and for each road the one at its end."""
    at_end = {_from(turn): turn.attrib["tl"] for turn in turns if turn.get("tl")}
    names = dict.fromkeys(light.get("id", "") for light in net.findall("tlLogic"))
    return [name for name in names if name in set(at_end.values())], at_end


def _junctions(net: Element, ends: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    """The junctions where something is decided, and for each road the one at its end."""
    passed = ("internal", "dead_end")
    names = [j.get("id", "") for j in net.findall("junction") if j.get("type") not in passed]
    return names, {road: end for road, end in ends.items() if end in set(names)}
