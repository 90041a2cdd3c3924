"""Graphs from logs: what is recovered, what is not invented, what a log cannot tell."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from mastac.discovery import (
    Discovered,
    Score,
    TransitionLog,
    discover,
    random_network,
    read_log,
    record,
)
from mastac.discovery.samples import center_by_time, split_episodes
from mastac.envs import make
from mastac.errors import UserError


def total(found: Discovered, true) -> Score:
    score = Score(0, 0, 0)
    for each in found.score(true).values():
        score = each + score
    return score


@pytest.fixture(scope="module")
def linear():
    """A linear-quadratic network and a log of it."""
    env = make("lq-6", reward="neighbours")
    return env, record(env, 40)


def test_a_linear_quadratic_network_is_recovered(linear):
    env, log = linear
    found = discover(log)
    assert found.couplings() == env.couplings
    assert all(each.p_value is not None and each.effect > 0 for each in found.edges)


def test_kinks_and_shares_without_noise_are_recovered():
    env = make("warehouse-9")
    score = total(discover(record(env, 150)), env.couplings)
    assert score.recall == 1.0 and score.precision is not None and score.precision >= 0.95


@pytest.mark.parametrize("seed", [0, 1])
def test_a_nonlinear_network_is_recovered(seed):
    simulator = random_network(10, seed)
    score = total(discover(record(simulator, 100, seed=seed)), simulator.couplings)
    assert score.precision is not None and score.precision >= 0.95
    assert score.recall is not None and score.recall >= 0.95


def test_more_transitions_find_more():
    simulator = random_network(10, 4, noise=1.0, horizon=10)
    log = record(simulator, 120)
    few, many = (total(discover(each), simulator.couplings) for each in (log.first(8), log))
    assert few.right + 5 < many.right <= many.true


@pytest.fixture(scope="module")
def of_nothing() -> list[Discovered]:
    """What is found in logs of agents that do not affect each other; every discovery is false."""
    logs = [
        record(random_network(6, seed, degree=0.0, horizon=10), 30, seed=seed) for seed in range(10)
    ]
    return [discover(log, fdr=0.2, least_effect=0.0, seed=seed) for seed, log in enumerate(logs)]


def test_without_edges_no_more_than_the_asked_share_of_graphs_has_a_false_one(of_nothing):
    """Without edges the false discovery rate is the probability that anything is found."""
    hit = [
        any(each.graph == graph for each in found.found())
        for found in of_nothing
        for graph in found.graphs
    ]
    assert np.mean(hit) <= 0.2 + 3 * np.sqrt(0.2 * 0.8 / len(hit))


def test_p_values_without_edges_are_uniform_or_larger(of_nothing):
    values = np.array([each.p_value for found in of_nothing for each in found.edges])
    assert len(values) > 50
    for level in (0.1, 0.5):
        assert (values <= level).mean() < level + 3 * np.sqrt(level * (1 - level) / len(values))


@pytest.mark.parametrize(("episodes", "steps"), [(8, 4), (10, 4), (8, 10), (20, 5)])
def test_few_transitions_of_pure_noise_make_no_sure_edges(episodes, steps):
    """With as many terms as transitions everything fits, and no residual would be left."""
    finds, least = 0, 1.0
    for seed in range(8):
        random = np.random.default_rng(seed)
        shape = (episodes, steps, 3)
        states = random.standard_normal((episodes, steps + 1, 3, 1))
        found = discover(
            TransitionLog(
                states, random.standard_normal((*shape, 1)), random.standard_normal(shape)
            )
        )
        finds += bool(found.found())
        least = min([least, *(each.p_value or 0.0 for each in found.edges)])
    assert finds <= 4 and least > 1e-5


def test_confidence_is_one_less_the_adjusted_p_value():
    found = discover(record(random_network(6, 0, degree=1.0), 25), least_effect=0.0)
    for graph in found.graphs:
        edges = sorted(
            (each for each in found.edges if each.graph == graph),
            key=lambda each: each.p_value or 0.0,
        )
        least = 1.0
        for rank in range(len(edges), 0, -1):  # Benjamini and Hochberg, by hand
            least = min(least, (edges[rank - 1].p_value or 0.0) * len(edges) / rank)
            assert edges[rank - 1].confidence == pytest.approx(1 - least)
    strict, loose = found.found(0.999), found.found(0.5)
    assert set(strict) <= set(found.found()) <= set(loose)
    with pytest.raises(UserError, match="of edges found by queries"):
        found.found(least_share=0.5)


def test_it_repeats_and_renaming_permutes_nothing():
    log = record(random_network(4, 2, horizon=10), 16)
    named = dataclasses.replace(log, agents=["d", "c", "b", "a"])
    one, other = discover(log, seed=3), discover(named, seed=3)
    assert one.edges == discover(log, seed=3).edges
    assert [each.p_value for each in one.edges] == [each.p_value for each in other.edges]
    assert other.edges[0].source in "abcd"


def test_halves_share_no_episode_and_time_is_taken_out():
    log = record(random_network(3, 0), 10)
    first, second = split_episodes(log, np.random.default_rng(0))
    assert len(first.values) + len(second.values) == 10 * log.steps
    assert not set(map(tuple, first.values)) & set(map(tuple, second.values))
    by_time = center_by_time(first.values, log.steps).reshape(-1, log.steps, first.values.shape[1])
    assert np.abs(by_time.mean(0)).max() < 1e-12


def test_actions_that_follow_from_states_are_noted(linear):
    _, log = linear
    gain = -0.5 * log.states[:, :-1, :, :1]
    closed = dataclasses.replace(log, actions=gain)
    found = discover(closed)
    assert "follow from the states" in found.notes[0] and "'agent-1'" in str(found)
    still = dataclasses.replace(log, actions=np.zeros_like(log.actions))
    found = discover(still)
    assert "never vary" in found.notes[0] and not [
        each for each in found.edges if "action" in each.graph
    ]


def test_agents_that_move_alike_are_not_told_apart():
    log = record(random_network(2, 0, degree=0.0), 40)
    both = np.concatenate(
        [log.states, log.states[:, :, 1:]], 2
    )  # a third agent, the second one's double
    rewards = np.concatenate([log.rewards + log.states[:, :-1, 1], log.rewards[:, :, 1:]], 2)
    actions = np.concatenate([log.actions, log.actions[:, :, 1:]], 2)
    found = discover(TransitionLog(both, actions, rewards))
    assert not [
        each for each in found.found() if (each.graph, each.target) == ("reward", "agent-0")
    ]


@pytest.mark.parametrize("policy", ["random", "held", "simple"])
def test_recorded_rewards_and_steps_are_those_of_the_environment(policy):
    env = make("lq-3", noise=0.0)
    log = record(env, 3, policy=policy)
    assert log.observations is not None
    for time in (0, 5):
        state, actions = log.states[1, time], log.actions[1, time]
        after = env.step(state, actions, time, jax.random.key(0))
        np.testing.assert_allclose(after, log.states[1, time + 1], atol=1e-5)
        np.testing.assert_allclose(
            env.reward(state, actions, time), log.rewards[1, time], atol=1e-5
        )
        np.testing.assert_allclose(env.observed(state, time), log.observations[1, time], atol=1e-5)
    assert (np.ptp(log.actions, axis=1).max() > 0) == (policy == "random")
    assert (np.ptp(log.actions, axis=0).max() > 0) == (policy != "simple")  # which is to do nothing


def test_a_log_comes_back_from_its_file(tmp_path):
    log = record(random_network(3, 0), 8, policy="held")
    assert np.ptp(log.actions, axis=1).max() == 0
    back = read_log(log.save(tmp_path / "log.npz"))
    for array in ("states", "actions", "rewards", "observations"):
        np.testing.assert_array_equal(getattr(back, array), getattr(log, array))
    assert back.names == log.names and back.name == log.name
    np.savez(tmp_path / "plain.npz", states=log.states, actions=log.actions, rewards=log.rewards)
    plain = read_log(tmp_path / "plain.npz")
    assert plain.observations is None and plain.name == "plain"
    assert "observation" not in discover(plain).graphs and "not looked for" in str(discover(plain))


SHAPES = {"states": (8, 4, 2, 1), "actions": (8, 3, 2, 1), "rewards": (8, 3, 2)}
NAN = np.full(SHAPES["rewards"], np.nan)
LOGS = {
    "rewards are flat": ({"rewards": np.zeros(3)}, "rewards of 'log' must be an array of numbers"),
    "words": (
        {"actions": np.full(SHAPES["actions"], "a")},
        "actions of 'log' must be an array of numbers",
    ),
    "ragged": ({"states": [[1], [1, 2]]}, "states of 'log' must be an array of numbers"),
    "too short": ({"states": np.zeros((8, 3, 2, 1))}, "they must be (8, 4, 2, entries)"),
    "other agents": ({"actions": np.zeros((8, 3, 3, 1))}, "they must be (8, 3, 2, entries)"),
    "no entries": ({"actions": np.zeros((8, 3, 2, 0))}, "they must be (8, 3, 2, entries)"),
    "empty": ({"rewards": np.zeros((0, 3, 2))}, "rewards of 'log' are empty"),
    "names": ({"agents": ["a"]}, "names 1 agents, and its rewards are of 2"),
    "sizes": ({"state_sizes": [1, 2]}, "gives agent 'agent-1' 2 of 1 entries"),
    "shape of sizes": ({"action_sizes": [1]}, "action_sizes of 'log' must give one whole number"),
    "not finite": (
        {"rewards": NAN},
        "hold a value of agent 'agent-0' that is not finite (episode 0, time 0)",
    ),
}


@pytest.mark.parametrize("mistake", LOGS)
def test_mistakes_in_a_log_are_said_in_one_sentence(mistake):
    changes, words = LOGS[mistake]
    with pytest.raises(UserError) as error:
        TransitionLog(**({name: np.zeros(shape) for name, shape in SHAPES.items()} | changes))
    assert words in str(error.value) and "\n" not in str(error.value)


def test_padding_may_be_anything():
    states = np.zeros(SHAPES["states"])
    states[:, :, 1] = np.nan
    given: dict[str, Any] = {name: np.zeros(shape) for name, shape in SHAPES.items()} | {
        "states": states
    }
    assert TransitionLog(**given, state_sizes=[1, 0]).episodes == 8


def test_other_mistakes_with_logs(tmp_path):
    log = record(random_network(2), 7)
    with pytest.raises(UserError, match="has 7 episodes"):
        discover(log)
    with pytest.raises(UserError, match="from 1 to 7; got 9"):
        log.first(9)
    with pytest.raises(UserError, match="by queries only"):
        discover(log, by_time=True)
    with pytest.raises(UserError, match=r"ends in \.npz"):
        log.save(tmp_path / "log.csv")
    with pytest.raises(UserError, match="cannot be written"):
        log.save(tmp_path / "no folder" / "log.npz")
    with pytest.raises(UserError, match="there is no such file"):
        read_log(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("text")
    with pytest.raises(UserError, match="this is no log"):
        read_log(tmp_path / "text.npz")
    np.savez(tmp_path / "less.npz", states=log.states, actions=log.actions)
    with pytest.raises(UserError, match="'rewards' is missing"):
        read_log(tmp_path / "less.npz")
    for policy, words in (("best", "unknown policy"), ("simple", "no simple policy")):
        with pytest.raises(UserError, match=words):
            record(random_network(2), 2, policy=policy)
    with pytest.raises(UserError, match="episodes must be a whole number, at least 1; got 0"):
        record(random_network(2), 0)
    with pytest.raises(UserError, match="a int cannot be played"):
        record(3, 2)


def test_a_log_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    log = record(random_network(2), 8)
    path = log.save(tmp_path / "log.npz")
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="No space left on device"):
        record(random_network(2), 9).save(path)
    assert path.read_bytes() == before and read_log(path).episodes == 8


def test_a_log_of_an_older_version_stays_readable():
    """It was written by NumPy itself, without the shared module for files."""
    log = read_log(Path(__file__).parent / "old_log.npz")
    assert log.names == ("agent-0", "agent-1") and (log.episodes, log.steps) == (8, 2)
    assert log.observations is not None and log.name == "random-2"


def test_numbers_of_numpy_are_numbers():
    nine, eight, two, one = (numpy_number(number) for number in (9, 8, 2, 1))
    log = record(random_network(2), nine, seed=one)
    np.testing.assert_array_equal(log.states, record(random_network(2), 9, seed=1).states)
    assert log.first(eight).episodes == 8
    assert discover(log, seed=two).edges == discover(log, seed=2).edges
    with pytest.raises(UserError, match="seed must be a whole number"):
        discover(log, seed=-1)


def numpy_number(number: int) -> Any:
    return np.int64(number)
