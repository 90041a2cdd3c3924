"""Who may send what to whom, and what the graphs promise of it. Nothing is trained."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import mastac
from mastac.distributed.links import groups_of, links_of, senders_to
from mastac.distributed.messages import (
    LAST,
    RUNNING,
    SAMPLE,
    STEP,
    Doors,
    Ledger,
    Message,
    OutsideOfSets,
)
from mastac.distributed.promise import Counts, central_promise, running_promise, structured_promise
from mastac.structure.layouts import central, structured, with_team_rewards
from structure.witnesses import systems


def pairs_of(matrix) -> set[tuple[int, int]]:
    """(sender, receiver) of a matrix, row receives from column."""
    rows, columns = matrix.nonzero()
    return set(zip(columns.tolist(), rows.tolist(), strict=True))


def others(matrix) -> set[tuple[int, int]]:
    return {pair for pair in pairs_of(matrix) if pair[0] != pair[1]}


@given(systems(), st.sampled_from([0, 1, 2, None]))
def test_links_are_what_the_sets_say(couplings: mastac.Couplings, kappa: int | None) -> None:
    sets = mastac.value_dependency(couplings, kappa)
    links = links_of(couplings, structured(sets))
    read = others(sets.actions)
    assert pairs_of(links.seen) == others(couplings.observation)
    assert pairs_of(links.states) == others(sets.states)
    assert pairs_of(links.actions) == pairs_of(links.targets) == pairs_of(links.policies) == read
    assert pairs_of(links.rewards) == set()
    # A critic tells those whose actions it reads.
    assert pairs_of(links.slopes) == {(reader, actor) for actor, reader in read}


@given(systems(), st.sampled_from([0, 1, 2, None]), st.randoms())
def test_promises_are_of_the_links(couplings: mastac.Couplings, kappa: int | None, random) -> None:
    agents = couplings.num_agents
    sizes = [np.array([random.randint(1, 3) for _ in range(agents)]) for _ in range(2)]
    promise = structured_promise(couplings, kappa, True, *sizes)
    links = links_of(couplings, structured(mastac.value_dependency(couplings, kappa)))
    by_phase: dict[str, set[tuple[int, int]]] = {STEP: set(), LAST: set(), SAMPLE: set()}
    sums: dict[str, tuple[int, int]] = dict.fromkeys(by_phase, (0, 0))
    for (phase, sender, receiver), (messages, numbers) in promise.pairs.items():
        by_phase[phase].add((sender, receiver))
        sums[phase] = (sums[phase][0] + messages, sums[phase][1] + numbers)
    assert by_phase[STEP] == pairs_of(links.told) | pairs_of(links.actions)
    assert by_phase[LAST] == pairs_of(links.told)
    assert by_phase[SAMPLE] == pairs_of(links.targets) | pairs_of(links.slopes)
    # What is promised pair by pair adds up to what is promised in all.
    assert {phase: each for phase, each in promise.totals.items() if each[0]} == {
        phase: each for phase, each in sums.items() if each[0]
    }


def test_central_critics_are_sent_everything_by_everyone() -> None:
    couplings = mastac.Couplings(3, state=[(0, 1)])
    links = links_of(couplings, with_team_rewards(central(couplings)), at_policies=False)
    everyone = {(i, j) for i in range(3) for j in range(3) if i != j}
    for kind in ("states", "actions", "rewards", "targets"):
        assert pairs_of(getattr(links, kind)) == everyone
    assert pairs_of(links.policies) == pairs_of(links.slopes) == set()
    promise = central_promise(couplings, np.array([1, 2, 3]), np.array([1, 1, 1]))
    assert promise.totals[STEP] == (6, 2 * (6 + 3 + 3))
    assert promise.pairs[STEP, 2, 0] == (1, 5)


def test_without_policies_actions_only_the_advised_tell_what_they_would_do() -> None:
    couplings = mastac.Couplings(3, state=[(0, 1), (1, 2)])
    links = links_of(couplings, structured(mastac.value_dependency(couplings)), False)
    assert pairs_of(links.policies) == {(b, a) for a, b in pairs_of(links.slopes)}


@given(systems(largest=8), st.integers(1, 4))
def test_every_agent_is_in_one_group(couplings: mastac.Couplings, size: int) -> None:
    groups = groups_of(links_of(couplings), size)
    assert sorted(agent for group in groups for agent in group) == list(range(couplings.num_agents))
    assert all(len(group) <= size for group in groups)


def test_groups_keep_neighbours_together() -> None:
    chain = [(4, 0), (0, 3), (3, 1), (1, 5), (5, 2)]
    couplings = mastac.Couplings(6, observation=[*chain, *[(b, a) for a, b in chain]])
    groups = groups_of(links_of(couplings), 3)
    assert sorted(groups) == [[0, 3, 4], [1, 2, 5]]


def test_slots_begin_with_the_agent_itself() -> None:
    links = links_of(mastac.Couplings(4, observation=[(3, 1), (0, 1)]))
    senders = senders_to(links, [1, 2])
    assert senders.sources.tolist() == [[1, 0, 3], [2, 4, 4]]
    assert senders.slots()[0][3] == 2


def message(phase: str, number: int, **content: list[float]) -> Message:
    arrays = {kind: np.array(values, np.float32) for kind, values in content.items()}
    return Message(0, 1, phase, number, number, arrays)


def test_doors_let_in_what_the_sets_hold_and_refuse_the_rest() -> None:
    couplings = mastac.Couplings(["a", "b", "c"], state=[(0, 1)], reward=[(1, 2)])
    links = links_of(couplings, structured(mastac.value_dependency(couplings)))
    doors = Doors(links, [0, 1, 2], couplings.agents)
    doors.check(message(STEP, 0, state=[1.0], action=[2.0]))
    doors.check(message(SAMPLE, 0, target=[1.0], policy=[2.0]))
    for refused in (
        message(STEP, 0, reward=[1.0]),
        message(SAMPLE, 0, weights=[1.0]),
        message(STEP, 0, state=[1.0])._replace(receiver=0, sender=1),
        # b does not see a: its critic may know of a's state, its policy may not.
        message(RUNNING, 0, state=[1.0]),
    ):
        with pytest.raises(OutsideOfSets, match="was refused"):
            doors.check(refused)


def test_the_ledger_counts_the_last_state_of_an_episode_apart() -> None:
    ledger = Ledger()
    ledger.send(message(STEP, 0, state=[1.0, 2.0]))
    ledger.send(message(LAST, 1, state=[1.0, 2.0], action=[3.0]))
    ledger.lose(message(LAST, 1))
    assert ledger.entries[STEP, 0, 1] == (1, 3, 12, 0)
    assert ledger.entries[LAST, 0, 1] == (1, 2, 8, 1)
    # Whoever sends no state tells its first action one message later, and has as many.
    only_actions = Ledger()
    only_actions.send(message(STEP, 1, action=[3.0]))
    only_actions.send(message(LAST, 2, action=[3.0]))
    assert only_actions.totals() == {STEP: (2, 2, 8, 0)}


def test_a_promise_is_kept_as_often_as_it_was_made() -> None:
    couplings = mastac.Couplings(2, observation=[(0, 1)])
    promise = running_promise(couplings, np.array([3, 1]))
    expected = promise.expected(Counts(running=10))
    assert expected == {RUNNING: (10, 30, 120, 0)}
    assert promise.expected_pairs(Counts(running=10)) == {(RUNNING, 0, 1): (10, 30, 120, 0)}
