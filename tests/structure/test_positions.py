"""Positions from files, and places for agents that have none."""

import json
from collections.abc import Sequence
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist

from mastac.errors import UserError
from mastac.structure import (
    Couplings,
    CouplingSequence,
    chain,
    read_couplings,
    read_graphs,
    ring,
    star,
    uncoupled,
)
from mastac.structure.placement import LONGEST_ROW, agent_places

AT = {"a": (0.0, 1.5), "b": (2.0, -1.0)}
PAIR = Couplings(["a", "b"], state=[("a", "b")], positions=AT)


def graphml() -> str:
    graph: Any = nx.DiGraph([("a", "b")])
    for name, (x, y) in AT.items():
        graph.add_node(name, x=x, y=y)
    return "\n".join(nx.generate_graphml(graph))


SUMO = """<net>
<edge id="in" from="o" to="a"/><edge id="ab" from="a" to="b"/><edge id="out" from="b" to="o"/>
<edge id="far" from="o" to="c"/>
<tlLogic id="a"/><tlLogic id="joined"/>
<junction id="a" type="traffic_light" x="0.0" y="1.5"/>
<junction id="b" type="traffic_light" x="2.0" y="-1.0"/>
<junction id="c" type="traffic_light" x="4.0" y="1.0"/>
<connection from="in" to="ab" tl="a"/><connection from="ab" to="out" tl="joined"/>
<connection from="far" to="out" tl="joined"/>
</net>"""

EPANET = """[TANKS]
a 1
b 1
[PUMPS]
p a b HEAD 1
[COORDINATES]
a 0.0 1.5
b 2.0 -1.0
"""


def pandapower(geo: bool) -> str:
    def table(columns: list[str], data: Sequence[Sequence[object]]) -> dict[str, object]:
        body = {"columns": columns, "index": list(range(len(data))), "data": data}
        return {"_object": json.dumps(body)}

    points = [json.dumps({"type": "Point", "coordinates": list(pair)}) for pair in AT.values()]
    rows = [[name, *([point] * geo)] for name, point in zip(AT, points, strict=True)]
    net = {
        "bus": table(["name", *(["geo"] * geo)], rows),
        "line": table(["from_bus", "to_bus"], [[0, 1]]),
    }
    if not geo:
        net["bus_geodata"] = table(["x", "y"], [list(pair) for pair in AT.values()])
    return json.dumps({"_class": "pandapowerNet", "_object": net})


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("c.json", PAIR.to_json(), AT),
        ("c.csv", "source,target,graph,x,y\na,a,,0,1.5\nb,b,,2,-1\na,b,state,,\n", AT),
        ("c.graphml", graphml(), AT),
        ("c.net.xml", SUMO, {"a": (0.0, 1.5), "joined": (3.0, 0.0)}),
        ("c.inp", EPANET, {**AT, "p": (1.0, 0.25)}),
        ("c.json", pandapower(geo=True), AT),
        ("c.json", pandapower(geo=False), AT),
        ("c.inp", EPANET.replace("b 2.0", "z 2.0"), {}),  # a map with holes is no map
        ("c.json", Couplings(2).to_json(), {}),
    ],
)
def test_files_say_where_agents_are(tmp_path, name, text, expected):
    (tmp_path / name).write_text(text)
    assert read_couplings(tmp_path / name).positions == expected


def test_positions_stay_with_the_agents_and_are_no_coupling(tmp_path):
    assert Couplings(["a", "b"], state=[("a", "b")]) == PAIR
    assert PAIR.with_graphs(state=PAIR.reward).positions == AT
    sequence = CouplingSequence([PAIR, PAIR.with_graphs(state=PAIR.reward)])
    sequence.to_json(tmp_path / "s.json")
    again = read_graphs(tmp_path / "s.json")
    assert isinstance(again, CouplingSequence) and again == sequence
    assert again.union().positions == AT
    np.testing.assert_array_equal(agent_places(again), list(AT.values()))


@pytest.mark.parametrize(
    ("positions", "said"),
    [
        ({"a": (0, 1)}, "leave out agent 'b'"),
        ({"a": (0, 1), "c": (0, 1)}, "unknown agent in positions 'c'"),
        ({"a": (0, 1), "b": (0, np.nan)}, "the position of 'b' must be two finite numbers"),
        ({"a": (0, 1), "b": "12"}, "the position of 'b' must be two finite numbers"),
        ({"a": (0, 1), "b": 3}, "the position of 'b' must be two finite numbers"),
        ([(0, 1)], "positions must be an object"),
    ],
)
def test_mistakes(positions, said):
    with pytest.raises(UserError, match=said):
        Couplings(["a", "b"], positions=positions)


def test_a_position_in_a_table_stands_with_its_agent_alone(tmp_path):
    path = tmp_path / "c.csv"
    for line, said in (("a,b,1,2", "a line of its own"), ("a,a,1,", "both be finite")):
        path.write_text(f"source,target,x,y\n{line}\n")
        with pytest.raises(UserError, match=f"line 2: .*{said}"):
            read_couplings(path)


@given(
    size=st.integers(1, 90),
    pairs=st.lists(st.tuples(st.integers(0, 89), st.integers(0, 89)), max_size=120),
)
@settings(max_examples=6, deadline=None)
def test_places_are_the_same_again_and_no_two_agents_share_one(size, pairs):
    links = [(i, j) for i, j in pairs if i < size and j < size]
    places = agent_places(Couplings(size, state=links))
    np.testing.assert_array_equal(places, agent_places(Couplings(size, state=links)))
    assert places.shape == (size, 2) and np.isfinite(places).all()
    assert size == 1 or pdist(places).min() > 1e-3


def test_common_shapes_look_like_themselves():
    circle = agent_places(ring(12))
    radii = np.linalg.norm(circle - circle.mean(axis=0), axis=1)
    np.testing.assert_allclose(radii, radii[0])
    assert np.ptp(agent_places(chain(LONGEST_ROW))[:, 1]) == 0.0
    rows = agent_places(chain(2 * LONGEST_ROW))
    np.testing.assert_allclose(np.linalg.norm(np.diff(rows, axis=0), axis=1), 1.0)
    spokes = agent_places(star(9))
    assert np.linalg.norm(spokes - spokes.mean(axis=0), axis=1).argmin() == 0
    assert len(np.unique(agent_places(uncoupled(12)), axis=0)) == 12
