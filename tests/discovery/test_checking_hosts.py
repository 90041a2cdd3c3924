"""`mastac check` and `discover` on simulators outside JAX, as a user with a folder meets them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mastac
from host_worlds import Tanks
from mastac.cli.main import main
from mastac.discovery import LogCheck
from mastac.discovery.host_recording import counted
from mastac.discovery.log_checking import check_log

MODULE = """
import numpy as np
from gymnasium.spaces import Box

MADE = []

class Row:
    possible_agents = ["a", "b", "c"]
    max_cycles = 6
    one_per_process = True
    couplings = [("a", "b"), ("b", "c")]

    def __init__(self, strange=False):
        assert all(row.closed for row in MADE), "one is there already"
        MADE.append(self)
        self.closed, self.strange = False, strange

    def close(self):
        self.closed = True

    def observation_space(self, agent):
        return Box(-9, 9, (1,), np.float32)

    def action_space(self, agent):
        return Box(-1, 1, (1,), np.float32)

    def seen(self):
        return {k: np.float32(self.level[[i]]) for i, k in enumerate(self.possible_agents)}

    def reset(self, seed=None, options=None):
        self.level = np.random.default_rng(None if self.strange else seed).normal(size=3)
        return self.seen(), {}

    def step(self, actions):
        moved = np.array([actions[agent][0] for agent in self.possible_agents])
        above = np.array([0.0, *self.level[:2]])
        self.level = 0.6 * self.level + 0.3 * above + moved
        if self.strange:
            self.level[0] += 20 * (len(MADE) > 0)
        rewards = dict(zip(self.possible_agents, -self.level))
        no = dict.fromkeys(self.possible_agents, False)
        return self.seen(), rewards, no, no, {}

class Silent(Row):
    couplings = None

class Broken(Silent):
    def step(self, actions):
        seen, *rest = super().step(actions)
        return {**seen, "b": seen["b"] * np.nan}, *rest

ONE = Row()
ONE.close()

def same():
    return ONE
"""
TRUE = [("a", "b"), ("b", "c")]
LESS = """{"agents": ["a", "b", "c"], "state": [["a", "b"]], "observation": [],
    "reward": [["a", "b"], ["c", "a"]], "action": [], "reward_action": []}"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of the user's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "own_row.py").write_text(MODULE)
    (tmp_path / "less.json").write_text(LESS)
    yield tmp_path
    sys.modules.pop("own_row", None)


def test_a_named_simulator_is_built_once_where_one_is_enough(folder: Path) -> None:
    from mastac.envs.naming import environment_from

    env: Any = environment_from("own_row:Row").build()
    made = sys.modules["own_row"].MADE[1:]
    assert len(made) == 1 and made[0].closed
    assert env.one_per_process and not env.recipe.fixed_length
    with pytest.raises(mastac.UserError, match="'own_row:same' is one simulator"):
        environment_from("own_row:same")


def test_check_tells_missing_and_unfounded_edges(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "own_row:Row", "--episodes", "60"]) == 0
    said = capsys.readouterr().out
    assert "60 episodes, 360 transitions" in said
    assert "Nothing is missing" in said and "cannot be set" in said
    assert main(["check", "own_row:Silent", "--couplings", "less.json", "--episodes", "60"]) == 1
    said = capsys.readouterr().out
    missing, unseen = said.split("without evidence: declared")
    assert "state          b -> c  confidence 1.0000" in missing
    assert "reward         b -> c  confidence 1.0000" in missing
    assert "reward         c -> a" in unseen and "a -> b" not in unseen


def test_check_tells_what_a_simulator_does(folder: Path) -> None:
    found = mastac.check("own_row:Row", env_options={"strange": True}, episodes=8)
    assert isinstance(found, LogCheck)
    notes = "\n".join(found.notes)
    assert "agent 'a' differs after reset(seed=" in notes
    assert "the observation of agent 'a' leaves its space: entry 0 is " in notes
    assert "of episode 0, and the limits are -9 and 9" in notes
    left = mastac.check(mastac.from_pettingzoo(Tanks), episodes=12)
    (said,) = [note for note in left.notes if "left before" in note]  # pyright: ignore
    assert "'lower' left before the horizon in 12 of 12 episodes, first after 3 steps" in said


MISTAKES = {
    "queries": (["own_row:Row", "--points", "9"], "cannot be asked at points"),
    "no couplings": (["own_row:Silent"], "who affects whom"),
    "no couplings of a log": (["log.npz"], "declares no couplings"),
    "episodes of others": (["lq-3", "--episodes", "9"], "episodes are played of simulators"),
    "it fails": (
        ["own_row:Broken", "--couplings", "less.json"],
        "entry 0 of the observation of agent 'b' is nan",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes(mistake: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments, message = MISTAKES[mistake]
    zeros = np.zeros((8, 3, 3, 1))
    mastac.TransitionLog(zeros, zeros[:, :2], zeros[:, :2, :, 0]).save(folder / "log.npz")
    assert main(["check", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_discover_and_logs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    play = ["discover", "own_row:Silent", "--record", "log.npz", "--episodes", "60"]
    assert main(play) == 0
    assert main(["discover", "log.npz", "--out", "found.json"]) == 0
    graphs = mastac.read_couplings("found.json")
    assert set(graphs.edges("state")) == set(graphs.edges("reward")) == set(TRUE)
    capsys.readouterr()
    assert main(["check", "log.npz", "--couplings", "found.json"]) == 0
    assert main(["check", "log.npz", "--couplings", "less.json"]) == 1
    assert main(["discover", "own_row:Broken"]) == 2
    assert "entry 0 of the observation of agent 'b' is nan" in capsys.readouterr().err


def test_what_cannot_be_told_apart_is_not_missing() -> None:
    random = np.random.default_rng(0)
    states = random.normal(size=(40, 6, 3, 1))
    states[:, :, 1] = states[:, :, 0]  # 'b' is a copy of 'a'
    states[:, 1:, 2] = 0.8 * states[:, :-1, 0] + 0.1 * states[:, 1:, 2]
    actions, rewards = random.normal(size=(40, 5, 3, 1)), random.normal(size=(40, 5, 3))
    log = mastac.TransitionLog(states, actions, rewards, agents=["a", "b", "c"])

    def missing(edges: list[tuple[str, str]]) -> set[tuple[str, str]]:
        declared = mastac.Couplings(["a", "b", "c"], state=edges, action=[])
        return {(edge.source, edge.target) for edge in check_log(log, declared).missing}

    assert ("b", "c") not in missing([("a", "c")]) and ("a", "c") not in missing([("b", "c")])
    assert {("a", "c"), ("b", "c")} <= missing([])
    assert any(
        "for another edge" in note
        for note in check_log(log, mastac.complete(3, ["a", "b", "c"])).notes
    )


def test_playing_says_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = iter([0.0, 0.0, 4.0, 8.0, 12.0, 16.0])
    monkeypatch.setattr("mastac.discovery.host_recording.time.monotonic", lambda: next(now))
    assert list(counted([7, 8, 9, 10])) == [7, 8, 9, 10]
    assert capsys.readouterr().err == "2 of 4 episodes played, left 0:08\n"
