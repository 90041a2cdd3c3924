"""Couplings from every form of edges, their checks, and the way to dictionaries and back."""

import copy
import json
import pickle
from typing import Any

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings

from mastac.errors import UserError
from mastac.structure import (
    Couplings,
    CouplingSequence,
    chain,
    grid,
    ring,
    star,
    uncoupled,
    with_failures,
)
from structure.witnesses import GRAPHS, systems

NAMES = ["north", "south", "west"]
EDGES = [("north", "south"), ("south", "west")]
DIGRAPH = nx.DiGraph(EDGES)  # kept: from networkx 3.7 on, an edge view does not keep its graph
EXPECTED = [[1, 0, 0], [1, 1, 0], [0, 1, 1]]
MATRIX = np.array([[0, 1, 0], [0, 0, 1], [0, 0, 0]])

FORMS: dict[str, Any] = {
    "pairs of names": EDGES,
    "pairs of rows": [(0, 1), (1, 2)],
    "mixed pairs": [["north", 1], (np.int64(1), "west")],
    "generator": lambda: ((s, t) for s, t in EDGES),
    "set": set(EDGES),
    "digraph of names": nx.DiGraph(EDGES),
    "digraph of rows": nx.DiGraph([(0, 1), (1, 2)]),
    "multigraph": nx.MultiDiGraph([*EDGES, EDGES[0]]),
    "edge view": DIGRAPH.edges,
    "integers": MATRIX,
    "bools": MATRIX.astype(bool),
    "floats": MATRIX.astype(float),
    "with diagonal": MATRIX + np.eye(3, dtype=int),
    "csr": sp.csr_array(MATRIX),
    "coo matrix": sp.coo_matrix(MATRIX),
    "stored zeros": sp.csr_array(([1, 0, 1], ([0, 2, 1], [1, 0, 2])), shape=(3, 3)),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("graph", GRAPHS)
def test_every_form_of_edges_for_every_graph(form, graph):
    edges = FORMS[form]() if callable(FORMS[form]) else FORMS[form]
    couplings = Couplings(NAMES, **{graph: edges})
    matrix = getattr(couplings, graph)
    assert matrix.format == "csr" and matrix.dtype == bool
    assert matrix.toarray().astype(int).tolist() == EXPECTED
    default = {"state": "action", "reward": "reward_action"}.get(graph)
    for other in set(GRAPHS) - {graph, default}:
        assert np.array_equal(getattr(couplings, other).toarray(), np.eye(3, dtype=bool))
    if default:
        assert getattr(couplings, default) is matrix


def test_undirected_graphs_count_both_ways():
    couplings = Couplings(NAMES, observation=nx.Graph(EDGES))
    assert couplings.observation.toarray().astype(int).tolist() == [[1, 1, 0], [1, 1, 1], [0, 1, 1]]


def test_agents_named_by_number_are_meant_by_edges():
    couplings = Couplings([1, 2, 3], state=[(1, 2)])
    assert couplings.agents == ("1", "2", "3")
    assert couplings.edges("state") == [("1", "2")]


def _in_order(*nodes: Any) -> nx.DiGraph:
    """A directed graph with nodes in this order, and an edge from the first to the second."""
    network = nx.DiGraph()
    network.add_nodes_from(nodes)
    network.add_edge(nodes[0], nodes[1])
    return network


@pytest.mark.parametrize(
    ("agents", "edge"),
    [
        (3, ("agent-2", "agent-0")),
        ([0, 1, 2], ("2", "0")),
        ([2, 0, 1], ("2", "0")),
        (["0", "1", "2"], ("2", "0")),
    ],
)
def test_integer_nodes_mean_one_agent_or_none(agents, edge):
    """An integer is the index, or the name where agents are named by integers."""
    network = _in_order(2, 0, 1)
    for edges in (network, network.edges, list(network.edges)):
        assert Couplings(agents, state=edges).edges("state") == [edge]


INTEGER = "the integer 2 in an edge could be an index or the name of an agent, since "
TEXT = "; write the ends of edges as text, exactly like the names"
SHUFFLED = _in_order(0, 2, 1)
RELABEL = "; name the nodes as the agents (networkx.relabel_nodes)"
AMBIGUOUS: dict[str, Any] = {
    "names made of nodes": (
        lambda: Couplings([str(n) for n in _in_order(2, 0, 1)], state=_in_order(2, 0, 1)),
        f"{INTEGER}agent number 0 is named '2'{TEXT}",
    ),
    "pairs beside numerals": (
        lambda: Couplings(["2", "0", "1"], state=[(2, 0)]),
        f"{INTEGER}agent number 0 is named '2'{TEXT}",
    ),
    "failures beside numerals": (
        lambda: with_failures(Couplings(["2", "0", "1"], state=[("2", "0")]), 3, [(2, 0, 0, 1)]),
        f"{INTEGER}agent number 0 is named '2'{TEXT}",
    ),
    "other names": (
        lambda: Couplings(["room-2", "room-0", "room-1"], reward=_in_order(2, 0, 1)),
        "node 2 of the reward graph is number 0 in the order of its nodes, so it could be agent "
        f"'room-1' (by index) or 'room-2' (by order){RELABEL}",
    ),
    "edge view": (
        lambda: Couplings(NAMES, state=SHUFFLED.edges),
        "node 2 of the state graph is number 1 in the order of its nodes, so it could be agent "
        f"'west' (by index) or 'south' (by order){RELABEL}",
    ),
    "one agent twice": (
        lambda: Couplings(NAMES, state=_in_order(0, "north")),
        "the nodes 0 and 'north' of the state graph are the same agent; give every agent one node",
    ),
    "null": (
        lambda: Couplings.from_dict(
            {"agents": 2, "state": [], "observation": [], "reward": [], "action": None}
        ),
        "couplings: the action graph is null; leave the key out where it is as the state graph, or "
        "give an empty list",
    ),
}


@pytest.mark.parametrize("case", AMBIGUOUS)
def test_what_could_mean_two_things_is_refused(case):
    build, message = AMBIGUOUS[case]
    with pytest.raises(UserError) as error:
        build()
    assert str(error.value) == message


def test_failures_name_agents_as_edges_do():
    couplings = Couplings([2, 0, 1], state=[(2, 0)])
    assert with_failures(couplings, 1, [(2, 0, 0, 0)])[0].edges("state") == []


def test_the_edges_of_an_undirected_graph_count_both_ways():
    network = nx.path_graph(3)
    assert Couplings(3, state=network.edges) == Couplings(3, state=network)


def test_a_number_of_agents_names_them():
    assert Couplings(2).agents == ("agent-0", "agent-1")
    assert Couplings(np.int64(2)).num_agents == 2  # pyright: ignore[reportArgumentType]
    assert Couplings(["b", "a"]).index("a") == 1 == Couplings(["b", "a"]).index(1)


def _anything(value: Any) -> Any:
    """A value whose type the type checker does not hold against the test."""
    return value


MISTAKES: dict[str, Any] = {
    "no agents": (lambda: Couplings(0), "there must be at least one agent, got agents=0"),
    "a slip": (
        lambda: Couplings(10**9),
        "there can be at most 10000000 agents, got agents=1000000000",
    ),
    "empty list": (lambda: Couplings([]), "there must be at least one agent, got an empty list"),
    "not a list": (
        lambda: Couplings("ab"),
        "agents must be a number of agents or a list of names, got 'ab'",
    ),
    "bool": (
        lambda: Couplings(True),
        "agents must be a number of agents or a list of names, got True",
    ),
    "mapping of agents": (
        lambda: Couplings({"a": 1}),
        "agents must be a number of agents or a list of names, got {'a': 1}",
    ),
    "object": (
        lambda: Couplings(_anything(object)),
        "agents must be a number of agents or a list of names, got <class 'object'>",
    ),
    "empty name": (
        lambda: Couplings(["a", " "]),
        "agent number 1 is named ' '; a name must be text that is not empty",
    ),
    "no text": (
        lambda: Couplings([None]),
        "agent number 0 is named None; a name must be text that is not empty",
    ),
    "twice": (lambda: Couplings(["a", "b", "a"]), "two agents are named 'a'; names must differ"),
    "twice as text": (lambda: Couplings([1, "1"]), "two agents are named '1'; names must differ"),
    "unknown target": (
        lambda: Couplings(NAMES, state=[("north", "sout")]),
        "the edge north -> sout of the state graph names an unknown agent 'sout'; did "
        "you mean 'south'?",
    ),
    "unknown source": (
        lambda: Couplings(NAMES, reward_action=[("x9", "north")]),
        "the edge x9 -> north of the reward_action graph names an unknown agent 'x9' "
        "(known: north, south, west)",
    ),
    "unknown row": (
        lambda: Couplings(NAMES, observation=[(0, 3)]),
        "the edge 0 -> 3 of the observation graph names an unknown agent 3; "
        "agents are numbered 0 to 2 ('north' to 'west')",
    ),
    "negative row": (
        lambda: Couplings(NAMES, observation=[(-1, 0)]),
        "the edge -1 -> 0 of the observation graph names an unknown agent -1; "
        "agents are numbered 0 to 2 ('north' to 'west')",
    ),
    "unknown node": (
        lambda: Couplings(NAMES, reward=nx.DiGraph([("north", "nort")])),
        "the reward graph has a node for an unknown agent 'nort'; did you mean 'north'?",
    ),
    "not a pair": (
        lambda: Couplings(NAMES, state=[("north", "south", 1)]),
        "the state graph holds ('north', 'south', 1), which is not a pair (source, target)",
    ),
    "text": (
        lambda: Couplings(NAMES, state=["ns"]),
        "the state graph holds 'ns', which is not a pair (source, target)",
    ),
    "mapping": (
        lambda: Couplings(NAMES, state={"north": "south"}),
        "the state graph must be a list of pairs (source, target), a networkx graph or a "
        "matrix, got dict",
    ),
    "shape": (
        lambda: Couplings(NAMES, state=np.zeros((2, 3))),
        "the matrix of the state graph has shape (2, 3), expected (3, 3) for [source, target]; "
        "pairs are given as a list of tuples",
    ),
    "weights": (
        lambda: Couplings(NAMES, action=MATRIX * 0.5),
        "the matrix of the action graph holds 0.5; entries must be 0 or 1 "
        "(`matrix != 0` takes every non-zero weight as an edge)",
    ),
    "not a number": (
        lambda: Couplings(NAMES, state=np.where(MATRIX > 0, np.nan, 0)),
        "the matrix of the state graph holds nan; entries must be 0 or 1 "
        "(`matrix != 0` takes every non-zero weight as an edge)",
    ),
    "unknown name": (lambda: ring(3).index("agent-7"), None),
    "unknown number": (
        lambda: ring(3).index(3),
        "there is no agent number 3: agents are numbered 0 to 2",
    ),
    "unknown graph": (
        lambda: ring(3).edges("states"),
        "unknown graph 'states'; did you mean 'state'? (known: state, observation, "
        "reward, action, reward_action)",
    ),
    "size": (lambda: ring(0), "the number of agents must be a whole number, at least 1; got 0"),
    "number of names": (lambda: chain(3, ["a"]), "there are 1 names for 3 agents"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_said_in_one_sentence(mistake):
    build, message = MISTAKES[mistake]
    with pytest.raises(UserError) as error:
        build()
    assert "\n" not in str(error.value)
    assert message is None or str(error.value) == message


@given(systems())
def test_to_json_and_back(couplings):
    again = Couplings.from_dict(json.loads(couplings.to_json()))
    assert again == couplings and hash(again) == hash(couplings)
    assert (again.action is again.state) == (couplings.action is couplings.state)
    for copied in (copy.deepcopy(couplings), pickle.loads(pickle.dumps(couplings))):
        assert copied == couplings and copied.index(copied.agents[-1]) == couplings.num_agents - 1


@given(systems())
@settings(max_examples=30)
def test_matrices_are_transposed_in(couplings):
    matrices = {graph: getattr(couplings, graph).toarray().T for graph in GRAPHS}
    assert Couplings(couplings.agents, **matrices) == couplings
    networks = {graph: nx.DiGraph(couplings.edges(graph)) for graph in GRAPHS}
    assert Couplings(couplings.agents, **networks) == couplings


def test_equality_needs_the_same_agents_and_graphs():
    assert ring(4) == ring(4) != chain(4)
    assert ring(4) != ring(4, list("abcd"))
    assert Couplings(2, state=[(0, 1)], action=[]) != Couplings(2, state=[(0, 1)])
    assert ring(4) != "ring"


def test_frozen_and_printable():
    couplings = Couplings(NAMES, state=EDGES, action=[])
    with pytest.raises(AttributeError):
        couplings.state = None  # pyright: ignore[reportAttributeAccessIssue]
    assert repr(couplings) == (
        "Couplings(3 agents: north, south, west; state=2 edges, observation=0 edges, "
        "reward=0 edges, action=0 edges)"
    )
    assert repr(CouplingSequence([uncoupled(1)])).startswith(
        "CouplingSequence(1 entries, t = 0 … 0; Couplings(1 agents"
    )


def test_makers():
    assert (
        ring(1).state.nnz == 1
        and ring(2).state.nnz == 4
        and ring(3)
        == grid(1, 3).__class__(3, state=nx.cycle_graph(3), observation=nx.cycle_graph(3))
    )
    assert chain(4) == grid(1, 4) == grid(4, 1)
    for couplings, network in (
        (ring(6), nx.cycle_graph(6)),
        (chain(6), nx.path_graph(6)),
        (star(6), nx.star_graph(5)),
        (grid(2, 3), nx.convert_node_labels_to_integers(nx.grid_2d_graph(2, 3))),
    ):
        assert couplings == Couplings(6, state=network, observation=network)
