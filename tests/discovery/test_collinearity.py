"""Logs in which sources cannot be told apart: what is planted is undecided, and never certain."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from mastac.cli.main import main
from mastac.discovery import Discovered, Source, TransitionLog, discover, random_network, record

AGENTS = ["a", "b", "c", "d"]
Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def planted(
    seed: int,
    states: Change = lambda x, random: x,
    actions: Change = lambda x, random: random.uniform(-1, 1, x.shape),
    source: int = 1,
    weight: float = 0.5,
    episodes: int = 60,
) -> TransitionLog:
    """Four agents of which one moves 'd', as long as `states` and `actions` do not change that.

    `states` overwrites the states [episodes, agents] before each step; `actions` gives the actions
    in them.
    """
    random = np.random.default_rng(seed)
    x = states(random.standard_normal((episodes, 4)), random)
    rows = []
    for _ in range(15):
        u = actions(x, random)
        after = 0.6 * x + 0.5 * u + 0.2 * random.standard_normal(x.shape)
        after[:, 3] += weight * x[:, source]
        rows.append((x, u, -(x**2)))
        x = states(after, random)
    taken = [np.stack(column, 1) for column in zip(*rows, strict=True)]
    all_states = np.concatenate([taken[0], x[:, None]], 1)[..., None]
    return TransitionLog(all_states, taken[1][..., None], taken[2], agents=AGENTS)


def put(place: int, function: Callable[..., np.ndarray]) -> Change:
    """The states with one agent's replaced by what the function makes of them."""

    def change(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
        x = x.copy()
        x[:, place] = function(x, random)
        return x

    return change


def noisy(scale: float) -> Change:
    """'c' is twice 'b', and noise."""
    return put(2, lambda x, random: 2 * x[:, 1] + scale * random.standard_normal(len(x)))


def certain(found: Discovered) -> set[tuple[str, str, str]]:
    return {(edge.graph, edge.source, edge.target) for edge in found.found()}


def undecided(found: Discovered) -> set[tuple[str, str, str]]:
    return {(edge.graph, edge.source, edge.target) for edge in found.undecided}


ALIKE = {
    "copy": (noisy(0.0), "bc"),
    "near copy": (noisy(0.03), "bc"),
    "three": (
        lambda x, random: np.stack([x[:, 1], x[:, 1], -3 * x[:, 1], x[:, 3]], 1),
        "abc",
    ),
    "bent": (put(2, lambda x, random: np.tanh(2 * x[:, 1])), "bc"),
    "not monotone": (put(2, lambda x, random: x[:, 1] ** 2), "bc"),
    "a jump": (put(2, lambda x, random: np.sign(x[:, 1])), "bc"),
    "sum": (put(2, lambda x, random: x[:, 0] + x[:, 1]), "abc"),
    "near sum": (
        put(2, lambda x, random: x[:, 0] + x[:, 1] + 0.005 * random.standard_normal(len(x))),
        "abc",
    ),
}


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("case", ALIKE)
def test_states_that_move_alike_are_undecided(case, seed):
    states, members = ALIKE[case]
    found = discover(planted(seed, states), seed=seed)
    assert found.alike == (tuple(Source("state", agent) for agent in members),)
    assert {("state", agent, "d") for agent in members} <= undecided(found)
    # What the group's members do is undecided, in whichever graph, and to whomever.
    assert not {edge for edge in certain(found) if edge[1] in members and "action" not in edge[0]}
    assert not undecided(found) & certain(found)
    assert ("state", "b", "d") not in found.couplings().edges("state")
    (edge,) = [e for e in found.undecided if (e.graph, e.source, e.target) == ("state", "b", "d")]
    assert edge.alternatives == tuple(Source("state", agent) for agent in members if agent != "b")
    assert edge.confidence > 0.99


def test_a_sum_may_be_the_source():
    states, _ = ALIKE["sum"]
    found = discover(planted(0, states, source=2))
    assert {("state", agent, "d") for agent in "abc"} <= undecided(found)


def test_an_own_state_that_moves_like_another_explains_as_much():
    found = discover(planted(0, noisy(0.0)))
    (edge,) = [e for e in found.undecided if (e.graph, e.source, e.target) == ("state", "c", "b")]
    assert edge.alternatives == (Source("state", "b"),)
    assert "c -> b  or from its own state" in str(found)


def test_an_action_that_follows_from_a_state_is_undecided():
    def actions(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
        u = random.uniform(-1, 1, x.shape)
        u[:, 1] = -np.tanh(x[:, 1])
        return u

    found = discover(planted(0, actions=actions))
    assert found.alike == ((Source("action", "b"), Source("state", "b")),)
    assert undecided(found) == {("state", "b", "d"), ("action", "b", "d")}
    assert not certain(found)


def test_actions_that_all_agents_share_are_undecided():
    found = discover(
        planted(0, actions=lambda x, random: np.tile(random.uniform(-1, 1, (len(x), 1)), 4))
    )
    assert found.alike == (tuple(Source("action", agent) for agent in AGENTS),)
    assert certain(found) == {("state", "b", "d")}
    assert {("action", "a", "c"), ("action", "c", "a")} <= undecided(found)


def test_of_similar_sources_the_wrong_one_is_not_certain():
    """Of two with a correlation of 0.99 the sparse regression alone chooses the wrong one often."""
    for seed in range(12):
        found = discover(planted(seed, noisy(0.1), weight=0.3), seed=seed)
        assert ("state", "c", "d") not in certain(found)
        both = {("state", "b", "d"), ("state", "c", "d")}
        assert ("state", "b", "d") in certain(found) or both <= undecided(found)


def test_a_free_entry_of_a_source_is_tested_alone():
    """One entry of 'b' is a copy of 'c', the other is its own and moves 'd'."""
    random = np.random.default_rng(0)
    states, rewards = random.standard_normal((40, 11, 3, 2)), np.zeros((40, 10, 3))
    states[:, :, 0, 0] = states[:, :, 1, 0]
    rewards[..., 2] = states[:, :-1, 0, 1] + random.standard_normal((40, 10))
    actions = random.uniform(-1, 1, (40, 10, 3, 1))
    found = discover(TransitionLog(states, actions, rewards, agents=["b", "c", "d"]))
    assert found.alike == ((Source("state", "b"), Source("state", "c")),)
    assert certain(found) == {("reward", "b", "d")} and not undecided(found)


def test_sources_that_never_vary_are_named():
    found = discover(planted(0, put(1, lambda x, random: np.ones(len(x)))))
    assert found.constant == (Source("state", "b"),)
    assert not [edge for edge in found.edges if edge.source == "b" and edge.graph == "state"]
    assert "the states of 'b' never vary" in str(found)
    assert found.to_dict()["constant"] == [{"kind": "state", "agent": "b"}]


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_alike_where_nothing_is(seed):
    """Not even under actions that are held, where states settle at what the actions make them."""
    for policy in ("random", "held"):
        found = discover(record(random_network(5, seed, horizon=10), 20, seed, policy))
        assert not found.alike and not found.constant


def test_a_total_that_never_changes_is_noted_and_edges_stay():
    """Of six stocks each follows from the other five; that five act at once is ruled out."""

    def close(x: np.ndarray) -> np.ndarray:
        return x - x.mean(1, keepdims=True)

    random = np.random.default_rng(0)
    x, rows = close(random.standard_normal((60, 6))), []
    for _ in range(15):
        rows.append(x)
        x = close(0.5 * x + 0.5 * np.roll(x, 1, 1) + 0.3 * random.standard_normal(x.shape))
    states = np.stack([*rows, x], 1)
    rewards = states[:, :-1] + 2 * np.roll(states[:, :-1], 1, 2)
    found = discover(TransitionLog(states[..., None], random.random((60, 15, 6, 1)), rewards))
    assert not found.alike and not found.undecided
    assert {(e.source, e.target) for e in found.found() if e.graph == "reward"} == {
        (f"agent-{i}", f"agent-{(i + 1) % 6}") for i in range(6)
    }
    assert "those of 5 others have a total that never changes" in str(found)


def test_the_report_and_json_name_what_is_undecided(tmp_path, capsys):
    log = str(planted(0, noisy(0.0)).save(tmp_path / "log.npz"))
    assert main(["discover", log]) == 0
    said = capsys.readouterr().out
    assert "state          b -> d  or from the state of 'c'" in said
    assert "the state of 'b' and the state of 'c' cannot be told apart" in said
    assert main(["discover", log, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    edges = {(edge["graph"], edge["source"], edge["target"]) for edge in report["undecided"]}
    assert {("state", "b", "d"), ("state", "c", "d")} <= edges
    assert report["undecided"][0]["alternatives"]
    assert report["alike"] == [[{"kind": "state", "agent": "b"}, {"kind": "state", "agent": "c"}]]


def test_one_agent_alone_has_no_edges(tmp_path, capsys):
    log = record(random_network(1, 0), 10)
    assert not discover(log).edges and not discover(random_network(1, 0), points=4).edges
    assert main(["discover", str(log.save(tmp_path / "log.npz"))]) == 0
    said = capsys.readouterr().out
    assert "1 agent," in said and "state: 0 edges" in said
