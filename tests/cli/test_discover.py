"""`mastac discover`: from a simulator or a log to graphs that the other commands read."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

import mastac
from mastac.cli.main import main
from mastac.structure import Couplings, read_couplings, read_sequence

MODULE = """
import numpy as np
import mastac

def tanks():
    def step(level, pump, time, seed):
        after = 0.8 * level + 0.5 * pump + np.random.default_rng(seed).normal(0, 0.05, level.shape)
        after[1:] += 0.2 * level[:-1]
        return after

    return mastac.Simulator(
        name="tanks",
        agents=["upper", "middle", "lower"],
        horizon=10,
        reset=lambda seed: np.random.default_rng(seed).random((3, 1)),
        step=step,
        reward=lambda level, pump, time: -((level - 1.0) ** 2)[:, 0],
        observe=lambda level: level,
        sample_actions=lambda random: random.uniform(-1, 1, (3, 1)),
    )
"""
TRUE = Couplings(
    ["upper", "middle", "lower"], state=[("upper", "middle"), ("middle", "lower")], action=[]
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of the user's own, with a module that declares no graphs, and the true ones."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "own_tanks.py").write_text(MODULE)
    TRUE.to_json(tmp_path / "true.json")
    return tmp_path


def test_graphs_by_queries_are_read_by_the_other_commands(folder, capsys):
    asked = [
        "discover",
        "own_tanks:tanks",
        "--points",
        "32",
        "--out",
        "found.json",
        "--against",
        "true.json",
    ]
    assert main(asked) == 0
    said = capsys.readouterr().out
    assert "upper -> middle" in said and "graphs  found.json" in said
    assert said.split("against the truth")[1].split("\n")[-4].split() == [
        "all",
        "2",
        "2",
        "2",
        "1.000",
        "1.000",
    ]
    assert read_couplings("found.json") == TRUE
    assert main(["graph", "found.json"]) == 0
    assert main(["check", "own_tanks:tanks", "--couplings", "found.json", "--points", "32"]) == 0
    assert (
        main(["discover", "own_tanks:tanks", "--points", "32", "--by-time", "--out", "times.json"])
        == 0
    )
    times = read_sequence("times.json")
    assert len(times) == 10 and all(
        set(each.edges("state")) <= set(TRUE.edges("state")) for each in times
    )


def test_a_log_is_recorded_and_read(folder, capsys):
    assert main(["discover", "own_tanks:tanks", "--record", "log.npz", "--episodes", "60"]) == 0
    assert "60 episodes of 10 steps of 3 agents" in capsys.readouterr().out
    assert (
        main(["discover", "log.npz", "--out", "found.json", "--against", "true.json", "--json"])
        == 0
    )
    answer = json.loads(capsys.readouterr().out)
    assert answer["score"]["state"] == {"found": 2, "true": 2, "right": 2}
    assert read_couplings("found.json") == TRUE
    assert {each["graph"] for each in answer["edges"] if each["confidence"] >= 0.95} == {"state"}


MISTAKES = {
    "warehous-9": "did you mean 'warehouse-9'?",
    "none.npz": "none.npz: there is no such file",
    "own_tanks:tank": "did you mean 'tanks'?",
    "own_tanks:tanks --points 1": "points is 1",
    "own_tanks:tanks --fdr much": "--fdr 'much' is no number from 0 up to 1",
    "own_tanks:tanks --fdr 1.5": "--fdr '1.5' is no number from 0 up to 1",
    "own_tanks:tanks --out graphs.txt": "a name that ends in .json",
    "own_tanks:tanks --out no/graphs.json --points 4": "cannot be written",
    "own_tanks:tanks --against none.json": "there is no such file",
    "own_tanks:tanks --against thermal-4 --points 4": "there is no agent 'upper'",
    "own_tanks:tanks --env-set a=1": "takes no options; leave out 'a'",
    "own_tanks:tanks --episodes 4": "episodes are recorded of simulators outside JAX",
    "own_tanks:tanks --policy held": "--policy goes with --record",
    "own_tanks:tanks --record log.csv": "a name that ends in .npz",
    "own_tanks:tanks --record log.npz --out a.json": "--out goes with",
    "own_tanks:tanks --record log.npz --policy best": "unknown policy 'best'",
    "own_tanks:tanks --record log.npz --episodes 0": "episodes is 0",
    "log.npz --record log.npz": "is a log already",
    "log.npz --points 8": "--points is of queries",
    "log.npz --by-time": "--by-time is of queries",
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_on_the_command_line(mistake, folder, capsys):
    assert main(["discover", *mistake.split()]) == 2
    said = capsys.readouterr().err
    assert MISTAKES[mistake] in said and said.count("\n") == 1


def test_logs_do_without_jax_and_queries_without_scikit_learn(folder):
    ones = np.random.default_rng(0).random((8, 3, 2, 1))
    mastac.TransitionLog(ones, ones[:, :2], ones[:, :2, :, 0]).save("log.npz")
    for command, absent in (("log.npz", "jax"), ("own_tanks:tanks --points 4", "sklearn")):
        code = "import sys; from mastac.cli.main import main; "
        code += f"main({['discover', *command.split()]}); "
        code += f"sys.exit('{absent}' in sys.modules)"
        assert (
            subprocess.run(
                [sys.executable, "-c", code], check=False, capture_output=True
            ).returncode
            == 0
        )


def test_without_scikit_learn_it_is_said_how_to_get_it(folder, monkeypatch, capsys):
    ones = np.random.default_rng(0).random((8, 3, 2, 1))
    mastac.TransitionLog(ones, ones[:, :2], ones[:, :2, :, 0]).save("log.npz")
    for name in ("sklearn.linear_model", "sklearn.exceptions"):
        monkeypatch.setitem(sys.modules, name, None)
    assert main(["discover", "log.npz"]) == 2
    assert "pip install 'mastac[discover]'" in capsys.readouterr().err
