"""Exact sets held as components: right, computed on demand, refused where too large."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from scipy.sparse import csr_array

import mastac.structure.closure as closures
from mastac.errors import UserError
from mastac.structure import (
    Couplings,
    aggregate_dependency,
    components,
    estimate,
    gradient_dependency,
    ring,
    value_dependency,
)
from mastac.structure import memory_limits as memory
from mastac.structure.components import ExactSets
from mastac.structure.windows import sets_by_search
from structure.witnesses import ancestor_sets, systems


@given(systems(6))
@settings(max_examples=80)
def test_one_agent_at_a_time_is_the_brute_force(couplings):
    expected = ancestor_sets(couplings, 0, couplings.num_agents + 1)
    d = value_dependency(couplings)
    for agent in range(couplings.num_agents):
        assert d.members(agent) == tuple(
            couplings.agents[j] for j in np.flatnonzero(expected[agent])
        )
    assert "states" not in d.__dict__  # no matrix was written for it
    assert np.array_equal(d.sizes(), expected.sum(axis=1))
    assert np.array_equal(d.moved_sizes(), expected.sum(axis=0))
    assert estimate(couplings).entries == expected.sum()
    assert np.array_equal(d.states.toarray(), expected)


@given(systems(8))
@settings(max_examples=60)
def test_components_are_the_search_without_end(couplings):
    d = value_dependency(couplings)
    for minimal in (True, False):
        states, actions = sets_by_search(couplings, minimal, None)
        assert np.array_equal(d.states.toarray(), states.toarray())
        assert np.array_equal(d.actions.toarray(), actions.toarray())


@given(systems(8), st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_sums_of_weights_are_products_with_the_matrix(couplings, seed):
    states, actions = np.random.default_rng(seed).integers(0, 5, (2, couplings.num_agents))
    d = value_dependency(couplings)
    assert np.array_equal(d.input_sizes(states, actions), d.states @ states + d.actions @ actions)


@given(systems(8), st.sampled_from([1, 2, 16]))
@settings(max_examples=60)
def test_the_graph_of_components_has_no_cycle_and_its_closure_is_closed(couplings, wide):
    sets = ExactSets(couplings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(closures, "WIDE", wide)
        closure = sets.below.closure.toarray().astype(int)
    below = sets.below.below.toarray()
    steps = np.linalg.matrix_power(below.astype(int) + np.eye(sets.number, dtype=int), sets.number)
    assert np.array_equal(closure > 0, steps > 0)
    assert closure.diagonal().all()
    assert np.array_equal(closure @ closure > 0, closure > 0)
    assert not (below & (closure.T > 0)).any()


def test_estimates_from_a_sample_are_near_and_repeat(monkeypatch):
    monkeypatch.setattr(components, "COUNTED", 10)
    monkeypatch.setattr(closures, "SAMPLE", 200)
    row = Couplings(
        1200,
        state=csr_array((np.ones(1199), (np.arange(1199), np.arange(1, 1200))), shape=(1200, 1200)),
    )
    expected = estimate(row)
    exact = 1200 * 1201 / 2
    assert expected.agents == 200 and 0 < expected.error < 0.05 * exact
    assert abs(expected.entries - exact) < 5 * expected.error
    assert estimate(row) == expected
    assert value_dependency(row).sizes().sum() == exact


def test_sets_that_no_memory_holds_are_refused_but_answered_one_by_one(monkeypatch):
    monkeypatch.setattr(memory, "MEMORY", 10**9)
    d = value_dependency(ring(100_000))
    for ask in (
        lambda: d.states,
        lambda: d.agents,
        lambda: gradient_dependency(d),
        lambda: aggregate_dependency(d),
    ):
        with pytest.raises(UserError) as error:
            ask()
        assert str(error.value) == (
            "the exact sets of these 100000 agents have 10000000000 entries, 90 GB; at "
            "most 1 GB are held here; "
            "give a kappa, or ask for one agent with members(agent)"
        )
    assert len(d.members("agent-7")) == 100_000
    assert set(d.sizes()) == {100_000}
    assert repr(d).endswith("sets of 100000 agents in 1 components, the largest of 100000)")


def test_sizes_that_would_need_too_much_are_refused_too(monkeypatch):
    monkeypatch.setattr(memory, "MEMORY", 10**6)
    monkeypatch.setattr(components, "COUNTED", 10)
    row = csr_array((np.ones(4999), (np.arange(4999), np.arange(1, 5000))), shape=(5000, 5000))
    with pytest.raises(
        UserError,
        match=r"components that have about .* entries, 6[0-9.]* MB; at most 1 MB are held here",
    ):
        value_dependency(Couplings(5000, state=row)).sizes()
    assert len(value_dependency(Couplings(5000, state=row)).members(41)) == 42
