"""A run of `module:name` remembers where its environment came from, and imports it again."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import mastac
from envs.ponds import PONDS, Folder, working_in
from mastac.cli.main import main
from mastac.envs.naming import environment_from
from mastac.runs.config import configuration_of

KNOBS: dict[str, Any] = {"actor_hidden": [4], "critic_hidden": [4], "batch_size": 4}
KNOBS |= {"updates_per_epoch": 1, "epochs": 4, "keep": "last"}
WORDS = ["train", "ponds:make", "--env-set", "number=2", "--evaluation-episodes", "3", "--epochs"]
WORDS += ["4", "--no-progress", "--out", "run"]
WORDS += [
    word
    for knob in (
        "actor_hidden=[4]",
        "critic_hidden=[4]",
        "batch_size=4",
        "updates_per_epoch=1",
        "keep=last",
    )
    for word in ("--set", knob)
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Iterator[Folder]:
    """A working directory with the module `ponds`, and in `run` a finished run of it."""
    with working_in(tmp_path_factory.mktemp("own")) as folder:
        assert main(WORDS) == 0
        yield folder


@pytest.fixture(autouse=True)
def anew(folder: Folder) -> Iterator[None]:
    """Each test begins as a new process would, and leaves the module as it was."""
    folder.forget()
    yield
    folder.write("ponds.py")


def stop(report: Any) -> None:
    """Ctrl-C after the first chunk."""
    if report.epoch == 1:
        os.kill(os.getpid(), signal.SIGINT)


def stopped(env: Any, out: str, **given: Any) -> str:
    """Train and stop; what is said on how to go on."""
    with pytest.raises(mastac.Stopped) as told:
        mastac.train(env, out=out, progress=stop, evaluation_interval=1, **KNOBS, **given)
    return str(told.value)


def test_the_folder_says_where_the_environment_came_from(folder: Folder, capsys) -> None:
    config = json.loads(Path("run/config.json").read_text())
    assert config["env"] == "ponds" and config["custom"]
    directory = str(folder.path)
    origin = {"place": "ponds:make", "directory": directory, "options": {"number": 2}}
    assert config["origin"] == {**origin, "couplings": None}
    assert config["env_options"] == {"number": 2}
    assert main(["evaluate", "run", "--json"]) == 0
    played, summary = json.loads(capsys.readouterr().out), mastac.load("run").summary
    assert played["greedy_by_seed"] == pytest.approx(summary["greedy_by_seed"])
    assert main(["resume", "run"]) == main(["compare", "run"]) == main(["plot", "run"]) == 0
    assert main(["graph", "run"]) == 0
    assert "mastac train ponds:make --env-set number=2" in capsys.readouterr().out


def test_a_stopped_run_goes_on_by_the_command_that_is_named(folder: Folder, capsys) -> None:
    told = stopped("ponds:env", "cut")
    assert told.endswith("go on with: mastac resume cut")
    with pytest.raises(mastac.UserError, match="finish it with 'mastac resume cut'"):
        print(mastac.load("cut").summary)
    folder.forget()
    assert main([*told.split("mastac ")[1].split(), "--no-progress"]) == 0
    assert "4 epochs" in capsys.readouterr().out
    assert mastac.load("cut").is_finished


def test_a_stopped_run_of_an_object_goes_on_in_python(folder: Folder) -> None:
    env = environment_from("ponds:env").build()
    told = stopped(env, "object")
    assert told.endswith("go on with: mastac.resume('object', env=...)")
    with pytest.raises(mastac.UserError, match=r"finish it with 'mastac\.resume\('object', env="):
        print(mastac.load("object").summary)
    with pytest.raises(mastac.UserError, match=r"continue it with 'mastac\.resume\('object', env="):
        mastac.train(env, out="object", **KNOBS)
    with pytest.raises(mastac.UserError, match=r"pass it from Python: mastac\.load\('object'"):
        mastac.resume("object")
    assert mastac.resume("object", env=env, progress=False).is_finished


def test_another_environment_is_refused_by_what_differs(folder: Folder, capsys) -> None:
    folder.write("ponds.py", PONDS.replace("horizon=3", "horizon=5"))
    assert main(["evaluate", "run"]) == 2
    said = capsys.readouterr().err
    assert "'ponds:make' is not the environment that the run in 'run' was trained on" in said
    assert "its horizon is 5, not 3" in said
    folder.write("ponds.py", PONDS.replace("(level - 1.0)", "(level - 2.0)"))
    assert main(["evaluate", "run"]) == 2
    assert "the reward of agent 'agent-0' differs" in capsys.readouterr().err


def test_a_module_that_is_gone_is_named_with_its_directory(
    folder: Folder, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    run = str(folder.path / "run")
    assert main(["evaluate", run, "--episodes", "2"]) == 2
    said = capsys.readouterr().err
    for words in (
        f"'ponds:make' in the directory '{folder.path}'",
        f"no module 'ponds' in {tmp_path}",
        f"set PYTHONPATH='{folder.path}'",
        "env=...",
    ):
        assert words in said
    assert main(["plot", run]) == main(["compare", run]) == 0, "what reads only needs no module"
    monkeypatch.syspath_prepend(str(folder.path))  # as PYTHONPATH does
    assert main(["evaluate", run, "--episodes", "2"]) == 0
    env = environment_from("ponds:make").build()
    assert mastac.load(run, env=env).evaluate(2)["greedy_mean"] < 0


def test_a_damaged_origin_is_said(folder: Folder, tmp_path: Path) -> None:
    config = json.loads(Path("run/config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"origin": "ponds:make"}))
    with pytest.raises(mastac.UserError, match="origin must be an object or null, not text"):
        mastac.load(tmp_path)
    del config["origin"]  # as an earlier version wrote it
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert mastac.load(tmp_path).config.origin is None


def test_a_built_in_environment_from_a_module_is_built_again(folder: Folder) -> None:
    folder.write("known.py", "import mastac\nenv = mastac.make('lq-2', horizon=3)\n")
    environment = environment_from("known:env")
    config = configuration_of(environment)
    assert (config.env, config.custom, config.origin) == ("lq-2", False, None)
    assert config.env_options["horizon"] == 3


def test_evaluation_episodes_are_those_of_evaluations_during_training(folder: Folder) -> None:
    run = mastac.load("run")
    assert (run.config.evaluation_episodes, run.config.final_episodes) == (3, 100)
    last = float(run.folder.evaluation.read_text().splitlines()[-1].split(",")[2])
    assert last == pytest.approx(run.evaluate(3)["greedy_mean"], rel=1e-5)
    assert last != pytest.approx(run.evaluate(4)["greedy_mean"], rel=1e-5)
    many = mastac.train("ponds:env", out="many", evaluation_episodes=150, progress=False, **KNOBS)
    mean = pytest.approx(many.summary["greedy_mean"], rel=1e-5)
    assert many.evaluate()["greedy_mean"] == many.evaluate(150)["greedy_mean"] == mean
    with pytest.raises(mastac.UserError, match="evaluation_episodes must be a whole number"):
        mastac.train("ponds:env", evaluation_episodes=0.5)  # pyright: ignore[reportArgumentType]


def test_a_run_says_what_came_out(folder: Folder, tmp_path: Path) -> None:
    run = mastac.load("run")
    assert repr(run) == "Run('run')"
    mean = run.summary["greedy_mean"]
    assert str(run).splitlines() == [
        "run run",
        "ponds: mastac κ=2, 4 epochs, 12 environment steps a seed, seed 0",
        f"greedy return {mean:.2f}",
    ]
