"""Probing by calls alone: networks are recovered, rare edges missed as often as is said."""

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import mastac
from mastac.errors import UserError
from mastac.probing import Check, Simulator, check, miss_probability, probe
from mastac.probing.findings import in_order
from mastac.structure import Couplings, CouplingSequence
from probing.networks import BENDS, network, networks, rare
from structure.witnesses import GRAPHS

CHAIN = Couplings(
    ["a", "b", "c"],
    state=[("a", "b"), ("b", "c")],
    reward=[("a", "c")],
    action=[],
    reward_action=[],
)


@given(networks())
@settings(max_examples=25)
def test_random_networks_are_recovered(simulator):
    assert probe(simulator, points=48).couplings() == simulator.couplings


@pytest.mark.parametrize("bend", BENDS)
def test_nothing_is_reported_of_true_graphs_and_everything_of_none(bend):
    simulator = network(CHAIN, bend, 2, 0)
    found = check(simulator, points=48)
    assert found.ok and not found.superfluous
    blind = check(simulator, Couplings(CHAIN.agents), points=48)
    expected = {(graph, *edge) for graph in GRAPHS for edge in CHAIN.edges(graph)}
    assert {(each.graph, each.source, each.target) for each in blind.missing} == expected


def test_superfluous_edges_are_reported_and_are_no_failure():
    more = Couplings(
        CHAIN.agents,
        state=[("a", "b"), ("b", "c"), ("c", "a")],
        reward=[("a", "c")],
        reward_action=[],
        positions={"a": [0.0, 0.0], "b": [1.0, 0.5], "c": [2.0, 0.0]},
    )
    found = check(network(CHAIN, "tanh", 1, 0), more, points=48)
    assert found.ok
    # Actions were left out and are as states, of which none is true.
    named = {(each.graph, each.source, each.target) for each in found.superfluous}
    assert named == {("state", "c", "a"), *(("action", s, t) for s, t in more.edges("state"))}
    assert all(
        each.seen == 0 and each.points == 48 and each.example is None for each in found.superfluous
    )
    true, turned = found.corrected(), in_order(more, ("c", "a", "b"), "network")
    assert true == CHAIN and isinstance(true, Couplings) and isinstance(turned, Couplings)
    assert true.positions == turned.positions == more.positions
    assert "c -> a" in str(found) and "wasteful" in str(found) and "as state" in str(found)


def test_the_evidence_can_be_repeated():
    simulator = network(CHAIN, "tanh", 2, 3)
    found = check(simulator, Couplings(CHAIN.agents), points=48)
    (edge,) = [each for each in found.missing if (each.graph, each.target) == ("state", "c")]
    points, at, a, c = found.effects.points, edge.example, 1, 2
    assert edge.source == "b" and edge.time == points.times[at] and edge.time is not None
    state, actions, seed = points.states[at], points.actions[at], int(points.seeds[at])
    changed = state.copy()
    changed[a] = points.other_states[at, a]
    moved = simulator.step(changed, actions, edge.time, seed) - simulator.step(
        state, actions, edge.time, seed
    )
    assert np.abs(moved[c]).max() == pytest.approx(edge.largest) and edge.largest > 0


@pytest.mark.parametrize("share", [0.05, 0.2])
def test_a_rare_edge_is_missed_as_often_as_is_said(share):
    simulator, points, runs = rare(share), 12, 250
    missed = sum(
        not len(probe(simulator, points, seed=run).evidence["state"][0].seen) for run in range(runs)
    )
    chance = miss_probability(share, points)
    # Five standard deviations of the share of so many runs.
    assert abs(missed / runs - chance) < 5 * np.sqrt(chance * (1 - chance) / runs)


def test_the_share_of_points_is_that_of_the_edge():
    found = probe(rare(0.25), points=600).evidence["state"][0]
    assert found.sources.tolist() == [0] and found.targets.tolist() == [1]
    assert abs(found.seen[0] / 600 - 0.25) < 5 * np.sqrt(0.25 * 0.75 / 600)


def test_probabilities_are_those_of_the_points():
    found = check(rare(1.0), points=20)
    assert found.misses == {share: (1 - share) ** 20 for share in (0.01, 0.05, 0.1)}
    assert "82 %" in str(found)  # 0.99 to the power of 20


def switching(state, actions, time, seed):
    """Agent 0 moves agent 1 at even times, and agent 1 agent 0 at odd ones."""
    after = 0.5 * state
    after[1 - time % 2] += state[time % 2]
    return after


