"""Networks of simulators become couplings, and damaged files become one sentence."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mastac.errors import UserError
from mastac.structure import Couplings, read_couplings
from structure import simulator_files as files

ROW = (["a0", "a1", "a2"], ["p0"], [("a0", "p0"), ("p0", "a1"), ("a1", "a2")])
WRITERS = {
    "n.net.xml": files.sumo,
    "n.inp": files.epanet,
    "n.rddl": lambda network: files.rddl(network)[1],
    "n.json": files.pandapower,
}


def read(folder, name, text, **options):
    (folder / name).write_text(text, encoding="utf-8")
    return read_couplings(folder / name, **options)


@given(files.networks())
@settings(max_examples=40, deadline=None)
def test_edges_are_the_paths_past_what_does_not_act(tmp_path_factory, network):
    folder = tmp_path_factory.mktemp("files")
    acting = network[0]
    directed, either_way = (files.paths(network, way) for way in (True, False))
    domain, instance = files.rddl(network)
    alone = read(folder, "alone.rddl", instance, agents="gate")
    assert set(alone.edges("state")) == either_way
    (folder / "domain.rddl").write_text(domain)
    for name, text, options, expected in (
        ("n.net.xml", files.sumo(network), {}, directed),
        ("n.rddl", instance, {}, directed),
        ("n.inp", files.epanet(network), {}, either_way),
        ("n.json", files.pandapower(network), {"agents": "units"}, either_way),
    ):
        couplings = read(folder, name, text, **options)
        assert list(couplings.agents) == acting
        assert set(couplings.edges("state")) == expected, name
        assert couplings.edges("observation") == couplings.edges("reward") == []


@pytest.mark.parametrize("name", WRITERS)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_damaged_file_is_read_or_refused_in_one_sentence(tmp_path_factory, name, data):
    text = WRITERS[name](ROW)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    put = data.draw(st.sampled_from(["", "7", "null", "{", "<", "(", "[X]", "\n"]))
    try:
        couplings = read(tmp_path_factory.mktemp("files"), name, text[:start] + put + text[end:])
    except UserError as error:
        refusal = str(error)
    else:
        refusal = name if isinstance(couplings, Couplings) else ""
    assert name in refusal and "\n" not in refusal


@pytest.mark.parametrize(
    ("name", "said"),
    {
        "n.net.xml": "an agent is a traffic light; an edge says that a road leads",
        "n.inp": "an agent is a pump or a valve or a tank; an edge says that pipes join two",
        "n.rddl": "an agent is a gate or a pond; an edge says that FLOWS joins two either way",
        "n.json": "an agent is a bus; an edge says that lines, transformers or closed switches",
    }.items(),
)
def test_what_was_taken_for_what_is_printed_in_one_line(tmp_path, capsys, name, said):
    read(tmp_path, name, WRITERS[name](ROW))
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.count("\n") == 1
    assert printed.err.startswith(f"{tmp_path / name}: {said}")


PUMPED = """
[JUNCTIONS]
 in 0
 out 0
[RESERVOIRS]
 lake 0
[TANKS]
 1 10
 2 10
[PIPES]
 p1 lake in 100
 p2 out 1 100
 p3 1 2 100
[PUMPS]
 1 in out HEAD 1
[VALVES]
 v 2 in 12 PRV 40
