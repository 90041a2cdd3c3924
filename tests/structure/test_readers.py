"""Couplings from files, and what is said of files that are wrong."""

import json

import networkx as nx
import pytest
from hypothesis import given, settings

from mastac.errors import UserError
from mastac.structure import Couplings, read_couplings
from structure.witnesses import GRAPHS, systems


@given(systems())
@settings(max_examples=30)
def test_every_form_of_file_gives_the_couplings_back(tmp_path_factory, couplings):
    folder = tmp_path_factory.mktemp("files")
    couplings.to_json(folder / "c.json")
    lines = ["source,target,graph", *(f"{agent},{agent},state" for agent in couplings.agents)]
    network = nx.MultiDiGraph()
    network.add_nodes_from(couplings.agents)
    for graph in GRAPHS:
        own = [(agent, agent) for agent in couplings.agents[:1]]
        for source, target in couplings.edges(graph) + own:
            lines.append(f"{source}, {target}, {graph}")
            network.add_edge(source, target, graph=graph)
    (folder / "c.csv").write_text("\n".join(lines), encoding="utf-8-sig")
    nx.write_graphml(network, folder / "c.GRAPHML")
    for name in ("c.json", "c.csv", "c.GRAPHML"):
        assert read_couplings(folder / name) == couplings


def test_csv_without_graphs_couples_states(tmp_path):
    (tmp_path / "c.csv").write_text("source,target\na,b\n\nb,c\nd,d\n")
    assert read_couplings(tmp_path / "c.csv") == Couplings(
        list("abcd"), state=[("a", "b"), ("b", "c")]
    )


def test_one_edge_in_several_graphs(tmp_path):
    (tmp_path / "c.csv").write_text("target,graph,source\nb,state + observation,a\nc,,b\n")
    expected = Couplings(list("abc"), state=[("a", "b"), ("b", "c")], observation=[("a", "b")])
    assert read_couplings(tmp_path / "c.csv") == expected


def test_graphml_undirected_and_with_names(tmp_path):
    network = nx.Graph()
    network.add_node("n0", name="pump")
    network.add_node("n1", name="tank")
    network.add_edge("n0", "n1", graph="observation")
    nx.write_graphml(network, tmp_path / "c.graphml")
    expected = Couplings(["pump", "tank"], observation=[("pump", "tank"), ("tank", "pump")])
    assert read_couplings(tmp_path / "c.graphml") == expected


KEYS = (
    '<key id="g" for="edge" attr.name="graph" attr.type="string"/>'
    '<key id="n" for="node" attr.name="name" attr.type="string"/>'
)
A_B = '<node id="a"/><node id="b"/>'
REWARD = '<data key="g">reward</data>'
ONE_GRAPH = (
    ", expected one; name the graph of an edge by its attribute 'graph', "
    "and keep nested graphs in files of their own"
)


def _graphml(graph: str, default: str = "directed", keys: str = KEYS, after: str = "") -> str:
    """A GraphML file with these elements within its graph, and some after it."""
    xmlns = "http://graphml.graphdrawing.org/xmlns"
    within = f'<graph edgedefault="{default}">{graph}</graph>'
    return f'<graphml xmlns="{xmlns}">{keys}{within}{after}</graphml>'


@pytest.mark.parametrize(("default", "ways"), [("directed", 1), ("undirected", 2)])
def test_an_edge_of_graphml_may_differ_from_the_others_in_direction(tmp_path, default, ways):
    edges = '<edge source="a" target="b"/><edge source="b" target="c" directed="{}"/>'
    path = tmp_path / "c.graphml"
    for said in ("true", "false"):
        path.write_text(_graphml(A_B + '<node id="c"/>' + edges.format(said), default))
        expected = [("a", "b"), ("b", "a")][:ways] + [("b", "c"), ("c", "b")][
            : 1 + (said == "false")
        ]
        assert read_couplings(path) == Couplings(list("abc"), state=expected)


def test_defaults_of_graphml_attributes_hold(tmp_path):
    keys = '<key id="g" for="edge" attr.name="graph"><default>reward</default></key>'
    own = '<edge source="b" target="a"><data key="g">observation</data></edge>'
    path = tmp_path / "c.graphml"
    path.write_text(_graphml(A_B + '<edge source="a" target="b"/>' + own, keys=keys))
    assert read_couplings(path) == Couplings(
        ["a", "b"], reward=[("a", "b")], observation=[("b", "a")]
    )


