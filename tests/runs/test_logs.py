"""Logs hold what the CSV files hold, each row once, also after a crash."""

import importlib
import importlib.util
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import mastac
from mastac.cli.main import main
from mastac.runs.compilation_cache import VARIABLE, cache_folder
from mastac.runs.folder import RunFolder
from mastac.runs.logs import Logs, checked, entries

KNOBS = {"actor_hidden": [4], "critic_hidden": [4], "batch_size": 8, "updates_per_epoch": 1}
Point = tuple[str, str, int, float]


class Kept:
    """A logger of a user's."""

    def __init__(self) -> None:
        self.points: list[Point] = []
        self.is_closed = False

    def log(self, series: str, env_steps: int, metrics: Any) -> None:
        self.points += [(series, name, env_steps, value) for name, value in metrics.items()]

    def close(self) -> None:
        self.is_closed = True


class PowerCut(Exception):
    pass


def events(folder: Path) -> Iterator[Point]:
    """What event files hold, read without the writer's help but for the format of a message."""
    event_type = importlib.import_module("tensorboardX.proto.event_pb2").Event
    for path in sorted(folder.rglob("events.out.*")):
        content = path.read_bytes()
        at = 0
        while at < len(content):
            length = int.from_bytes(content[at : at + 8], "little")
            event = event_type.FromString(content[at + 12 : at + 12 + length])
            at += 16 + length
            for value in event.summary.value:
                yield path.parent.name, value.tag, event.step, value.simple_value


def from_tables(folder: Path) -> dict[tuple[str, str, int], float]:
    """The points of all seeds, as `metrics.csv` and `evaluation.csv` have them."""
    points, steps = {}, {}
    for row in np.genfromtxt(folder / "metrics.csv", delimiter=",", names=True):
        seed, count = f"seed-{int(row['seed'])}", int(row["env_steps"])
        steps[seed, int(row["epoch"]) + 1] = count
        for name in ("episode_return", "critic_loss", "value", "gradient_norm", "updates"):
            if np.isfinite(row[name]):
                points[seed, f"train/{name}", count] = row[name]
    for row in np.genfromtxt(folder / "evaluation.csv", delimiter=",", names=True):
        seed = f"seed-{int(row['seed'])}"
        at = steps[seed, int(row["epoch"])]
        points[seed, "eval/episode_return", at] = row["episode_return"]
    return points


@pytest.fixture(scope="module")
def resumed(
    nothing_kept: None, tmp_path_factory: pytest.TempPathFactory
) -> tuple[mastac.Run, Kept, Kept]:
    """A run cut off after its second chunk, with a checkpoint of the first, and resumed.

    Its compiled programs are kept, so that the second half starts sooner.
    """
    from mastac.runs.execution import Execution

    def cut_power(report: Any) -> None:
        if report.epoch == 4:
            raise PowerCut

    class Saving(Execution):
        def advance(self) -> Any:
            report = super().advance()
            if self.epoch == 2:
                self.save()
            return report

    out, before, after = tmp_path_factory.mktemp("logs") / "run", Kept(), Kept()
    choices = {"env_options": {"horizon": 4}, "evaluation_interval": 2, "progress": cut_power}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(tmp_path_factory.mktemp("cache")))
        patch.setattr("mastac.runs.execution.Execution", Saving)
        with pytest.raises(PowerCut):
            mastac.train(
                *("lq-3", "mastac", 1, 6, [3, 1], out),
                log=["tensorboard", before],
                **choices,
                **KNOBS,
            )
        run = mastac.resume(out, progress=False, log=after)
        folder = cache_folder()
        assert folder is not None and list(folder.glob("jit_advance*-cache"))
        assert json.loads((folder / "seconds.json").read_text())
    return run, before, after


def test_event_files_hold_every_row_once(resumed) -> None:
    run, _, _ = resumed
    points = list(events(run.path / "tensorboard"))
    logged = {point[:3]: point[3] for point in points}
    assert len(logged) == len(points), "a row stands twice"
    expected = from_tables(run.path)
    of_seeds = {k: v for k, v in logged.items() if k[0] != "mean" and k[1] != "eval/score"}
    assert of_seeds.keys() == expected.keys()
    for key, value in expected.items():
        assert of_seeds[key] == pytest.approx(value, rel=1e-6)
    names = {name for series, name, _ in logged if series == "mean"}
    assert {"time/seconds", "time/env_steps_per_second", "train/critic_loss", "eval/score"} <= names
    mean = logged["mean", "eval/episode_return", 24]
    both = [logged[f"seed-{s}", "eval/episode_return", 24] for s in (3, 1)]
    assert mean == pytest.approx(np.mean(both), rel=1e-6)
    assert json.loads((run.path / "logs.json").read_text())["tensorboard"]["epochs"] == 6