"""


@pytest.mark.parametrize(
    ("options", "agents", "edges"),
    [
        # Pressure passes pump, valve and tanks; only the lake keeps apart.
        ({"edges": "network"}, ["tank 1", "2", "pump 1", "v"], None),
        (
            {},
            ["tank 1", "2", "pump 1", "v"],
            {("tank 1", "2"), ("tank 1", "pump 1"), ("pump 1", "v"), ("2", "v")},
        ),
        ({"agents": "tanks"}, ["1", "2"], None),
        ({"agents": "pumps"}, ["1"], set()),
    ],
)
def test_water_networks(tmp_path, options, agents, edges):
    couplings = read(tmp_path, "n.inp", PUMPED, **options)
    assert list(couplings.agents) == agents
    if edges is None:
        edges = {(one, other) for one in agents for other in agents if one != other}
    assert set(couplings.edges("state")) == edges | {(target, source) for source, target in edges}


def test_heaters_and_rooms(tmp_path):
    (tmp_path / "domain.rddl").write_text(
        """domain d { pvariables {
            ADJ(room, room) : {non-fluent, bool, default = false};
            HEATS(heater, room) : {non-fluent, bool, default = false};
            WALL(room, room) : {non-fluent, real, default = 1.0};
            t(room) : {state-fluent, real, default = 0.0};
            on(heater) : {action-fluent, real, default = 0.0};
            fan(room) : {action-fluent, real, default = 0.0};
        };
        cpfs { t'(?r) = t(?r) + fan(?r) + (sum_{?h : heater} [HEATS(?h, ?r) * on(?h)])
            + (sum_{?o : room} [(ADJ(?r, ?o) | ADJ(?o, ?r)) * (t(?o) - t(?r)) / WALL(?r, ?o)]); };
        }"""
    )
    text = """non-fluents n { objects { room : {r1, r2, r3}; heater : {h}; };
        non-fluents { ADJ(r1, r2); ~ADJ(r2, r3); ADJ(r1, r3) = false; HEATS(h, r3) = true;
            WALL(r1, r2) = 2.0; COLD(r1) = 1; }; }"""
    couplings = read(tmp_path, "n.rddl", text)
    assert couplings == Couplings(
        ["r1", "r2", "r3", "h"], state=[("r1", "r2"), ("r2", "r1"), ("h", "r3")]
    )
    chosen = read(tmp_path, "n.rddl", text, agents="room", edges="WALL")
    assert chosen == Couplings(["r1", "r2", "r3"], state=[("r2", "r1")])


def test_open_switches_and_dead_elements_join_nothing(tmp_path):
    net = json.loads(files.pandapower((["a", "b", "c", "d"], [], [("a", "b"), ("b", "c")])))
    frames = {
        "bus": (["name", "in_service"], [["a", True], ["b", True], ["b", True], ["d", True]]),
        "switch": (
            ["bus", "element", "et", "closed"],
            [[0, 0, "l", False], [2, 3, "b", True], [0, 3, "b", False]],
        ),
        "trafo3w": (["hv_bus", "mv_bus", "lv_bus", "in_service"], [[0, 1, 3, False]]),
    }
    for table, (columns, rows) in frames.items():
        frame = {"columns": columns, "index": list(range(len(rows))), "data": rows}
        net["_object"][table] = {"_object": frame}
    couplings = read(tmp_path, "n.json", json.dumps(net))
    # Two buses are called "b"; so none is called by its name.
    assert couplings.agents == ("bus-0", "bus-1", "bus-2", "bus-3")
    joined = [("bus-1", "bus-2"), ("bus-2", "bus-1"), ("bus-2", "bus-3"), ("bus-3", "bus-2")]
    assert couplings.edges("state") == joined


def test_junctions_may_be_the_agents(tmp_path):
    couplings = read(tmp_path, "n.net.xml", files.sumo(ROW), agents="junctions")
    assert couplings == Couplings(["p0", "a0", "a1", "a2"], state=ROW[2])


ENTITY = '<!DOCTYPE net [<!ENTITY a "b">]><net>&a;</net>'


@pytest.mark.parametrize(
    ("name", "text", "options", "said"),
    [
        ("n.net.xml", ENTITY, {}, "not valid SUMO network (it has a <!DOCTYPE>"),
        ("n.graphml", ENTITY.replace("net", "graphml"), {}, "not valid GraphML (it has a <!DOC"),
        ("n.net.xml", "<net><edge></net>", {}, "not valid SUMO network (mismatched tag"),
        ("n.net.xml", "<routes/>", {}, "it opens with <routes>, not <net>"),
        ("n.net.xml", "<net/>", {}, "there are no signals in this file; choose agents=junctions"),
        ("n.net.xml", "<net/>", {"agents": "signal"}, "did you mean 'signals'"),
        ("n.net.xml", "<net/>", {"agent": "signals"}, "there are no signals"),
        ("n.inp", "[PIPES]\np a b", {}, "line 2: pipe 'p' ends at 'a', which is no node"),
        ("n.inp", "[PUMPS]\np a", {}, "line 2: a pump needs an id and two nodes"),
        ("n.inp", "[TANKS]\na 1\na 2", {}, "line 3: tank 'a' stands there twice"),
        ("n.inp", "pumps", {}, "line 1: a file of EPANET opens with a section"),
        ("n.inp", "[JUNCTIONS]\na 1", {}, "no pumps, valves or tanks"),
        ("n.rddl", "domain d {}", {}, "give the file that holds the non-fluents"),
        ("n.rddl", files.rddl(ROW)[1], {"edges": "FLOW"}, "did you mean 'FLOWS'"),
        ("n.rddl", files.rddl(ROW)[1], {"agents": "gates"}, "did you mean 'gate'"),
        ("n.rddl", "objects {a: {x};}; non-fluents {R(x, y);}", {}, "R(x, y) names 'y', no object"),
        ("n.json", '{"_class": "pandapowerNet"}', {}, "the table 'bus' of this pandapower net"),
        ("n.json", files.pandapower(([], ["p"], [])), {"agents": "units"}, "no units in service"),
        ("n.json", files.pandapower(ROW), {"edges": "x"}, "this file takes no option 'edges'"),
        ("n.txt", "", {}, "that end in .json, .csv, .graphml, .net.xml, .inp, .rddl"),
    ],
)
def test_mistakes(tmp_path, name, text, options, said):
    with pytest.raises(UserError) as caught:
        read(tmp_path, name, text, **options)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_identifiers_of_epanet_may_be_in_an_older_code(tmp_path):
    (tmp_path / "n.inp").write_bytes(
        PUMPED.replace("[JUN", "[TITLE]\nWerk S\xfcd\n[JUN").encode("latin-1")
    )
    assert read_couplings(tmp_path / "n.inp").num_agents == 4
