"""What is refused before a run folder exists, and what is written of what was not measured."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mastac
from mastac import UserError
from mastac.cli.main import main
from mastac.runs.config import resolve
from mastac.runs.results import read_results

KNOBS: dict[str, Any] = {
    "actor_hidden": [4],
    "critic_hidden": [4],
    "updates_per_epoch": 1,
    "progress": False,
}


def small_env(**changes) -> mastac.Environment:
    return dataclasses.replace(mastac.make("lq-3", horizon=4), **changes)


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"batch_size": 20}, "batch_size=20 and warmup_epochs=0 .* after epoch 5, .* epochs=4"),
        ({"batch_size": 4, "warmup_epochs": 9}, "warmup_epochs=9 .* at least 9 epochs"),
        ({"algorithm": "mastac-ppo", "rollout_steps": 21}, "rollout_steps=21 .* at least 6 epochs"),
    ],
)
def test_a_run_without_any_update_is_refused(tmp_path: Path, knobs, message) -> None:
    with pytest.raises(UserError, match=message):
        mastac.train(small_env(), epochs=4, out=tmp_path / "run", **KNOBS | knobs)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reference": lambda: 3.0}, "reference"),
        ({"options": {"walls": {1, 2}}}, "options of environment 'lq-3'"),
        ({"options": {"noise": float("nan")}}, "options of environment 'lq-3'"),
        ({"observe": lambda state: state[:, [0, 0]]}, "observe"),
    ],
)
def test_what_cannot_be_trained_or_stored_is_refused(tmp_path: Path, changes, message) -> None:
    with pytest.raises(UserError, match=message):
        mastac.train(small_env(**changes), epochs=4, out=tmp_path / "run", batch_size=8, **KNOBS)
    assert list(tmp_path.iterdir()) == []


def test_64_bit_mode_is_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mastac", "train", "lq-3", "--epochs", "99", "--out", "run"],
        env=os.environ | {"JAX_ENABLE_X64": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "64-bit mode" in done.stderr and done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_numbers_of_numpy_are_numbers() -> None:
    number: Any = np.int64
    options = mastac.make("lq-3").options
    given = resolve(
        "lq-3",
        options,
        kappa=number(1),
        epochs=number(10),
        seeds=np.arange(3),
        evaluation_interval=number(2),
    )
    plain = resolve("lq-3", options, kappa=1, epochs=10, seeds=[0, 1, 2], evaluation_interval=2)
    assert given.to_dict() == plain.to_dict()
    assert {type(seed) for seed in given.seeds} == {int}
    assert resolve("lq-3", options, seeds=number(4)).seeds == (4,)
    mistakes: list[dict[str, Any]] = [{"seeds": "01"}, {"seeds": [True]}, {"kappa": -1}]
    for wrong in [*mistakes, {"epochs": 2.0}]:
        with pytest.raises(UserError, match="whole number"):
            resolve("lq-3", options, **wrong)


@pytest.mark.parametrize("knobs", [{"batch_size": 8}, {"algorithm": "mastac-ppo"}])
def test_what_was_not_measured_is_left_empty(tmp_path: Path, knobs) -> None:
    if "algorithm" in knobs:
        knobs = knobs | {"rollout_steps": 8, "batch_size": 8}
    run = mastac.train(
        small_env(),
        epochs=4,
        out=tmp_path / "run",
        evaluation_interval=np.int64(2),
        **KNOBS | knobs,
    )
    lines = (run.path / "metrics.csv").read_text().splitlines()
    updates = [0, 1, 2, 3] if "algorithm" not in knobs else [0, 1, 1, 2]
    rows = [line.split(",") for line in lines[1:]]
    assert [int(row[3]) for row in rows] == updates
    for row, happened in zip(rows, np.diff([0, *updates]), strict=True):
        assert row[4] != ""
        assert [cell == "" for cell in row[5:]] == [not happened] * 3
    metrics = read_results(run.path).metrics
    assert np.isnan(metrics["critic_loss"][0]) and np.isfinite(metrics["episode_return"]).all()


def test_mistakes_are_heard_of_before_anything_is_built(tmp_path: Path, capsys) -> None:
    out = str(tmp_path / "run")
    graph = "graph=[[0,7]]"
    assert main(["train", "lq-3", "--env-set", graph, "--epochs", "5", "--out", out]) == 2
    assert "7" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