def test_parallel_edges_of_graphml_are_all_read(tmp_path):
    edge = '<edge id="0" source="a" target="b"/>'  # networkx counts from 0 for every two nodes
    other = f'<edge id="0" source="a" target="b">{REWARD}</edge>'
    path = tmp_path / "c.graphml"
    path.write_text(_graphml(A_B + edge + other))
    assert read_couplings(path) == Couplings(["a", "b"], state=[("a", "b")], reward=[("a", "b")])


HEADER = (
    "an edge list opens with the line 'source,target' or 'source,target,graph' "
    "(and x and y, for positions)"
)
LOCAL = '"observation": [], "reward": []'
MISTAKES = {
    "c.json": [
        (
            "{",
            ": not valid JSON at line 1, column 2: Expecting property name enclosed in "
            "double quotes",
        ),
        ("", ": not valid JSON at line 1, column 1: Expecting value"),
        ("[" * 100_000, None),
        ("[]", ": couplings must be an object with the keys agents, state, observation, reward"),
        (
            '{"agents": 2}',
            ": the key 'state' is missing (an empty list says that no edges are there)",
        ),
        (
            f'{{"state": [], {LOCAL}}}',
            ": the key 'agents' is missing (an empty list says that no edges are there)",
        ),
        (
            f'{{"agents": 2, "states": [], {LOCAL}}}',
            ": unknown key 'states'; did you mean 'state'? "
            "(known: agents, state, observation, reward, action, reward_action, positions, "
            "kinds)",
        ),
        (
            f'{{"agents": 2, "state": [], "state": [], {LOCAL}}}',
            ": the key 'state' stands there twice; leave one of them",
        ),
        (
            f'{{"agents": ["a", "b"], "state": [["a", "c"]], {LOCAL}}}',
            ": the edge a -> c of the state graph names an unknown agent 'c' (known: a, b)",
        ),
        (
            f'{{"agents": ["a"], "state": null, {LOCAL}}}',
            ": the state graph must be a list of pairs (source, target), a networkx "
            "graph or a matrix, got NoneType",
        ),
        (
            f'{{"agents": ["a"], "state": [["a", ["a"]]], {LOCAL}}}',
            ": the edge a -> ['a'] of the state graph names an unknown agent '['a']' (known: a)",
        ),
        (
            f'{{"agents": ["2", "0"], "state": [[0, 1]], {LOCAL}}}',
            ": the integer 0 in an edge could be an index or the name of an agent, since agent "
            "number 0 is named '2'; write the ends of edges as text, exactly like the names",
        ),
        ('{"agents": ' + "9" * 5000 + "}", None),
        (f'{{"agents": null, "state": [], {LOCAL}}}', None),
        (f'{{"agents": {{"a": 1}}, "state": [], {LOCAL}}}', None),
        (f'{{"agents": [["a"]], "state": [], {LOCAL}}}', None),
        (f'{{"agents": [NaN], "state": [], {LOCAL}}}', None),
    ],
    "c.csv": [
        ("", f", line 1: {HEADER}"),
        ("a,b\n", None),
        ("source\na\n", f", line 1: {HEADER}"),
        ("source,target,source\n", f", line 1: {HEADER}"),
        (
            "source,target,graf\n",
            ", line 1: unknown column 'graf'; did you mean 'graph'? "
            "(known: source, target, graph, x, y)",
        ),
        ("source,target\n", ": there are no agents in this file"),
        ("source,target\na,b\na\n", ", line 3: 1 columns, expected 2 (source,target)"),
        ("source,target\na,\n", ", line 2: the target is empty"),
        ("source,target\n,a\n", ", line 2: the source is empty"),
        (
            'source,target\na,"b\nc,d\n',
            ", line 3: not valid CSV (unexpected end of data)",
        ),
        (
            "source,target,graph\na,b,state\na,b,rewards\n",
            ", line 3: unknown graph 'rewards'; did you mean 'reward'? "
            "(known: state, observation, reward, action, reward_action)",
        ),
    ],
    "c.graphml": [
        ("", None),
        ("<graphml>", None),
        ("<html></html>", ": not valid GraphML (it opens with <html>, not <graphml>)"),
        (_graphml(""), ": there are no agents in this file"),
        (
            _graphml(A_B, after=f'<graph edgedefault="directed">{A_B}</graph>'),
            f": the file holds 2 graphs{ONE_GRAPH}",
        ),
        (
            _graphml(f'<node id="c"><graph edgedefault="directed">{A_B}</graph></node>'),
            f": the file holds 2 graphs{ONE_GRAPH}",
        ),
        ("<graphml/>", f": the file holds 0 graphs{ONE_GRAPH}"),
        (
            _graphml(A_B + '<edge source="a" target="zz"/>'),
            ": the edge a -> zz ends at 'zz', which is not declared as a node; "
            'add <node id="zz"/> or correct the edge',
        ),
        (_graphml(A_B + '<node id="a"/>'), ": two nodes have the id 'a'; ids must differ"),
        (_graphml(A_B + "<node/>"), ": a <node> has no id"),
        (_graphml(A_B + '<edge source="a"/>'), ": a <edge> has no target"),
        (
            _graphml(A_B + '<hyperedge><endpoint node="a"/><endpoint node="b"/></hyperedge>'),
            ": a <hyperedge> within a <graph> is not read as couplings; "
            "write nodes and edges between two nodes",
        ),
        (
            _graphml(A_B + '<edge source="a" target="b"/>', default="Directed"),
            ": whether the edge a -> b has a direction is not clear from edgedefault='Directed', "
            "expected directed or undirected",
        ),
        (
            _graphml(A_B + '<edge source="a" target="b" directed="yes"/>'),
            ": whether the edge a -> b has a direction is not clear from directed='yes', "
            "expected true or false",
        ),
        (
            _graphml(A_B + '<edge source="a" target="b"><data key="x">reward</data></edge>'),
            ": the key 'x' is not declared",
        ),
        (
            _graphml(A_B + '<edge source="a" target="b" graph="reward"/>'),
            ": a <edge> has the XML attribute 'graph'; write 'graph' as <data> with a "
            "declared <key>",
        ),
        (
            _graphml(A_B + f'<edge source="a" target="b">{2 * REWARD}</edge>'),
            ": a <edge> has the attribute 'graph' twice (several graphs of an edge are "
            "joined by +)",
        ),
        (
            _graphml(A_B + '<node id="c"><data key="n">pump</data></node>'),
            ": node 'a' has no attribute 'name' while others have one; name all nodes or none",
        ),
        (
            _graphml(
                '<node id="a"><data key="n">x</data></node><node id="b"><data '
                'key="n">x</data></node>'
            ),
            ": two agents are named 'x'; names must differ",
        ),
    ],
    "c.xml": [
        (
            "",
            ": couplings are read from files that end in .json, .csv, .graphml, "
            ".net.xml, .inp, .rddl",
        )
    ],
}


