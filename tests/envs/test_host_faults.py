"""What a user is told of a simulator's own mistakes, and what is none."""

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mastac
from host_worlds import Tanks
from mastac.cli.main import main
from mastac.envs.host.simulator import HostSimulator
from mastac.envs.host.spaces import Wrong
from mastac.envs.naming import environment_from
from mastac.errors import UserError
from mastac.runs.config import configuration_of
from mastac.runs.environment import rebuilt_environment
from mastac.runs.folder import RunFolder

AGENTS = ("upper", "middle", "lower")


class Faulty(Tanks):
    """Fails in its second step, in the way that it is asked for."""

    def __init__(self, fault: str = "none") -> None:
        super().__init__(dry_at=2)
        self.fault = fault

    def step(self, actions: dict[str, np.ndarray]) -> Any:
        obs, rewards, ended, late, infos = super().step(actions)
        if self.time == 2:
            match self.fault:
                case "raises":
                    raise ValueError("the valve is stuck")
                case "exits":
                    sys.exit(3)
                case "no number":
                    obs["lower"] = np.full(3, np.nan, np.float32)
                case "nothing":
                    obs["lower"] = None
                case "no number, and goes on":
                    obs["middle"][0] = np.nan
        return obs, rewards, ended, late, infos


class Listless(Tanks):
    """Does not say in `agents` who is there, and forgets one."""

    possible_agents = AGENTS
    agents = None

    def __init__(self, forgets: str) -> None:
        self.forgets, self.max_cycles = forgets, 5

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        self.time = 0
        return self.shown(), {}

    def shown(self) -> dict[str, np.ndarray]:
        return {agent: np.zeros(self.sizes[agent], np.float32) for agent in self.possible_agents}

    def step(self, actions: dict[str, np.ndarray]) -> Any:
        obs, no = self.shown(), dict.fromkeys(actions, False)
        self.time += 1
        if self.time == 2:
            del obs[self.forgets]
        return obs, dict.fromkeys(actions, 0.0), no, no, {}


def _second_step(make: Any, local_states: str = "observations") -> Any:
    recipe = mastac.from_pettingzoo(make, Tanks.couplings, 5, local_states).recipe
    assert recipe.agents == AGENTS
    simulator = HostSimulator(recipe)
    simulator.reset(1)
    simulator.step(np.zeros((3, 2)))
    return simulator.step(np.zeros((3, 2)))


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (
            "raises",
            r"^step raised ValueError: the valve is stuck \(tests.*_host_faults.py, line [0-9]+\)$",
        ),
        ("exits", r"^step raised SystemExit: 3 \(tests.*_host_faults.py, line [0-9]+\)$"),
        ("no number, and goes on", "^entry 0 of the observation of agent 'middle' is nan$"),
    ],
)
def test_faults_are_told_with_their_place(fault: str, said: str) -> None:
    with pytest.raises(Wrong, match=said):
        _second_step(partial(Faulty, fault))


@pytest.mark.parametrize("fault", ["no number", "nothing"])
def test_what_an_agent_sees_after_its_end_does_not_matter(fault: str) -> None:
    frame = _second_step(partial(Faulty, fault))
    assert frame.terminated.tolist() == [False, False, True]
    assert np.isfinite(frame.states).all()


class Undone(Tanks):
    """Its local state is no number once the agent has left."""

    def local_state(self, agent: str) -> np.ndarray:
        level = super().local_state(agent)
        return level if agent in self.agents else np.full(1, np.nan)


def test_local_states_after_the_end_do_not_matter() -> None:
    frame = _second_step(partial(Undone, dry_at=2), "local_state")
    assert frame.terminated.any() and np.isfinite(frame.states).all()


def test_an_agent_that_is_forgotten_has_not_left() -> None:
    with pytest.raises(Wrong, match="no observation of agent 'middle', which is neither term"):
        _second_step(partial(Listless, "middle"))


def test_a_user_error_within_a_function_names_no_line_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wells_that_fail.py").write_text(
        "import mastac\nfrom host_worlds import Tanks\n\n\nclass Dry(Tanks):\n"
        "    def reset(self, seed=None, options=None):\n        raise ValueError('no water')\n\n\n"
        "def make():\n    return mastac.from_pettingzoo(Dry)\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    said = r"^'wells_that_fail:make': simulator 'tanks': reset raised ValueError: no water "
    with pytest.raises(UserError, match=said + r"\(wells_that_fail.py, line 7\)$"):
        environment_from("wells_that_fail:make")


@pytest.fixture
def edges(tmp_path: Path) -> Path:
    """A file of the edges."""
    (tmp_path / "edges.csv").write_text("source,target\nupper,middle\nlower,lower\n")
    return tmp_path / "edges.csv"


def test_the_command_line_gives_a_simulator_its_couplings(
    edges: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = "host_worlds:Uncoupled"
    assert main(["train", place, "--dry-run"]) == 2
    assert "--couplings FILE" in capsys.readouterr().err
    assert main(["graph", place, "--couplings", str(edges)]) == 0
    assert f"mastac train {place} --couplings {edges}" in " ".join(capsys.readouterr().out.split())
    assert main(["train", "lq-3", "--couplings", str(edges), "--dry-run"]) == 2
    assert "with couplings of its own" in capsys.readouterr().err


def test_a_run_keeps_the_couplings_that_it_was_given(edges: Path, tmp_path: Path) -> None:
    env = environment_from("host_worlds:Uncoupled", None, edges)
    folder, config = RunFolder(tmp_path / "run"), configuration_of(env)
    folder.path.mkdir()
    folder.couplings.write_text(json.dumps(env.structure.couplings.to_dict()))
    edges.unlink()
    stored = type(config).from_dict(config.to_dict())
    assert stored.origin is not None and stored.origin.couplings == str(edges)
    again = rebuilt_environment(folder, stored)
    assert isinstance(again.couplings, mastac.Couplings)
    assert again.couplings.edges("state") == [("upper", "middle")]
