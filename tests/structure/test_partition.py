"""Agents on devices: who needs what of whom, and that it is sent and nothing else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from mastac import Couplings, value_dependency
from mastac.analysis.messages import messages_of
from mastac.errors import UserError
from mastac.structure import partition
from mastac.structure.halos import exchange_of, filled, halos_of, numbers_sent
from mastac.structure.layouts import local, structured
from mastac.structure.partition import CUTS, Partition, partitioned
from mastac.structure.windows import smallest_kappas


@st.composite
def worlds(draw):
    """Couplings without symmetry, sizes of states and actions, and any partition."""
    agents = draw(st.integers(2, 9))
    pair = st.tuples(*[st.integers(0, agents - 1)] * 2)
    state, observation, reward = (draw(st.lists(pair, max_size=2 * agents)) for _ in range(3))
    couplings = Couplings(agents, state=state, observation=observation, reward=reward)
    layout = structured(value_dependency(couplings, draw(st.integers(0, 3))))
    devices = draw(st.integers(1, agents))
    spread = draw(st.lists(st.integers(0, devices - 1), min_size=agents, max_size=agents))
    owner = np.array(spread)
    owner[draw(st.permutations(range(agents)))[:devices]] = np.arange(devices)
    sizes = [np.array(draw(st.lists(st.integers(1, 3), min_size=agents, max_size=agents)))] * 2
    return couplings, layout, Partition(owner, devices), sizes


@given(worlds())
def test_halos_hold_what_critics_read_and_do_not_own(world):
    _, layout, parts, (state_sizes, action_sizes) = world
    halos = halos_of(layout, parts)
    reads = (layout.states, layout.actions, csr_array(layout.useful_credit().T))
    total = np.zeros(3, int)
    for device in range(parts.devices):
        own = set(parts.agents_of(device).tolist())
        for k, matrix in enumerate(reads):
            needed = {j for i in own for j in matrix[[i]].indices.tolist()}
            assert set(halos[k][device].tolist()) == needed - own
            sizes = state_sizes if k == 0 else action_sizes
            total[k] += sum(sizes[j] for j in needed - own)
    sent = numbers_sent(halos, state_sizes, action_sizes)
    assert sent == (total[0] + total[1], 2 * total[1] + total[2])


@given(worlds())
def test_an_exchange_brings_each_row_where_it_is_needed_and_no_other(world):
    _, layout, parts, _ = world
    halos = halos_of(layout, parts)
    needed = filled(halos.actions)
    place = np.zeros(len(parts.owner), int)
    for device in range(parts.devices):
        place[parts.agents_of(device)] = np.arange(parts.sizes[device])
    exchange = exchange_of(parts.owner, place, needed)
    arrived = np.full((parts.devices, exchange.sends.shape[1] + 1), -1)
    at = 0
    for part in exchange.slices:
        senders, receivers = zip(*part.pairs, strict=True)
        assert len(set(senders)) == len(senders) and len(set(receivers)) == len(receivers)
        for sender, receiver in part.pairs:
            assert sender != receiver
            rows = parts.agents_of(sender)[exchange.sends[sender, at : at + part.rows]]
            arrived[receiver, at : at + part.rows] = rows
        at += part.rows
    np.testing.assert_array_equal(np.take_along_axis(arrived, exchange.places, axis=1), needed)
    assert exchange.rows_sent == sum(map(len, halos.actions))
    # Nothing arrives twice, so that what goes back the same way is counted once.
    assert exchange.rows_sent == (arrived >= 0).sum()


@given(worlds())
def test_with_a_device_for_each_agent_it_is_what_the_graphs_say(world):
    couplings, layout, _, (state_sizes, action_sizes) = world
    agents = couplings.num_agents
    alone = halos_of(layout, Partition(np.arange(agents), agents))
    levels = smallest_kappas(couplings, True, None)
    promised = messages_of(couplings, levels, range(agents + 1), state_sizes, action_sizes, (8,))
    samples = [window["sample"]["numbers"] for window in promised["windows"]]
    assert numbers_sent(alone, state_sizes, action_sizes).sample in samples
    exact = structured(value_dependency(couplings, None))
    whole = numbers_sent(halos_of(exact, Partition(np.arange(agents), agents)), *[action_sizes] * 2)
    assert whole.sample == samples[-1]


def shuffled_grid(side: int) -> Couplings:
    """A grid whose agents are numbered at random."""
    number = np.random.default_rng(0).permutation(side * side).reshape(side, side)
    pairs = [
        *zip(number[1:].ravel(), number[:-1].ravel(), strict=True),
        *zip(number[:, 1:].ravel(), number[:, :-1].ravel(), strict=True),
    ]
    both = [(int(a), int(b)) for a, b in [*pairs, *((b, a) for a, b in pairs)]]
    return Couplings(side * side, state=both)


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("devices", [1, 2, 3, 8])
def test_parts_are_about_equal(cut, devices):
    if cut == "metis":
        pytest.importorskip("pymetis")
    layout = structured(value_dependency(shuffled_grid(12), 1))
    parts = partitioned(layout, devices, cut)
    assert parts.sizes.sum() == 144 and parts.sizes.max() - parts.sizes.min() <= 2
    np.testing.assert_array_equal(parts.owner, partitioned(layout, devices, cut).owner)


def test_cuts_along_the_graph_send_less():
    layout = structured(value_dependency(shuffled_grid(12), 1))
    ones = np.ones(144, int)
    sent = {
        cut: numbers_sent(halos_of(layout, partitioned(layout, 4, cut)), ones, ones).sample
        for cut in CUTS
        if cut != "metis" or partition.find_spec("pymetis")
    }
    assert all(sent[cut] < 0.6 * sent["contiguous"] for cut in sent if cut != "contiguous")


def test_agents_that_are_not_coupled_can_be_cut():
    layout = local(Couplings(70))
    assert partitioned(layout, 4, "spectral").sizes.min() >= 17


@pytest.mark.parametrize("devices", [2, 5, 11])
def test_as_many_devices_as_there_is_work_for(devices):
    layout = structured(value_dependency(Couplings(11, state=[(0, 1)]), 1))
    assert partitioned(layout, devices).sizes.min() >= 1


def test_bad_partitions_are_refused(monkeypatch):
    layout = local(Couplings(4))
    with pytest.raises(
        UserError, match="devices of a partition must be a whole number, from 1 to 4; got 5"
    ):
        partitioned(layout, 5)
    with pytest.raises(UserError, match="unknown cut 'metris'; did you mean 'metis'"):
        partitioned(layout, 2, "metris")
    with pytest.raises(UserError, match="device 1 of a partition has no agent"):
        Partition(np.zeros(4, int), 2)
    with pytest.raises(UserError, match="must be devices from 0 to 1"):
        Partition(np.full(4, 2), 2)
    monkeypatch.setitem(__import__("sys").modules, "pymetis", None)
    with pytest.raises(UserError, match=r"pip install 'mastac\[metis\]'"):
        partitioned(layout, 2, "metis")
