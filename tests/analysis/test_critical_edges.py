"""The effect of every edge, against sets computed again without it."""

from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from mastac.analysis.critical_edges import edge_effects, link_effects, without_edge
from mastac.errors import UserError
from mastac.structure import Couplings, CouplingSequence, chain, grid, ring, value_dependency
from mastac.structure.couplings import GRAPHS
from structure.witnesses import systems

GIVEN_BY = {"action": "state", "reward_action": "reward"}


def by_brute_force(couplings: Couplings, kappa: int | None) -> dict[tuple[str, str, str], int]:
    """Every edge on its own, taken out of dense matrices."""
    total = value_dependency(couplings, kappa).agents.nnz
    found = {}
    for graph in couplings.graphs():
        for source, target in couplings.edges(graph):
            matrices = {name: getattr(couplings, name).toarray().T for name in GRAPHS}
            for name in GRAPHS:
                if name == graph or (
                    GIVEN_BY.get(name) == graph and name not in couplings.graphs()
                ):
                    matrices[name][couplings.index(source), couplings.index(target)] = False
            left = Couplings(couplings.agents, **matrices)
            lost = total - value_dependency(left, kappa).agents.nnz
            if lost:
                found[graph, source, target] = lost
    return found


@given(systems(5), st.none() | st.integers(0, 4))
@settings(max_examples=50)
def test_effects_are_those_of_sets_computed_again(couplings, kappa):
    found = edge_effects(couplings, kappa)
    assert {(e.graphs[0], e.source, e.target): e.decrease for e in found.effects} == by_brute_force(
        couplings, kappa
    )
    assert found.total == value_dependency(couplings, kappa).agents.nnz
    assert found.edges == sum(len(couplings.edges(graph)) for graph in couplings.graphs())
    assert found.sampled is None and all(each.error == 0 for each in found.effects)
    decreases = [each.decrease for each in found.effects]
    assert decreases == sorted(decreases, reverse=True)


@given(systems(5), st.none() | st.integers(0, 3))
@settings(max_examples=30)
def test_links_are_their_edges_one_after_the_other(couplings, kappa):
    found = link_effects(couplings, kappa)
    pairs = [pair for graph in couplings.graphs() for pair in couplings.edges(graph)]
    links = {pair for pair in pairs if pairs.count(pair) > 1}
    assert found.edges == len(links) and found.sampled is None
    effects = {(each.source, each.target): each.decrease for each in found.effects}
    for source, target in links:
        left = couplings
        for graph in GRAPHS:
            if (source, target) in left.edges(graph):
                left = without_edge(left, graph, source, target)
        assert (
            effects.get((source, target), 0)
            == found.total - value_dependency(left, kappa).agents.nnz
        )
    some = link_effects(couplings, kappa, work=1)
    assert len(some.effects) <= 1 and some.sampled == (1 if len(links) > 1 else None)


@pytest.mark.parametrize("kappa", [None, 2])
def test_larger_networks(kappa):
    random = np.random.default_rng(3)
    pairs = [tuple(pair) for pair in random.integers(0, 25, (40, 2)).tolist()]
    seen = [tuple(pair) for pair in random.integers(0, 25, (12, 2)).tolist()]
    couplings = Couplings(25, state=pairs, observation=seen, action=pairs[:20])
    found = edge_effects(couplings, kappa)
    assert {(e.graphs[0], e.source, e.target): e.decrease for e in found.effects} == by_brute_force(
        couplings, kappa
    )


@given(systems(5), st.data())
@settings(max_examples=30)
def test_an_edge_less_is_that_edge_less(couplings, data):
    edges = [(graph, *pair) for graph in couplings.graphs() for pair in couplings.edges(graph)]
    if not edges:
        return
    graph, source, target = data.draw(st.sampled_from(edges))
    left = without_edge(couplings, graph, source, target)
    for name in GRAPHS:
        same = name == graph or (GIVEN_BY.get(name) == graph and name not in couplings.graphs())
        assert left.edges(name) == [
            e for e in couplings.edges(name) if not (same and e == (source, target))
        ]


def test_a_sample_of_agents_is_an_estimate_and_says_so():
    couplings = Couplings(60, state=[(i, i + 1) for i in range(59)])
    complete = edge_effects(couplings)
    sample = edge_effects(couplings, work=4000)
    assert sample.sampled is not None and 2 <= sample.sampled < 60
    exact = {(each.source, each.target): each.decrease for each in complete.effects}
    # The first are counted exactly, the others estimated.
    assert all(
        each.decrease == exact[each.source, each.target] and each.error == 0
        for each in sample.effects[:10]
    )
    assert any(each.error > 0 for each in sample.effects[10:])
    assert sample.total == complete.total == 60 * 61 / 2
    plain = edge_effects(couplings, work=4000, most=0)
    far = [
        abs(each.decrease - exact[each.source, each.target]) > 4 * each.error
        for each in plain.effects
    ]
    assert np.mean(far) < 0.2


def test_what_it_says():
    two_rooms = Couplings(
        ["hall", "den", "loft"], state=[("hall", "den"), ("den", "loft")], action=[]
    )
    found = edge_effects(two_rooms).to_dict()
    assert found["edges"] == 2 and found["sampled"] is None and found["total"] == 6
    assert found["most"][0] == {
        "graphs": ("state",),
        "source": "hall",
        "target": "den",
        "decrease": 2.0,
        "error": 0.0,
        "share": 2 / 6,
    }
    assert edge_effects(Couplings(["a", "b"], state=[("a", "b")])).effects[0].graphs == (
        "state",
        "action",
    )
    assert edge_effects(ring(5)).effects == ()
    assert edge_effects(grid(3, 3), kappa=1).effects != ()


def test_mistakes():
    sequence: Any = CouplingSequence([ring(3)])
    with pytest.raises(UserError, match=r"for couplings that stay the same, not for a sequence"):
        edge_effects(sequence)
    with pytest.raises(
        UserError, match=r"the sets of 'agent-\d+' alone take more than the 10 edges"
    ):
        edge_effects(chain(40), work=10)
    with pytest.raises(
        UserError, match=r"the state graph has no edge 'agent-0' -> 'agent-2' to remove"
    ):
        without_edge(chain(3), "state", 0, 2)
    with pytest.raises(UserError, match="kappa must be a whole number, at least 0; got -1"):
        edge_effects(chain(3), kappa=-1)
