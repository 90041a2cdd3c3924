"""The sets equal brute force on the unrolled network, and have the properties they should."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from mastac.errors import UserError
from mastac.structure import (
    Couplings,
    CouplingSequence,
    aggregate_dependency,
    chain,
    complete,
    gradient_dependency,
    grid,
    ring,
    star,
    uncoupled,
    value_dependency,
)
from mastac.structure.windows import smallest_kappas, smallest_kappas_by_products
from structure.witnesses import (
    ancestor_sets,
    edge_sets,
    graphs_of,
    separated_sets,
    sequences,
    systems,
)


def same(matrix, expected) -> bool:
    return bool(np.array_equal(matrix.toarray(), expected))


# Against brute force


@given(systems(), st.integers(0, 4))
@settings(max_examples=150)
def test_window_is_the_ancestors_of_its_rewards(couplings, kappa):
    d = value_dependency(couplings, kappa, minimal=False)
    expected = ancestor_sets(couplings, 0, kappa)
    assert same(d.states, expected) and same(d.actions, expected) and same(d.agents, expected)


@given(systems(5), st.integers(0, 3))
@settings(max_examples=120)
def test_minimal_window_is_what_is_not_d_separated(couplings, kappa):
    d = value_dependency(couplings, kappa)
    states, actions = separated_sets(couplings, 0, kappa)
    assert same(d.states, states)
    assert same(d.actions, actions)
    assert same(d.agents, states | actions)


@given(systems(5))
@settings(max_examples=100)
def test_exact_sets_are_those_of_a_long_network(couplings):
    size = couplings.num_agents
    assert same(
        value_dependency(couplings, minimal=False).agents, ancestor_sets(couplings, 0, size + 1)
    )


@given(systems(4))
@settings(max_examples=60)
def test_exact_minimal_sets_are_those_of_a_long_network(couplings):
    d = value_dependency(couplings)
    states, actions = separated_sets(couplings, 0, couplings.num_agents + 1)
    assert same(d.states, states)
    assert same(d.actions, actions)


@given(sequences(), st.data())
@settings(max_examples=150)
def test_sequences_against_ancestors_and_d_separation(sequence, data):
    at = data.draw(st.integers(0, sequence.horizon))
    kappa = data.draw(st.none() | st.integers(0, sequence.horizon + 1))
    last = sequence.horizon if kappa is None else min(at + kappa, sequence.horizon)
    paper = value_dependency(sequence, kappa, at, minimal=False)
    assert same(paper.agents, ancestor_sets(sequence, at, last))
    minimal = value_dependency(sequence, kappa, at)
    states, actions = separated_sets(sequence, at, last)
    assert same(minimal.states, states)
    assert same(minimal.actions, actions)


@given(sequences(largest=5, longest=5))
@settings(max_examples=80)
def test_sequences_follow_the_recursion_of_the_notes(sequence):
    for minimal in (True, False):
        later = None
        for t in range(sequence.horizon, -1, -1):
            R, O, S, A, RA = (
                getattr(sequence[t], name).toarray().astype(int)
                for name in ("reward", "observation", "state", "action", "reward_action")
            )
            direct = R if later is None else R + later @ S
            through_actions = RA if later is None else RA + later @ A
            d = value_dependency(sequence, at=t, minimal=minimal)
            now = direct + through_actions @ O
            assert same(d.states, (direct if minimal else now) > 0)
            assert same(d.actions, (through_actions if minimal else now) > 0)
            later = (now > 0).astype(int)


# Known answers


RING_40 = {
    0: (3, 1, 5),
    1: (7, 5, 13),
    2: (11, 9, 21),
    3: (15, 13, 29),
    4: (19, 17, 37),
    6: (27, 25, 40),
    8: (35, 33, 40),
    10: (40, 40, 40),
}


@pytest.mark.parametrize("kappa", RING_40)
def test_the_ring_of_40(kappa):
    window, minimal, aggregate = RING_40[kappa]
    paper = value_dependency(ring(40), kappa, minimal=False)
    assert set(np.diff(paper.agents.indptr)) == {window}
    assert set(np.diff(value_dependency(ring(40), kappa).agents.indptr)) == {minimal}
    assert set(np.diff(aggregate_dependency(paper).indptr)) == {aggregate}


def test_the_nine_warehouses():
    edges = [
        (1, 2),
        (2, 1),
        (2, 3),
        (3, 4),
        (4, 3),
        (5, 3),
        (5, 6),
        (5, 7),
        (6, 5),
        (7, 8),
        (8, 9),
        (9, 7),
    ]
    nine = Couplings(range(1, 10), state=edges, observation=edges)
    values = ["12", "12", "123456", "123456", "56", "56", "56789", "56789", "56789"]
    moved = ["1234", "1234", "34", "34", "3456789", "3456789", "789", "789", "789"]
    for minimal in (True, False):
        d = value_dependency(nine, minimal=minimal)
        assert ["".join(d.members(agent)) for agent in nine.agents] == values
        assert d.agents.nnz == 35
        gradient = gradient_dependency(d)
        assert ["".join(nine.agents[j] for j in gradient[[i]].indices) for i in range(9)] == moved
    # The exact and the kappa = 2 version coincide on this graph.
    assert same(value_dependency(nine, 2).agents, value_dependency(nine).agents.toarray())


def test_fixture_graphs():
    assert value_dependency(uncoupled(5)).agents.nnz == 5
    for couplings in (ring(7), chain(7), star(7), complete(7), grid(2, 4)):
        assert value_dependency(couplings).agents.nnz == couplings.num_agents**2
    assert np.diff(value_dependency(star(7), 1).agents.indptr).tolist() == [7] * 7
    assert np.diff(value_dependency(chain(7), 1).agents.indptr).tolist() == [3, 4, 5, 5, 5, 4, 3]
    downstream = Couplings(4, state=[(0, 1), (1, 2), (2, 3)])
    assert same(value_dependency(downstream).agents, np.tri(4, dtype=bool))


def test_sparse_couplings_can_have_dense_sets():
    # Section 4.3: states flow one way, observations the other, and every value depends on every
    # agent.
    method = [(i, i + 1) for i in range(8)]
    dense = Couplings(9, state=method, observation=[(t, s) for s, t in method])
    assert value_dependency(dense).agents.nnz == 81


def test_own_actions_only_leave_states_and_actions_apart():
    zones = Couplings(["a", "b", "c"], state=[("a", "b"), ("b", "c")], action=[])
    d = value_dependency(zones, kappa=1)
    assert d.states.toarray().astype(int).tolist() == [[1, 0, 0], [1, 1, 0], [0, 1, 1]]
    assert d.actions.toarray().astype(int).tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert d.members("b") == ("a", "b")
    # The policy of a moves b's value only once b's state has had the time to feel it.
    assert gradient_dependency(d).nnz == 3
    assert gradient_dependency(value_dependency(zones, kappa=2)).toarray()[0].tolist() == [
        True,
        True,
        False,
    ]


# Properties


@given(systems(7), st.integers(0, 5), st.booleans())
@settings(max_examples=50)
def test_sets_grow_with_kappa_up_to_the_exact_ones(couplings, kappa, minimal):
    small, large = (value_dependency(couplings, k, minimal=minimal) for k in (kappa, kappa + 1))
    exact = value_dependency(couplings, minimal=minimal)
    for kind in ("states", "actions"):
        now, more, all_of_it = (getattr(d, kind).toarray() for d in (small, large, exact))
        assert not (now & ~more).any() and not (more & ~all_of_it).any()
        assert now.diagonal().all()


@given(systems(7), st.booleans())
@settings(max_examples=50)
def test_as_many_steps_as_agents_are_exact(couplings, minimal):
    exact = value_dependency(couplings, minimal=minimal)
    # The search itself, which value_dependency does not use for the exact sets.
    states, actions = smallest_kappas(couplings, minimal, couplings.num_agents)
    assert same(exact.states, _stored(states))
    assert same(exact.actions, _stored(actions))


def _stored(levels) -> np.ndarray:
    """Which entries are stored, zeros too."""
    return np.array(
        [np.isin(np.arange(levels.shape[1]), levels[[i]].indices) for i in range(levels.shape[0])]
    )


@given(systems(7), st.booleans(), st.integers(0, 6))
@settings(max_examples=50)
def test_first_windows_count_up_to_each_kappa(couplings, minimal, kappa):
    levels = smallest_kappas(couplings, minimal)
    d = value_dependency(couplings, kappa, minimal=minimal)
    for level, expected in zip(levels, (d.states, d.actions), strict=True):
        within = level.copy()
        within.data = (level.data <= kappa).astype(np.int32)
        assert same(expected, within.toarray() > 0)


@given(systems(7), st.booleans(), st.integers(0, 6), st.integers(1, 8))
@settings(max_examples=50)
def test_products_find_the_same_windows_as_the_search(couplings, minimal, limit, rows):
    found = smallest_kappas_by_products(couplings, minimal, limit, rows)
    for one, other in zip(found, smallest_kappas(couplings, minimal, limit), strict=True):
        assert np.array_equal(_stored(one), _stored(other)) and same(one, other.toarray())


@given(systems(7), st.none() | st.integers(0, 4))
@settings(max_examples=50)
def test_the_minimal_set_is_within_the_papers(couplings, kappa):
    paper, minimal = (value_dependency(couplings, kappa, minimal=m) for m in (False, True))
    assert not (minimal.agents.toarray() & ~paper.agents.toarray()).any()
    observed = (
        minimal.actions.toarray().astype(int) @ couplings.observation.toarray().astype(int) > 0
    )
    assert same(paper.agents, minimal.states.toarray() | observed)
    if (
        kappa is None
        and couplings.action is couplings.state
        and couplings.reward_action is couplings.reward
    ):
        assert same(paper.agents, minimal.agents.toarray())


@given(st.data(), st.none() | st.integers(0, 4), st.booleans())
@settings(max_examples=50)
def test_more_couplings_never_give_smaller_sets(data, kappa, minimal):
    size = data.draw(st.integers(1, 6))
    one, other = (data.draw(graphs_of(size, finer=True)) for _ in range(2))
    joined = {name: one[name] + other[name] for name in one}
    small, large = (
        value_dependency(Couplings(size, **g), kappa, minimal=minimal) for g in (one, joined)
    )
    assert not (small.states.toarray() & ~large.states.toarray()).any()
    assert not (small.actions.toarray() & ~large.actions.toarray()).any()


@given(st.data(), st.none() | st.integers(0, 3), st.booleans())
@settings(max_examples=50)
def test_renaming_agents_renames_the_sets(data, kappa, minimal):
    size = data.draw(st.integers(1, 6))
    graphs = data.draw(graphs_of(size, finer=True))
    order = data.draw(st.permutations(range(size)))
    renamed = {name: [(order[s], order[t]) for s, t in edges] for name, edges in graphs.items()}
    d, e = (
        value_dependency(Couplings(size, **g), kappa, minimal=minimal) for g in (graphs, renamed)
    )
    for kind in ("states", "actions"):
        assert same(getattr(d, kind), getattr(e, kind).toarray()[np.ix_(order, order)])


@given(systems(6), st.none() | st.integers(0, 3), st.booleans())
@settings(max_examples=50)
def test_gradient_and_aggregate_follow_from_the_sets(couplings, kappa, minimal):
    d = value_dependency(couplings, kappa, minimal=minimal)
    gradient, aggregate = gradient_dependency(d).toarray(), aggregate_dependency(d).toarray()
    assert np.array_equal(gradient, d.actions.toarray().T)
    for i in range(couplings.num_agents):
        rows = [d.agents.toarray()[j] for j in np.flatnonzero(gradient[i])]
        assert np.array_equal(aggregate[i], np.logical_or.reduce(rows))


@given(systems(5), st.integers(0, 4), st.integers(0, 3), st.booleans())
@settings(max_examples=50)
def test_a_sequence_of_equal_entries_is_the_time_invariant_case(couplings, kappa, at, minimal):
    sequence = CouplingSequence([couplings] * (at + kappa + 1))
    one, other = (
        value_dependency(couplings, kappa, minimal=minimal),
        value_dependency(sequence, None, at, minimal),
    )
    assert same(one.states, other.states.toarray()) and same(one.actions, other.actions.toarray())


@given(st.integers(1, 6).flatmap(edge_sets))
@settings(max_examples=50)
def test_results_are_canonical(edges):
    couplings = Couplings(6, state=edges, observation=edges[::-1], reward=edges[:3])
    for kappa in (None, 0, 2):
        d = value_dependency(couplings, kappa)
        for matrix in (
            d.states,
            d.actions,
            d.agents,
            gradient_dependency(d),
            aggregate_dependency(d),
        ):
            assert matrix.format == "csr" and matrix.dtype == bool and matrix.data.all()
            canonical = matrix.copy()
            canonical.sum_duplicates()
            assert np.array_equal(canonical.indices, matrix.indices)


# Size


def test_thousands_of_agents_stay_sparse_and_quick():
    large = ring(20_000)
    d = value_dependency(large, 2)
    assert set(np.diff(d.agents.indptr)) == {9}
    assert set(np.diff(aggregate_dependency(d).indptr)) == {17}
    exact = value_dependency(ring(2560))
    assert exact.agents.nnz == 2560**2
    assert aggregate_dependency(exact).nnz == 2560**2
    pairs = Couplings(20_000, state=[(i, i + 1) for i in range(0, 20_000, 2)])
    assert value_dependency(pairs).agents.nnz == 30_000


# Mistakes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kappa": -1}, "kappa must be a whole number, at least 0; got -1"),
        ({"kappa": 1.5}, "kappa must be a whole number, at least 0; got 1.5"),
        ({"kappa": True}, "kappa must be a whole number, at least 0; got True"),
        ({"kappa": "2"}, "kappa must be a whole number, at least 0; got '2'"),
        ({"at": -1}, "at must be a whole number, at least 0; got -1"),
    ],
)
def test_bad_windows(arguments, message):
    for couplings in (ring(3), CouplingSequence([ring(3)])):
        with pytest.raises(UserError) as error:
            value_dependency(couplings, **arguments)
        assert str(error.value) == message


def test_a_time_past_the_end():
    with pytest.raises(
        UserError, match="at = 2 is past the end of the coupling sequence, whose last time is 1"
    ):
        value_dependency(CouplingSequence([ring(3)] * 2), at=2)


def test_numpy_integers_are_integers():
    assert value_dependency(ring(5), np.int64(1)).kappa == 1  # pyright: ignore[reportArgumentType]


def test_a_dependency_prints_its_sizes():
    assert repr(value_dependency(ring(5), 1)) == (
        "Dependency(kappa=1, at=0, minimal=True; sets of 5 agents: smallest 5, median 5, largest 5)"
    )
