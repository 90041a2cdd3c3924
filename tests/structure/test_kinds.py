"""Kinds of critics against a search by hand, and the blocks that members are computed in."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from mastac.structure.couplings import GRAPHS, Couplings
from mastac.structure.dependency import value_dependency
from mastac.structure.kinds import blocks_of, from_own, kinds_numbered, kinds_of_rows
from mastac.structure.layouts import structured, with_distances
from mastac.structure.roles import critic_kinds
from structure.witnesses import systems


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60), st.integers(1, 9))
def test_every_member_is_in_one_block_of_its_kind(numbers, largest):
    kinds = kinds_of_rows([bytes([number]) for number in numbers])
    assert (kinds.of[kinds.first] == np.arange(len(kinds.first))).all()
    assert kinds.sizes.sum() == len(numbers)
    blocks = blocks_of(kinds, largest)
    assert blocks.members.shape[1] <= largest
    assert (kinds.of[blocks.members] == blocks.kind[:, None]).all()
    assert sorted(blocks.members[blocks.is_real].tolist()) == list(range(len(numbers)))
    assert (blocks.members.ravel()[blocks.place] == np.arange(len(numbers))).all()
    assert blocks.is_real.ravel()[blocks.place].all()


def test_blocks_are_as_large_as_their_kinds_allow():
    def size(*members):
        return blocks_of(kinds_numbered(np.repeat(np.arange(len(members)), members)), 64)[1].shape

    assert size(1000) == (16, 64)
    assert size(1, 1, 1, 1) == (4, 1)
    assert size(8, 8, 8) == (3, 8)


def test_rows_from_the_own_agent_on():
    matrix = csr_array(np.array([[1, 0, 1, 1], [1, 1, 0, 1], [0, 0, 1, 1], [1, 1, 1, 1]], bool))
    rows = np.split(from_own(matrix).indices, matrix.indptr[1:-1])
    assert [row.tolist() for row in rows] == [[0, 2, 3], [1, 3, 0], [2, 3], [3, 0, 1, 2]]


def seen_from(i, layout, couplings, labels):
    """All that one shared critic would have to see alike."""
    size = couplings.num_agents
    matrices = [layout.states, layout.actions, csr_array(layout.useful_credit().T)]
    rows = [matrix.toarray()[i] for matrix in (*matrices, *(layout.distances or ()))]
    around = [(i + away) % size for away in range(size)]
    near = [j for j in around if rows[0][j] or rows[1][j]]
    among = [getattr(couplings, graph).toarray()[np.ix_(near, near)].tolist() for graph in GRAPHS]
    return repr([[labels[j], *(row[j] for row in rows)] for j in near]), repr(among)


@given(systems(7), st.integers(0, 2), st.booleans(), st.data())
@settings(max_examples=60)
def test_kinds_of_critics_are_those_found_by_hand(couplings, kappa, minimal, data):
    size = couplings.num_agents
    labels = np.array(data.draw(st.lists(st.integers(0, 1), min_size=size, max_size=size)))
    layout = structured(value_dependency(couplings, kappa, minimal=minimal))
    layout = with_distances(layout, couplings, kappa, minimal)
    found = critic_kinds(layout, labels, couplings).of
    seen = [seen_from(i, layout, couplings, labels) for i in range(size)]
    for i in range(size):
        for j in range(size):
            assert (found[i] == found[j]) == (seen[i] == seen[j])


@pytest.mark.parametrize("size", [12, 40])
def test_critics_of_a_ring_are_one(size):
    edges = [(i, (i + 1) % size) for i in range(size)]
    both = [*edges, *((b, a) for a, b in edges)]
    ring = Couplings(size, state=both, observation=both)
    layout = structured(value_dependency(ring, 1))
    assert len(critic_kinds(layout, np.zeros(size, int), ring).first) == 1
    names = np.arange(size) % 3
    assert len(critic_kinds(layout, np.zeros(size, int), None, names).first) == 3