def test_a_logger_of_ones_own_gets_what_is_played(resumed) -> None:
    run, before, after = resumed
    of_seeds = {p[:3]: p[3] for p in before.points if p[2] <= 8 and p[0] != "mean"}
    of_seeds |= {p[:3]: p[3] for p in after.points if p[0] != "mean"}
    of_seeds = {k: v for k, v in of_seeds.items() if k[1] != "eval/score"}
    assert of_seeds == pytest.approx(from_tables(run.path), rel=1e-6)
    assert {step for _, _, step, _ in before.points} == {4, 8, 12, 16}
    assert {step for _, _, step, _ in after.points} == {12, 16, 20, 24}
    assert before.is_closed and after.is_closed


class Wandb(ModuleType):
    """Stands for the package: what it is asked for, and what it is given."""

    def __init__(self) -> None:
        super().__init__("wandb")
        self.__spec__ = importlib.util.spec_from_loader("wandb", None)
        self.begun: list[dict] = []
        self.rows: list[dict] = []
        self.defined: list[Any] = []
        self.knows_account = True

    def login(self, prompt: bool) -> bool:
        return self.knows_account

    def init(self, **choices: Any) -> Any:
        self.begun.append(choices)
        define = lambda name, step_metric=None: self.defined.append((name, step_metric))  # noqa: E731
        log = lambda row: self.rows.append(dict(row))  # noqa: E731
        return SimpleNamespace(define_metric=define, log=log, finish=lambda: None)


@pytest.fixture
def wandb(monkeypatch: pytest.MonkeyPatch) -> Wandb:
    module = Wandb()
    monkeypatch.setitem(sys.modules, "wandb", module)
    monkeypatch.delitem(sys.modules, "mastac.runs.wandb_log", raising=False)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    return module


def chunk(first: int) -> tuple[list, list, list]:
    """Rows of two epochs and two seeds; the second seed has no update yet."""
    table = [
        [seed, epoch, 5 * (epoch + 1), 1, -float(seed), 2.0 if seed else "", "", ""]
        for epoch in (first, first + 1)
        for seed in (0, 4)
    ]
    return table, [[0, first + 2, -1.0], [4, first + 2, -3.0]], [first + 2, 0.5, 40.0, 8.0]


def test_weights_and_biases_get_a_row_for_each_step(wandb: Wandb, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    folder.config.write_text('{"env": "lq-3", "seeds": [0, 4]}')
    logs = Logs(folder, checked("wandb"), None, print)
    logs.write(*chunk(0))
    assert [row["env_steps"] for row in wandb.rows] == [5, 10]
    row = wandb.rows[1]
    for name, seed_0, seed_4, mean in (
        ("train/updates", 1, 1, 1.0),
        ("train/episode_return", 0.0, -4.0, -2.0),
        ("train/critic_loss", None, 2.0, 2.0),
        ("eval/episode_return", -1.0, -3.0, -2.0),
        ("time/seconds", None, None, 0.5),
        ("train/value", None, None, None),
    ):
        logged = [row.get(f"{name}{end}") for end in ("/seed-0", "/seed-4", "")]
        assert logged == [seed_0, seed_4, mean]
    assert ("*", "env_steps") in wandb.defined
    assert wandb.begun[0]["config"]["seeds"] == [0, 4]
    logs.close()
    again = Logs(folder, (), None, print)  # a resumed run: the same log, nothing twice
    again.write(*chunk(0))
    again.write(*chunk(2))
    assert [row["env_steps"] for row in wandb.rows] == [5, 10, 15, 20]
    assert wandb.begun[0]["id"] == wandb.begun[1]["id"]
    assert [begun["resume"] for begun in wandb.begun] == [None, "allow"]


def test_a_log_that_fails_does_not_stop_the_run(wandb: Wandb, tmp_path: Path) -> None:
    folder, said = RunFolder(tmp_path / "run"), []
    folder.path.mkdir()
    folder.config.write_text("{}")
    logs = Logs(folder, ["wandb"], None, said.append)
    shutil.rmtree(folder.path)  # `logs.json` cannot be written
    for first in (0, 2):
        logs.write(*chunk(first))
    assert len(said) == 1 and said[0].startswith("log 'wandb' failed and is left out")
    logs.close()


def test_what_was_not_measured_is_left_out() -> None:
    for entry in entries(*chunk(0), score=lambda value: float("nan")):
        assert "train/value" not in entry.metrics and "eval/score" not in entry.metrics


def test_mistakes_are_heard_of_before_anything_is_written(
    tmp_path: Path, monkeypatch, capsys, wandb: Wandb
) -> None:
    out = tmp_path / "run"
    train = ["train", "lq-3", "--out", str(out), "--log"]
    assert main([*train, "tensorbord"]) == 2
    assert "unknown log 'tensorbord'; did you mean 'tensorboard'?" in capsys.readouterr().err
    assert main([*train, "tensorboard", "--log", "tensorboard"]) == 2
    assert "log names 'tensorboard' twice" in capsys.readouterr().err
    wandb.knows_account = False
    assert main([*train, "wandb"]) == 2
    assert "WANDB_MODE=offline" in capsys.readouterr().err
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main([*train, "tensorboard"]) == 2
    assert "pip install 'mastac[tensorboard]'" in capsys.readouterr().err
    with pytest.raises(mastac.UserError, match=r"log has a int, which has no method log\("):
        mastac.train("lq-3", out=out, log=[3])  # pyright: ignore
    assert not out.exists()
