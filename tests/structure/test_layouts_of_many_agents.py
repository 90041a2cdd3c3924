"""Twenty thousand agents on a ring: time and memory grow with the sets, not with agents squared."""

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from mastac import UserError, memory
from mastac.algorithms import ALGORITHMS
from mastac.structure import Couplings, CouplingSequence, chain, ring
from mastac.structure.layout import CriticLayout
from mastac.structure.layouts import neighbourhoods, with_distances

N = 20_000
ENTRIES = 15 * N  # at kappa = 2 a critic reads up to nine agents, at two times a few more
BYTES = 5_000 * N  # a matrix of agents times agents has 20,000 N bytes even as booleans
READ_EVERYTHING = {"undecomposed-q", "undecomposed-qhat", "maddpg", "matd3", "qdcg-centralised"}
FIGURE = r"take [1-9]\S* GB of memory, and 100 MB are free"
SPARSE = sorted(set(ALGORITHMS) - READ_EVERYTHING)


@contextmanager
def little_memory() -> Iterator[None]:
    """Fail if so much memory is taken within the block that a dense matrix could be in it."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < BYTES
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", sorted(READ_EVERYTHING))
def test_pairs_of_all_agents_are_refused_before_they_are_written(name, monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: 10**8)
    with little_memory(), pytest.raises(UserError, match=rf"all .*{FIGURE}; choose"):
        ALGORITHMS[name].layout_for(ring(N), 2, True, "own")


def check_size(layout: CriticLayout) -> None:
    """No matrix, and no array of a bucket, has more entries than a few for each agent."""
    matrices = [layout.states, layout.actions, layout.rewards, layout.credit]
    matrices += [layout.useful_credit()] + ([] if layout.mix is None else [layout.mix])
    assert max(matrix.nnz for matrix in matrices) <= ENTRIES
    sizes = np.ones(N, int)
    buckets = layout.buckets(sizes, sizes)
    assert sum(len(bucket.terms) for bucket in buckets) == layout.num_terms
    arrays = [array for bucket in buckets for array in bucket if isinstance(array, np.ndarray)]
    assert max(array.size for array in arrays) <= 3 * ENTRIES  # `open` has three times


@pytest.mark.parametrize("name", SPARSE)
def test_sparse_couplings_give_sparse_layouts(name):
    algorithm = ALGORITHMS[name]
    with little_memory():
        for rewards in algorithm.rewards:
            check_size(algorithm.layout_for(ring(N), 2, True, rewards))


def test_team_rewards_are_one_row():
    layout = ALGORITHMS["independent"].layout_for(ring(N), None, True, "team")
    assert layout.num_values == N and layout.rewards.shape == (1, N)


@pytest.mark.parametrize("name", [name for name in SPARSE if ALGORITHMS[name].follows_time])
def test_so_do_couplings_that_change_and_distances(name):
    sequence = CouplingSequence([ring(N), chain(N), ring(N)])
    with little_memory():
        layout = ALGORITHMS[name].layout_for(sequence, 1, True, "own")
        assert layout.schedule is not None and len(layout.schedule) == 3
        check_size(with_distances(layout, sequence, 2, minimal=False))


def test_neighbourhoods_stop_where_nothing_grows():
    """Five hundred rings of forty: after twenty steps every ring is a set, whatever kappa is."""
    agents = np.arange(N)
    following = np.where(agents % 40 == 39, agents - 39, agents + 1)
    rings = Couplings(N, state=list(zip(agents.tolist(), following.tolist(), strict=True)))
    with little_memory():
        for kappa in (None, 20, 10**6):
            assert neighbourhoods(rings, kappa).states.nnz == 40 * N