@pytest.mark.parametrize(
    ("name", "place"), [(name, i) for name, all_of in MISTAKES.items() for i in range(len(all_of))]
)
def test_mistakes_name_the_file_and_the_place(tmp_path, name, place):
    text, message = MISTAKES[name][place]
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(UserError) as error:
        read_couplings(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)
    assert message is None or str(error.value) == f"{path}{message}"


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(UserError, match="there is no such file"):
        read_couplings(tmp_path / "c.json")
    (tmp_path / "d.json").mkdir()
    with pytest.raises(UserError, match="cannot be read"):
        read_couplings(tmp_path / "d.json")
    (tmp_path / "e.csv").write_bytes(b"source,target\n\xff,b\n")
    with pytest.raises(UserError, match=r"this is not text in UTF-8 \(byte 14\)"):
        read_couplings(tmp_path / "e.csv")


NAMED = '<key id="n" for="node" attr.name="name"/>'


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (
            "n.csv",
            "source,target\na,b\n",
            "an agent is a name in column 'source' or 'target'; an edge says that its source "
            "affects its target; it is of the state graph",
        ),
        (
            "n.csv",
            "source,target,graph\na,b,reward\n",
            "an agent is a name in column 'source' or 'target'; an edge says that its source "
            "affects its target; it is of the graph in its column 'graph', else of the state graph",
        ),
        (
            "n.graphml",
            '<graphml><graph edgedefault="undirected"><node id="a"/><node id="b"/>'
            '<edge source="a" target="b"/></graph></graphml>',
            "an agent is a node, by its id; an edge says that its source affects its target; it is "
            "of the state graph; one without a direction counts both ways",
        ),
        (
            "n.graphml",
            f'<graphml>{NAMED}<graph edgedefault="directed"><node id="a"><data key="n">one</data>'
            "</node></graph></graphml>",
            "an agent is a node, by its attribute 'name'; an edge says that its source affects its "
            "target; it is of the state graph",
        ),
    ],
)
def test_a_list_of_edges_is_told_in_one_line_and_couplings_in_json_in_none(
    tmp_path, capsys, name, text, said
):
    (tmp_path / name).write_text(text)
    couplings = read_couplings(tmp_path / name)
    assert capsys.readouterr() == ("", f"{tmp_path / name}: {said}\n")
    (tmp_path / "same.json").write_text(json.dumps(couplings.to_dict()))
    assert read_couplings(tmp_path / "same.json").edges("state") == couplings.edges("state")
    assert capsys.readouterr() == ("", "")
