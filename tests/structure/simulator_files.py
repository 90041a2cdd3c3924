"""Files as simulators write them, of a network given as pairs of nodes."""

import json

import networkx as nx
from hypothesis import strategies as st

Network = tuple[list[str], list[str], list[tuple[str, str]]]
"""Nodes that act, nodes that do not, and pairs of nodes."""


@st.composite
def networks(draw: st.DrawFn) -> Network:
    """Up to four nodes that act, up to four that do not, and links between any two."""
    acting = [f"a{number}" for number in range(draw(st.integers(1, 4)))]
    passive = [f"p{number}" for number in range(draw(st.integers(0, 4)))]
    node = st.sampled_from(acting + passive)
    pairs = st.tuples(node, node).filter(lambda pair: pair[0] != pair[1])
    is_alone = len(acting + passive) == 1
    links = [] if is_alone else draw(st.lists(pairs, max_size=14, unique=True))
    return acting, passive, links


def paths(network: Network, directed: bool) -> set[tuple[str, str]]:
    """The witness: pairs of acting nodes that a path joins once all other acting ones are gone."""
    acting, passive, links = network
    graph = nx.DiGraph() if directed else nx.Graph()
    graph.add_nodes_from(acting + passive)
    graph.add_edges_from(links)
    return {
        (source, target)
        for source in acting
        for target in acting
        if source != target
        and nx.has_path(graph.subgraph([source, target, *passive]), source, target)
    }


def sumo(network: Network) -> str:
    """Junctions with a signal where they act; every road leads on to every other."""
    acting, passive, links = network
    # A signal is one at the end of a road, and with a road to go on.
    stubs = [pair for name in acting for pair in ((f"in-{name}", name), (name, f"out-{name}"))]
    roads = [*links, *stubs]
    lines = [
        *(f'<edge id="{s}.{e}" from="{s}" to="{e}"/>' for s, e in roads),
        '<edge id=":inner" function="internal"/>',
        *(f'<tlLogic id="{name}"><phase duration="30" state="G"/></tlLogic>' for name in acting),
        *(f'<junction id="{name}" type="priority"/>' for name in passive),
        *(f'<junction id="{name}" type="traffic_light"/>' for name in acting),
        '<connection from=":inner" to=":inner"/>',
    ]
    for start, middle in roads:
        signal = f' tl="{middle}"' if middle in acting else ""
        lines += [
            f'<connection from="{start}.{middle}" to="{middle}.{end}"{signal}/>'
            for begin, end in roads
            if begin == middle
        ]
    return "<net>\n" + "\n".join(lines) + "\n</net>\n"


def epanet(network: Network) -> str:
    """Tanks where nodes act, junctions elsewhere, a pipe for each link."""
    acting, passive, links = network
    pipes = [f" P{number}  {s}  {e}  100 12" for number, (s, e) in enumerate(links)]
    lines = [
        *("[TITLE]", "a network ; of ours", "[JUNCTIONS]", ";ID Elev"),
        *(f" {name}  0 ; a comment" for name in passive),
        *("[TANKS]", *(f" {name}  10  5" for name in acting)),
        *("", "[pipes]", *pipes, "[END]", ""),
    ]
    return "\n".join(lines)


def rddl(network: Network) -> tuple[str, str]:
    """Domain and instance: what flows from the first object of a relation to the second."""
    acting, passive, links = network
    domain = """
    domain water { // no edge(x, y) here
      types { basin : object; pond : object; };
      pvariables {
        FLOWS(basin, basin) : { non-fluent, bool, default = false };
        level(basin) : { state-fluent, real, default = 0.0 };
        open(gate)  : { action-fluent, real, default = 0.0 };
      };
      cpfs { level'(?x) = level(?x) + (sum_{?y : basin} [FLOWS(?y, ?x) * level(?y)]); };
    }"""
    facts = [f"FLOWS({s}, {e}) = true; // and not FLOWS({e}, {s})" for s, e in links]
    pond = f"pond : {{{', '.join(passive)}}};" if passive else ""
    lines = [
        *("non-fluents nf { domain = water;", "objects {", f"gate : {{{', '.join(acting)}}};"),
        *(pond, "};", "non-fluents {", "DEEP(a0) = 3.0;", *facts, "};", "}"),
        "instance one { domain = water; non-fluents = nf; }",
    ]
    instance = "\n".join(lines)
    return domain, instance


def pandapower(network: Network) -> str:
    """Buses, a static generator where they act, a line for each link."""
    acting, passive, links = network
    names = acting + passive
    tables = {
        "bus": (["name", "in_service"], [[name, True] for name in names]),
        "sgen": (["bus", "in_service"], [[names.index(name), True] for name in acting]),
        "line": (
            ["from_bus", "to_bus", "in_service"],
            [[names.index(start), names.index(end), True] for start, end in links],
        ),
    }
    net = {
        table: {
            "_class": "DataFrame",
            "_object": json.dumps(
                {"columns": columns, "index": list(range(len(rows))), "data": rows}
            ),
        }
        for table, (columns, rows) in tables.items()
    }
    return json.dumps(
        {"_module": "pandapower.auxiliary", "_class": "pandapowerNet", "_object": net}
    )
