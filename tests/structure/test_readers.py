"""Couplings from files, and what is said of files that are wrong."""

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


HEADER = "an edge list opens with the line 'source,target' or 'source,target,graph'"
LOCAL = '"observation": [], "reward": []'
MISTAKES = {
    "c.json": [
        (
            "{",
            ": not valid JSON at line 1, column 2: Expecting property name enclosed in double quotes",
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
            "(known: agents, state, observation, reward, action, reward_action)",
        ),
        (
            f'{{"agents": 2, "state": [], "state": [], {LOCAL}}}',
            ": the key 'state' stands there twice",
        ),
        (
            f'{{"agents": ["a", "b"], "state": [["a", "c"]], {LOCAL}}}',
            ": the edge a -> c of the state graph names an unknown agent 'c' (known: a, b)",
        ),
        (
            f'{{"agents": ["a"], "state": null, {LOCAL}}}',
            ": the state graph must be a list of pairs (source, target), a networkx graph or a matrix, got NoneType",
        ),
        (
            f'{{"agents": ["a"], "state": [["a", ["a"]]], {LOCAL}}}',
            ": the edge a -> ['a'] of the state graph names an unknown agent '['a']' (known: a)",
        ),
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
            ", line 1: unknown column 'graf'; did you mean 'graph'? (known: source, target, graph)",
        ),
        ("source,target\n", ": there are no agents in this file"),
        ("source,target\na,b\na\n", ", line 3: 1 columns, expected 2 (source,target)"),
        ("source,target\na,\n", ", line 2: the target is empty"),
        ("source,target\n,a\n", ", line 2: the source is empty"),
        (
            "source,target,graph\na,b,state\na,b,rewards\n",
            ", line 3: unknown graph 'rewards'; did you mean 'reward'? "
            "(known: state, observation, reward, action, reward_action)",
        ),
    ],
    "c.graphml": [
        ("", None),
        ("<graphml>", None),
        ("<html></html>", None),
        (
            '<graphml xmlns="http://graphml.graphdrawing.org/xmlns"><graph edgedefault="directed"/></graphml>',
            None,
        ),
    ],
    "c.xml": [("", ": couplings are read from files that end in .json, .csv, .graphml")],
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
