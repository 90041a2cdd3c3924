"""What local models read: the in-neighbours in the graphs of one step, and nothing else."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from mastac.structure import Couplings, CouplingSequence
from mastac.structure.layouts import dynamics_layout, reward_layout
from structure.witnesses import entry, sequences, systems, unrolled

few = settings(max_examples=40)
LAYOUTS = {"s": dynamics_layout, "z": reward_layout}


def parents(couplings, target: str, kind: str) -> np.ndarray:
    """`[agents, agents]`: whose state or action enters whose next state or reward, at any time.

    Read off the network of Definition 3.1 itself.
    """
    n = couplings.num_agents
    length = len(couplings) if isinstance(couplings, CouplingSequence) else 1
    found = np.zeros((n, n), bool)
    for time in range(length):
        network = unrolled(CouplingSequence([entry(couplings, time)] * 2), 0, 1)
        for i in range(n):
            child = (target, i, 1 if target == "s" else 0)
            for origin, j, when in network.predecessors(child):
                found[i, j] |= origin == kind and when == 0
    return found


@given(systems() | sequences(), st.sampled_from(sorted(LAYOUTS)))
@few
def test_local_models_read_the_parents_in_the_network_of_one_step(couplings, target):
    layout = LAYOUTS[target](couplings)
    assert layout.agents == couplings.agents
    np.testing.assert_array_equal(layout.states.toarray(), parents(couplings, target, "s"))
    np.testing.assert_array_equal(layout.actions.toarray(), parents(couplings, target, "a"))


@pytest.mark.parametrize("target", sorted(LAYOUTS))
def test_on_a_directed_chain_the_one_behind_reads_the_one_before(target):
    graph = {"s": "state", "z": "reward"}[target]
    chain = Couplings(["a", "b", "c"], **{graph: [("a", "b"), ("b", "c")]})
    # An edge goes from who affects to who is affected: b reads a, c reads b, and a itself alone.
    expected = [[1, 0, 0], [1, 1, 0], [0, 1, 1]]
    np.testing.assert_array_equal(LAYOUTS[target](chain).states.toarray(), expected)


@given(systems() | sequences(), st.sampled_from(sorted(LAYOUTS)))
@few
def test_models_that_read_all_read_everything(couplings, target):
    layout = LAYOUTS[target](couplings, read_all=True)
    assert layout.states.toarray().all() and layout.actions.toarray().all()
