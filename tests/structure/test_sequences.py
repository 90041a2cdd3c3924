"""Sequences of couplings: periods, failures, unions, files, and what is said of mistakes."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mastac.errors import UserError
from mastac.structure import (
    Couplings,
    CouplingSequence,
    chain,
    periodic,
    read_couplings,
    read_sequence,
    ring,
    star,
    with_failures,
)
from structure.witnesses import GRAPHS, sequences, systems


def _anything(value: Any) -> Any:
    """A value whose type the type checker does not hold against the test."""
    return value


MISTAKES: dict[str, Any] = {
    "failure": (
        lambda: with_failures(chain(3), 4, [_anything("link")]),
        "a failure is (source, target, first time, last time), got 'link'",
    ),
    "failure of no edge": (
        lambda: with_failures(chain(3), 4, [(0, 2, 0, 1)], ["state"]),
        "the failure of agent-0 -> agent-2 is of no edge: none of the graphs state has it",
    ),
    "failure of itself": (
        lambda: with_failures(chain(3), 4, [(1, 1, 0, 1)]),
        "the failure of agent-1 -> agent-1 is an agent's effect on itself, which is always there",
    ),
    "failure backwards": (
        lambda: with_failures(chain(3), 4, [(0, 1, 3, 2)]),
        "the failure of agent-0 -> agent-1 begins at time 3, after its end at time 2; "
        "give the earlier time first",
    ),
    "failure too late": (
        lambda: with_failures(chain(3), 4, [(0, 1, 3, 5)]),
        "the failure of agent-0 -> agent-1 ends at time 5, past the horizon 4",
    ),
    "failure at no time": (
        lambda: with_failures(chain(3), 4, [(0, 1, -1, 5)]),
        "the first time of the failure of agent-0 -> agent-1 must be a whole number, at "
        "least 0; got -1",
    ),
    "failure of an unknown agent": (
        lambda: with_failures(chain(3), 4, [("agent-0", "agent-7", 0, 1)]),
        None,
    ),
    "failure in an unknown graph": (
        lambda: with_failures(chain(3), 4, [(0, 1, 0, 1)], ["states"]),
        "unknown graph 'states'; did you mean 'state'? (known: state, observation, "
        "reward, action, reward_action)",
    ),
    "horizon": (
        lambda: periodic([ring(3)], _anything(1.5)),
        "horizon must be a whole number, at least 0; got 1.5",
    ),
    "empty sequence": (
        lambda: CouplingSequence([]),
        "a CouplingSequence needs at least one entry: the couplings at time 0",
    ),
    "entry": (
        lambda: CouplingSequence([ring(3), _anything(1)]),
        "entry 1 of a CouplingSequence must be Couplings, got int",
    ),
    "other agents": (
        lambda: CouplingSequence([Couplings(["a", "b"]), Couplings(["a", "c"])]),
        "entry 1 of a CouplingSequence has other agents than entry 0 ('c' is new); "
        "give all entries the same agents in the same order",
    ),
    "missing agents": (
        lambda: CouplingSequence([Couplings(["a", "b"]), Couplings(["a"])]),
        "entry 1 of a CouplingSequence has other agents than entry 0 ('b' is missing); "
        "give all entries the same agents in the same order",
    ),
    "other order": (
        lambda: CouplingSequence([Couplings(["a", "b"]), Couplings(["b", "a"])]),
        "entry 1 of a CouplingSequence has other agents than entry 0 (in another order); "
        "give all entries the same agents in the same order",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_said_in_one_sentence(mistake):
    build, message = MISTAKES[mistake]
    with pytest.raises(UserError) as error:
        build()
    assert "\n" not in str(error.value)
    assert message is None or str(error.value) == message


def test_a_sequence_is_a_sequence():
    sequence = CouplingSequence([ring(3), chain(3), star(3)])
    assert (len(sequence), sequence.horizon, sequence.num_agents) == (3, 2, 3)
    assert (
        sequence[1] == chain(3)
        and isinstance(sequence[1:], CouplingSequence)
        and len(sequence[1:]) == 2
    )
    assert sequence.index("agent-2") == 2


@given(sequences(largest=4, longest=3), st.data())
@settings(max_examples=40)
def test_schedules_repeat_and_equal_times_are_told(sequence, data):
    horizon = data.draw(st.integers(0, 7))
    schedule = periodic(sequence.entries, horizon)
    assert schedule.horizon == horizon
    for time, kind in enumerate(schedule.kinds):
        assert schedule[time] == sequence[time % len(sequence)]
        assert kind == min(other for other in range(time + 1) if schedule[other] == schedule[time])


@given(sequences(largest=4, longest=4))
@settings(max_examples=40)
def test_a_union_has_every_edge_of_every_time(sequence):
    union = sequence.union()
    for graph in GRAPHS:
        expected = sum(getattr(entry, graph).toarray().astype(int) for entry in sequence) > 0
        assert np.array_equal(getattr(union, graph).toarray(), expected)
    assert union.agents == sequence.agents


@given(systems(5), st.integers(0, 4), st.data())
@settings(max_examples=60)
def test_links_fail_at_their_times_only(couplings, horizon, data):
    graphs = data.draw(st.sampled_from([None, ["observation"], ["state"], ["action", "reward"]]))
    taken = graphs or GRAPHS
    links = sorted({edge for graph in taken for edge in couplings.edges(graph)})
    times = st.tuples(st.integers(0, horizon), st.integers(0, horizon)).map(sorted)
    failures = (
        data.draw(st.lists(st.tuples(st.sampled_from(links), times), max_size=3)) if links else []
    )
    lossy = with_failures(couplings, horizon, [(*link, *when) for link, when in failures], graphs)
    for time, entry in enumerate(lossy):
        down = {link for link, (first, last) in failures if first <= time <= last}
        for graph in GRAPHS:
            expected = [
                edge for edge in couplings.edges(graph) if graph not in taken or edge not in down
            ]
            assert entry.edges(graph) == expected
    assert lossy.horizon == horizon and lossy.agents == couplings.agents


@given(sequences(largest=4, longest=4), st.data())
@settings(max_examples=30)
def test_sequences_to_files_and_back(tmp_path_factory, sequence, data):
    order = data.draw(st.lists(st.integers(0, sequence.horizon), min_size=1, max_size=6))
    mixed = CouplingSequence([sequence[time] for time in order])
    path = tmp_path_factory.mktemp("sequence") / "couplings.json"
    assert mixed.to_json(path) == path.read_text(encoding="utf-8")
    again = read_sequence(path)
    assert again.entries == mixed.entries
    assert CouplingSequence.from_dict(mixed.to_dict()).entries == mixed.entries
    with pytest.raises(
        UserError, match="these couplings change in time; read them with read_sequence"
    ):
        read_couplings(path)
    mixed[0].to_json(path)
    assert read_sequence(path).entries == (read_couplings(path),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '{"sequence": []}',
            ": a sequence of couplings is an object with the keys agents and sequence, a list",
        ),
        ('{"agents": ["a"], "sequence": []}', ": a CouplingSequence needs at least one entry"),
        (
            '{"agents": ["a"], "sequence": [0]}',
            ", time 0: 0 is no earlier time; a number stands for the graphs of that",
        ),
        (
            '{"agents": ["a"], "sequence": ["x"]}',
            ", time 0: expected an object of graphs or the number of an earlier",
        ),
        (
            '{"agents": ["a"], "sequence": [{"state": []}]}',
            ", time 0: the key 'observation' is missing",
        ),
        ('{"agents": ["a"]', ": not valid JSON at line 1"),
    ],
)
def test_mistakes_in_files_of_sequences(tmp_path, text, message):
    path = tmp_path / "couplings.json"
    path.write_text(text)
    with pytest.raises(UserError) as error:
        read_sequence(path)
    assert str(error.value).startswith(f"{path}{message}")
    with pytest.raises(UserError, match=r"end in \.json"):
        read_sequence(tmp_path / "couplings.csv")
