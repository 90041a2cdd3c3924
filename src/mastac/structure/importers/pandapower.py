"""Power grids of pandapower: the `.json` that `pandapower.to_json` writes."""

from typing import Any

from mastac.errors import UserError
from mastac.reading import json_value
from mastac.structure.importers.topology import Topology, both_ways, choice, joined, nothing_found
from mastac.structure.positions import known_positions, number_pair

BRANCHES = {
    "line": ("from_bus", "to_bus"),
    "trafo": ("hv_bus", "lv_bus"),
    "trafo3w": ("hv_bus", "mv_bus", "lv_bus"),
    "impedance": ("from_bus", "to_bus"),
    "dcline": ("from_bus", "to_bus"),
}
SWITCHED = {"l": "line", "t": "trafo", "t3": "trafo3w"}
UNITS = ("gen", "sgen", "storage")

Row = dict[str, Any]


def is_pandapower(data: Any) -> bool:
    """Whether the data of a JSON file are a net of pandapower."""
    return isinstance(data, dict) and data.get("_class") == "pandapowerNet"


def read_pandapower(data: Any, path: str, options: dict[str, str]) -> Topology:
    """Buses in service, and the branches that join them, both ways.

    Lines, transformers, impedances, DC lines and closed switches between buses are branches; what
    is out of service or behind an open switch is not. Power flow is global, so that edges are
    neighbours in the grid and no more: `mastac discover` tells what is coupled.

    **Arguments:**

    - `data`: the data of the file.
    - `path`: the file, for messages.
    - `options`: `agents`: `buses` (default) or `units`: only the buses that have a generator, a
        static generator or a storage in service. Paths past other buses are edges then.

    **Raises:**

    - [`mastac.errors.UserError`][] naming the file and the table, if it is damaged.
    """
    agents = choice(options, "agents", ("buses", "units"))
    net = data.get("_object")
    buses = {row["index"]: row for row in _table(net, "bus", path) if _in_service(row)}
    names = _names(buses)
    if agents == "units":
        with_unit = {r.get("bus") for t in UNITS for r in _table(net, t, path) if _in_service(r)}
        names = {bus: name for bus, name in names.items() if bus in with_unit}
    if not names:
        raise nothing_found(path, f"{agents} in service", "choose agents=buses")
    there = {str(bus) for bus in buses}
    both = both_ways(link for link in _links(net, path) if set(link) <= there)
    thing = "bus" if agents == "buses" else "bus with a generator or storage"
    past = ", past buses without one" if agents == "units" else ""
    said = (
        f"an agent is a {thing}; an edge says that lines, transformers or closed switches join "
        f"two{past} (power flow is global: `mastac discover` tells what is coupled)"
    )
    agent_of = {str(bus): name for bus, name in names.items()}
    at = {row["index"]: (row.get("x"), row.get("y")) for row in _table(net, "bus_geodata", path)}
    positions = {
        name: number_pair(*at[bus]) if bus in at else _geo_point(buses[bus].get("geo"))
        for bus, name in names.items()
    }
    edges = joined(agent_of, both)
    return Topology(list(names.values()), edges, said, known_positions(positions))


def _geo_point(text: Any) -> tuple[float, float] | None:
    """The point that the column `geo` gives as GeoJSON, since pandapower 3."""
    try:
        return number_pair(*json_value(text)["coordinates"][:2])
    except (TypeError, ValueError, KeyError):
        return None


def _names(buses: dict[Any, Row]) -> dict[Any, str]:
    """The names of the buses where all have one of their own, else `bus-0`, `bus-1`, …"""
    given = [row.get("name") for row in buses.values()]
    if all(isinstance(name, str) and name for name in given) and len(set(given)) == len(given):
        return {bus: str(row["name"]) for bus, row in buses.items()}
    return {bus: f"bus-{bus}" for bus in buses}


def _links(net: Any, path: str) -> list[tuple[str, str]]:
    """Pairs of buses that a branch in service joins."""
    switches = _table(net, "switch", path)
    is_open = {
        (SWITCHED.get(row.get("et", "")), row.get("element"))
        for row in switches
        if row.get("closed") is False
    }
    links = [
        (row.get("bus"), row.get("element"))
        for row in switches
        if row.get("et") == "b" and row.get("closed") is not False
    ]
    for table, ends in BRANCHES.items():
        for row in _table(net, table, path):
            if _in_service(row) and (table, row["index"]) not in is_open:
                buses = [row.get(end) for end in ends]
                links += [(buses[0], other) for other in buses[1:]]
                links += [(buses[1], other) for other in buses[2:]]
    return [(str(start), str(end)) for start, end in links]


def _in_service(row: Row) -> bool:
    return row.get("in_service") is not False


def _table(net: Any, name: str, path: str) -> list[Row]:
    """The rows of a table of the net, each with its `index`; none where there is no such table."""
    try:
        if name not in net:
            return []
        frame = net[name]["_object"]
        frame = json_value(frame, constants=True) if isinstance(frame, str) else frame
        return [
            {"index": index, **dict(zip(frame["columns"], row, strict=True))}
            for index, row in zip(frame["index"], frame["data"], strict=True)
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path}: the table '{name}' of this pandapower net cannot be read; write the file "
            "again with pandapower.to_json"
        ) from error
