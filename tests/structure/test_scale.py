"""Products and search give the same sets; estimates; many agents without large matrices."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from scipy.sparse import csr_array

from mastac.errors import UserError
from mastac.structure import (
    Couplings,
    CouplingSequence,
    aggregate_dependency,
    boolean,
    estimate,
    grid,
    ring,
    value_dependencies,
    value_dependency,
    windows,
)
from mastac.structure import memory_limits as memory
from mastac.structure.windows import plan, sets_by_products, sets_by_search
from structure.witnesses import ancestor_sets, separated_sets, sequences, systems


def expected_sets(couplings, kappa, minimal):
    if minimal:
        return separated_sets(couplings, 0, kappa)
    return (ancestor_sets(couplings, 0, kappa),) * 2


@given(systems(5), st.integers(0, 3), st.booleans(), st.integers(1, 6))
@settings(max_examples=100)
def test_products_are_the_brute_force(couplings, kappa, minimal, rows):
    for found, expected in zip(
        sets_by_products(couplings, minimal, kappa, rows),
        expected_sets(couplings, kappa, minimal),
        strict=True,
    ):
        assert np.array_equal(found.toarray(), expected)
        assert found.dtype == bool and found.has_sorted_indices


@given(systems(5), st.integers(0, 3), st.booleans())
@settings(max_examples=100)
def test_search_is_the_brute_force(couplings, kappa, minimal):
    for found, expected in zip(
        sets_by_search(couplings, minimal, kappa),
        expected_sets(couplings, kappa, minimal),
        strict=True,
    ):
        assert np.array_equal(found.toarray(), expected)
        assert found.dtype == bool and found.has_sorted_indices


@given(systems(12), st.integers(0, 14), st.booleans(), st.integers(1, 12))
@settings(max_examples=60)
def test_all_ways_agree_in_blocks_and_with_merged_rows(couplings, kappa, minimal, rows):
    size = couplings.num_agents
    one = sets_by_products(couplings, minimal, kappa, size)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows, "BLOCK_CELLS", 2 * size)
        patch.setattr(windows, "FEWEST_ROWS", 1)
        patch.setattr(boolean, "GROUPING_WORK", 0)
        for other in (
            sets_by_products(couplings, minimal, kappa, rows),
            sets_by_search(couplings, minimal, kappa),
        ):
            for mine, theirs in zip(one, other, strict=True):
                assert np.array_equal(mine.indptr, theirs.indptr) and np.array_equal(
                    mine.indices, theirs.indices
                )
    if kappa >= size:
        assert np.array_equal(one[0].toarray(), value_dependency(couplings).states.toarray())


@given(systems(8), st.integers(0, 5), st.booleans())
@settings(max_examples=60)
def test_an_estimate_that_looks_at_all_agents_is_the_size(couplings, kappa, minimal):
    expected, _ = plan(couplings, minimal, kappa)
    states, actions = sets_by_search(couplings, minimal, kappa)
    assert expected.error == 0
    assert expected.entries == states.nnz + (0 if actions is states else actions.nnz)


@given(sequences(largest=5, longest=5), st.none() | st.integers(0, 5), st.booleans(), st.data())
@settings(max_examples=80)
def test_all_times_of_a_sequence_at_once(sequence, kappa, minimal, data):
    order = data.draw(st.lists(st.integers(0, sequence.horizon), min_size=1, max_size=6))
    mixed = CouplingSequence(
        [sequence[time] for time in order]
    )  # with equal entries at several times
    for at, d in enumerate(value_dependencies(mixed, kappa, minimal)):
        last = mixed.horizon if kappa is None else min(at + kappa, mixed.horizon)
        states, actions = (
            separated_sets(mixed, at, last) if minimal else (ancestor_sets(mixed, at, last),) * 2
        )
        assert (d.at, d.kappa, d.minimal) == (at, kappa, minimal)
        assert np.array_equal(d.states.toarray(), states)
        assert np.array_equal(d.actions.toarray(), actions)


def test_windows_over_equal_couplings_share_their_sets():
    sequence = CouplingSequence([ring(6), grid(2, 3)] * 10)
    found = value_dependencies(sequence, kappa=3)
    assert found[0].states is found[2].states is found[14].states
    assert found[0].states is not found[1].states


def test_estimates_from_a_sample_are_near_and_repeat():
    rng = np.random.default_rng(3)
    edges = csr_array(
        (np.ones(8000, bool), tuple(rng.integers(0, 4000, (2, 8000)))), shape=(4000, 4000)
    )
    couplings = Couplings(4000, state=edges, observation=edges)
    for kappa in (1, 2):
        expected = estimate(couplings, kappa)
        exact = value_dependency(couplings, kappa).states.nnz
        assert expected.agents < 4000 and expected.error > 0
        assert abs(expected.entries - exact) < 5 * expected.error
        assert estimate(couplings, kappa) == expected


def test_short_windows_are_multiplied_and_long_ones_searched():
    assert estimate(ring(4000), 1).method == "products"
    assert estimate(ring(4000), 400).method == "search"


def test_windows_that_no_memory_holds_are_refused(monkeypatch):
    monkeypatch.setattr(memory, "MEMORY", 10**6)
    with pytest.raises(UserError) as error:
        value_dependency(ring(4000), 50)
    assert str(error.value) == (
        "the sets of these 4000 agents at kappa = 50 have 804000 entries, 4.02 MB; at "
        "most 1 MB are held here; "
        "take a smaller kappa"
    )
    # One agent that sees all others is not in every sample, but is counted when it is written.
    spokes = csr_array(
        (np.ones(3999, bool), (np.arange(1, 4000), np.zeros(3999, int))), shape=(4000, 4000)
    )
    monkeypatch.setattr(memory, "MEMORY", 30_000)
    hub = Couplings(4000, state=spokes)
    with pytest.raises(UserError, match="at most 30 kB are held here"):
        value_dependency(hub, 1)
    monkeypatch.setattr(memory, "MEMORY", 10**5)
    wheel = Couplings(4000, state=spokes, observation=csr_array(spokes.T))
    with pytest.raises(UserError, match="take a smaller kappa"):
        value_dependency(wheel, 1)
    with pytest.raises(
        UserError, match=r"^the sets have .* entries, 80 MB; at most 100 kB are held here"
    ):
        value_dependency(CouplingSequence([wheel] * 3), 1, minimal=False)


def test_grids_of_many_agents():
    d = value_dependency(grid(150, 150), 2)
    sizes = d.sizes().reshape(150, 150)
    assert (sizes[4:-4, 4:-4] == 41).all()  # agents within four steps
    assert sizes[0, 0] == 15
    assert d.members(0) == tuple(f"agent-{150 * r + c}" for r in range(5) for c in range(5 - r))
    assert set(np.diff(aggregate_dependency(value_dependency(ring(5000), 2)).indptr)) == {17}


def test_matrices_in_every_format_and_only_read():
    matrix = csr_array(
        (np.array([1, 1, 0, 1]), np.array([2, 1, 0, 2]), np.array([0, 2, 3, 4])), shape=(3, 3)
    )
    for other in (matrix, matrix.tocsc(), matrix.tocoo()):
        before = other.toarray()
        assert Couplings(3, state=other).edges("state") == [
            ("agent-0", "agent-1"),
            ("agent-0", "agent-2"),
        ]
        assert np.array_equal(other.toarray(), before)
    unsorted = csr_array(
        (np.array([1, 1]), np.array([2, 1]), np.array([0, 2, 2, 2])), shape=(3, 3)
    ).T
    indices = unsorted.indices.copy()
    Couplings(3, state=unsorted)
    assert np.array_equal(unsorted.indices, indices)
    twice = csr_array((np.array([1, 1]), np.array([1, 1]), np.array([0, 2, 2])), shape=(2, 2))
    assert Couplings(2, state=twice).state.nnz == 3