def test_couplings_that_change_are_compared_time_by_time():
    even, odd = (Couplings(2, state=[edge], action=[]) for edge in ((0, 1), (1, 0)))
    fields: dict[str, Any] = {
        "horizon": 5,
        "reset": lambda seed: np.random.default_rng(seed).standard_normal((2, 1)),
        "step": switching,
        "reward": lambda state, actions, time: state[:, 0],
        "sample_actions": lambda random: random.standard_normal((2, 1)),
    }
    true = CouplingSequence([even, odd, even, odd, even])
    found = check(Simulator(**fields, couplings=true), points=60)
    assert found.ok and not found.superfluous and found.points == 12
    # The transition after the last reward does not count: what the last entry says of it is not
    # compared.
    assert not check(
        Simulator(**fields, couplings=true), CouplingSequence([*true[:4], odd]), points=60
    ).missing
    found = check(
        Simulator(**fields, couplings=true),
        CouplingSequence([even, even, even, odd, even]),
        points=60,
    )
    (missing,), (superfluous,) = found.missing, found.superfluous
    assert (missing.source, missing.target, missing.times, missing.time) == (
        "agent-1",
        "agent-0",
        (1,),
        1,
    )
    assert (superfluous.source, superfluous.target, superfluous.times) == (
        "agent-0",
        "agent-1",
        (1,),
    )
    seen = found.effects.couplings()
    assert isinstance(seen, CouplingSequence)
    assert found.corrected() == CouplingSequence([*true[:4], list(seen)[4]])
    assert (
        check(Simulator(**fields, couplings=true), Couplings(2, state=[(0, 1)]), points=60)
        .missing[0]
        .times
        is None
    )


def test_agents_of_different_sizes_and_whole_numbers():
    """Padding moves nothing; integer states are exchanged for others that were reached."""
    graph = Couplings(3, state=[(0, 2), (1, 2)], action=[(0, 1)])

    def step(state, actions, time, seed):
        turn = np.random.default_rng(seed).integers(0, 2, 3)
        last = [
            state[0, 0] + turn[0],
            (state[1].sum() + actions[0, 0]) % 7,
            state[0, 0] * (state[1, 1] > 2),
        ]
        return np.array([[last[0] % 5, 0], [last[1], turn[1] + time], [last[2], 0]])

    simulator = Simulator(
        horizon=6,
        reset=lambda seed: (
            np.random.default_rng(seed).integers(0, 4, (3, 2)) * [[1, 0], [1, 1], [1, 0]]
        ),
        step=step,
        reward=lambda state, actions, time: state[:, 0] == 1,
        observe=lambda state: state[:, :1],
        sample_actions=lambda random: random.integers(0, 3, (3, 1)),
        couplings=graph,
        state_sizes=[1, 2, 1],
    )
    assert probe(simulator, points=128).couplings() == graph


def test_states_are_varied_by_the_simulators_own_rule():
    seen = []

    def step(state, actions, time, seed):
        seen.append(state.copy())
        return state

    fields = network(CHAIN, "tanh", 1, 0)

    def low(row, agent, random):
        return np.full(1, 100.0 + agent)

    probe(dataclasses.replace(fields, step=step, vary_state=low), points=8)
    assert {100.0, 101.0, 102.0} <= set(np.ravel(seen))
    seen.clear()
    probe(dataclasses.replace(fields, step=step, vary_state=low), points=8, widen=False)
    assert np.max(seen) < 100


def test_states_that_were_not_reached_are_told_apart():
    """An effect that sets in far beyond what rollouts reach."""

    def step(state, actions, time, seed):
        return 0.1 * state + (np.abs(state[:1]) > 30)

    simulator = dataclasses.replace(network(CHAIN, "tanh", 1, 0), step=step)

    def wide(row, agent, random):
        return random.choice([row, row + 100.0])

    found = check(dataclasses.replace(simulator, vary_state=wide), points=40)
    edges = [each for each in found.missing if each.graph == "state"]
    assert (
        edges
        and all(each.reached == 0 < each.seen for each in edges)
        and "no rollout reached" in str(found)
    )
    assert not check(simulator, points=40, widen=False).missing


def test_it_may_write_into_what_it_is_given():
    def step(state, actions, time, seed):
        state += CHAIN.state.toarray() @ state
        return state

    simulator = dataclasses.replace(network(CHAIN, "tanh", 1, 0), step=step)
    assert check(simulator, points=16).ok


def test_the_tolerance_is_a_share_of_the_entry():
    def step(state, actions, time, seed):
        return 0.5 * state + np.array([[0.0], [1e-4], [0.0]]) * state[2]

    simulator = dataclasses.replace(network(CHAIN, "tanh", 1, 0), step=step)
    assert [(each.source, each.target) for each in check(simulator, points=16).missing] == [
        ("c", "b")
    ]
    assert not check(simulator, points=16, tolerance=1e-2).missing


