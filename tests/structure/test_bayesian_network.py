"""The network against its definition, and explanations against shortest paths through it."""

import hypothesis.strategies as st
import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings

from mastac.errors import UserError
from mastac.structure import (
    Couplings,
    CouplingSequence,
    bayesian_network,
    chain,
    explain,
    explanations,
    folded_network,
    ring,
    value_dependency,
)
from structure.witnesses import sequences, systems, unrolled


@given(systems() | sequences(), st.integers(0, 3))
@settings(max_examples=60)
def test_the_network_is_its_definition(couplings, horizon):
    if isinstance(couplings, CouplingSequence):
        horizon = couplings.horizon
        assert nx.utils.graphs_equal(
            bayesian_network(couplings), bayesian_network(couplings, horizon)
        )
    network = bayesian_network(couplings, horizon)
    names = {
        (kind, i, time): (kind, couplings.agents[i], time)
        for kind, i, time in unrolled(couplings, 0, horizon).nodes
    }
    assert nx.utils.graphs_equal(network, nx.relabel_nodes(unrolled(couplings, 0, horizon), names))
    assert len(network) == 3 * couplings.num_agents * (horizon + 1)
    assert nx.is_directed_acyclic_graph(network)


@given(systems(5), st.integers(0, 3))
@settings(max_examples=60)
def test_traversals_of_the_folded_network_are_one_less_than_kappa(couplings, traversals):
    network = folded_network(couplings)
    back = {(("s", agent, 1), ("s", agent, 0)) for agent in couplings.agents}
    weights = {edge: int(edge in back) for edge in network.edges}
    nx.set_edge_attributes(network, weights, "traversals")
    paper = value_dependency(couplings, traversals + 1, minimal=False)
    turned = network.reverse()
    for agent in couplings.agents:
        counts = nx.single_source_dijkstra_path_length(
            turned, ("z", agent, 1), traversals, "traversals"
        )
        members = {name for kind, name, time in counts if kind in "sa" and time == 0}
        assert members == set(paper.members(agent))


@given(systems(5) | sequences(), st.data(), st.booleans())
@settings(max_examples=120)
def test_explanations_are_shortest_paths(couplings, data, minimal):
    last = couplings.horizon if isinstance(couplings, CouplingSequence) else 4
    at = data.draw(st.integers(0, last)) if isinstance(couplings, CouplingSequence) else 0
    kappa = data.draw(st.integers(0, last - at))
    d = value_dependency(couplings, kappa, at, minimal)
    network = bayesian_network(couplings, last)
    if minimal:  # the actions at `at` are held fixed, whatever the policies see
        network.remove_edges_from(
            [edge for edge in network.edges if edge[1][0] == "a" and edge[1][2] == at]
        )
    for agent in couplings.agents:
        found = explanations(couplings, agent, kappa, minimal, at)
        assert set(found) == set(d.members(agent))
        for other, why in found.items():
            assert why == explain(couplings, agent, other, kappa, minimal, at)
            assert why.nodes[0][1:] == (other, at) and why.nodes[-1] == ("z", agent, at + why.kappa)
            assert all(
                network.has_edge(*edge) for edge in zip(why.nodes[:-1], why.nodes[1:], strict=True)
            )
            assert len(why.nodes) - 1 == _fewest_edges(network, other, agent, at, at + why.kappa)
            for earlier in range(at, at + why.kappa):
                assert _fewest_edges(network, other, agent, at, earlier) == np.inf


def _fewest_edges(network, other, agent, at, reward_time):
    lengths = nx.single_target_shortest_path_length(network, ("z", agent, reward_time))
    lengths = dict(lengths)
    return min(lengths.get((kind, other, at), np.inf) for kind in "sa")


@given(systems(6), st.booleans())
@settings(max_examples=40)
def test_exact_explanations_cover_the_exact_set(couplings, minimal):
    d = value_dependency(couplings, minimal=minimal)
    for agent in couplings.agents:
        assert set(explanations(couplings, agent, minimal=minimal)) == set(d.members(agent))


def test_words():
    house = Couplings(
        ["hall", "den"],
        state=[("hall", "den")],
        observation=[("hall", "den")],
        reward=[("den", "hall")],
    )
    assert (
        str(explain(house, "den", "hall"))
        == "state of hall at t -> state of den at t+1 -> reward of den at t+1"
    )
    assert str(explain(house, "den", "hall", kappa=0, minimal=False)) == (
        "state of hall at t -> action of den at t -> reward of den at t"
    )
    assert explain(house, "den", "hall", kappa=0) is None
    assert str(explain(house, "hall", "den")) == "state of den at t -> reward of hall at t"
    assert explain(ring(40), 3, 0, kappa=1) is None
    sequence = CouplingSequence([chain(2), Couplings(2)])
    assert (
        str(explain(sequence, 0, 1))
        == "state of agent-1 at t -> state of agent-0 at t+1 -> reward of agent-0 at t+1"
    )
    assert explain(sequence, 0, 1, at=1) is None


def test_an_action_may_begin_the_path():
    lever = Couplings(["hand", "door"], action=[("hand", "door")])
    assert str(explain(lever, "door", "hand", kappa=1)) == (
        "action of hand at t -> state of door at t+1 -> reward of door at t+1"
    )


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (
            lambda: bayesian_network(ring(3)),
            "the unrolled network of couplings that stay the same needs a horizon",
        ),
        (
            lambda: bayesian_network(ring(3), -1),
            "horizon must be a whole number, at least 0; got -1",
        ),
        (
            lambda: bayesian_network(CouplingSequence([ring(3)]), 1),
            "horizon = 1 is past the end of the coupling sequence, 0",
        ),
        (
            lambda: folded_network(CouplingSequence([ring(3)])),  # pyright: ignore[reportArgumentType]
            "only couplings that stay the same can be folded; use bayesian_network for a sequence",
        ),
        (
            lambda: explain(CouplingSequence([ring(3)]), 0, 1, at=1),
            "at = 1 is past the end of the coupling sequence, whose last time is 0",
        ),
        (
            lambda: explain(ring(3), 0, 1, kappa=-1),
            "kappa must be a whole number, at least 0; got -1",
        ),
        (
            lambda: explain(ring(3), "agnt-1", 1),
            "unknown agent 'agnt-1'; did you mean 'agent-1'? (known: agent-0, agent-1, agent-2)",
        ),
    ],
)
def test_mistakes(ask, message):
    with pytest.raises(UserError) as error:
        ask()
    assert str(error.value) == message