def test_rewards_may_come_from_the_step():
    simulator = network(CHAIN, "tanh", 1, 0)
    step, reward = simulator.step, simulator.reward
    assert reward is not None

    def both(state, actions, time, seed):
        return step(state, actions, time, seed), reward(state, actions, time)

    together = probe(dataclasses.replace(simulator, step=both, reward=None), points=48)
    assert together.couplings() == CHAIN


def test_without_observations_their_graph_is_not_judged():
    found = check(dataclasses.replace(network(CHAIN, "tanh", 1, 0), observe=None), points=16)
    assert found.ok and found.counts("observation") is None and "not probed" in str(found)


def test_agents_are_matched_by_name():
    other = Couplings(["c", "a", "b"], **{graph: CHAIN.edges(graph) for graph in GRAPHS})
    assert check(network(CHAIN, "tanh", 1, 0), other, points=48).declared == CHAIN


def counting():
    """Random numbers that go on from call to call."""
    numbers = itertools.count()
    return lambda state, actions, time, seed: state + next(numbers)


def raising(*_):
    raise RuntimeError("out of range")


ROWS = np.zeros((3, 1))
MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "own random numbers": (
        {"step": counting()},
        "two different results for the same state, actions, time and seed",
    ),
    "own first state": (
        {"reset": lambda seed: np.random.default_rng().random((3, 1))},
        "reset of 'network' gives agent 'a' two",
    ),
    "shape of reset": (
        {"reset": lambda seed: np.zeros(3)},
        "shape (3,), expected (3, entries): one row",
    ),
    "shape of step": (
        {"step": lambda *_: np.zeros((3, 2))},
        "step of 'network' gives an array of shape (3, 2)",
    ),
    "shape of reward": ({"reward": lambda *_: 1.0}, "each agent's own reward"),
    "shape of observe": ({"observe": lambda state: state[:2]}, "observe of 'network'"),
    "shape of actions": (
        {"sample_actions": lambda random: [0.0, 1.0]},
        "sample_actions of 'network'",
    ),
    "no numbers": ({"step": lambda *_: {"a": 1}}, "gives dict, expected an array of numbers"),
    "ragged": ({"step": lambda *_: [[1], [1, 2], [3]]}, "gives list, expected an array of numbers"),
    "no pair": ({"reward": None}, "must give (state, rewards)"),
    "raises": ({"step": raising}, "step of 'network' raised RuntimeError: out of range"),
    "not finite": (
        {"step": lambda state, *_: state / 0 if state.any() else state},
        "not finite at time",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_mistakes_are_said_in_one_sentence(mistake):
    changes, words = MISTAKES[mistake]
    with pytest.raises(UserError) as error:
        probe(dataclasses.replace(network(CHAIN, "tanh", 1, 0), **changes), points=8)
    assert words in str(error.value) and "\n" not in str(error.value)


FIELDS: dict[str, tuple[dict[str, Any], str]] = {
    "nobody": ({"couplings": None, "agents": None}, "neither couplings nor agents"),
    "no couplings": ({"couplings": [("a", "b")], "agents": None}, "are list"),
    "no function": ({"step": None}, "step of 'network' is NoneType"),
    "no step": ({"horizon": 0}, "horizon of 'network' must be a whole number, at least 1; got 0"),
    "sizes": ({"state_sizes": [1]}, "state_sizes"),
    "sequence": ({"couplings": CouplingSequence([CHAIN])}, "1 entries"),
}


@pytest.mark.parametrize("mistake", FIELDS)
def test_simulators_are_checked_when_built(mistake):
    changes, words = FIELDS[mistake]
    with pytest.raises(UserError, match=words):
        dataclasses.replace(network(CHAIN, "tanh", 1, 0), **changes)


def test_checks_that_cannot_be():
    nobodys = dataclasses.replace(
        network(CHAIN, "tanh", 1, 0), couplings=None, agents=["a", "b", "c"]
    )
    with pytest.raises(UserError, match="declares no couplings"):
        check(nobodys)
    assert isinstance(check(nobodys, CHAIN, points=48), Check)
    with pytest.raises(UserError, match="no agent 'b' in the couplings"):
        check(nobodys, Couplings(["a", "c"]))
    with pytest.raises(UserError, match="no agent 'd' in the 'network'"):
        check(nobodys, Couplings(["a", "b", "c", "d"]))
    with pytest.raises(UserError, match="3 entries and an episode of 'network' 4 steps"):
        check(nobodys, CouplingSequence([CHAIN] * 3))
    with pytest.raises(UserError, match="at least 2"):
        probe(nobodys, points=1)
    with pytest.raises(UserError, match="a Couplings cannot be probed"):
        probe(CHAIN)
    with pytest.raises(UserError, match="a Couplings cannot be checked"):
        mastac.check(CHAIN)
