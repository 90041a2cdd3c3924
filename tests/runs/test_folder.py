"""One writer for each run folder, and none where checkpoints could not be read back."""

import gc
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

import mastac
from mastac import UserError
from mastac.cli.main import main
from mastac.runs.checkpoints import load_checkpoint, save_checkpoint
from mastac.runs.folder import RunFolder
from mastac.runs.results import read_results
from mastac.runs.saving import SavingTimes

HOLD = """
import sys
from mastac.runs.folder import RunFolder
with RunFolder(sys.argv[1]).writing():
    print("held", flush=True)
    sys.stdin.read()
"""
SMALL = ["lq-3", "--env-set", "horizon=4", "--epochs", "4", "--no-progress"]
SMALL += [
    "--set",
    "actor_hidden=[4]",
    "--set",
    "critic_hidden=[4]",
    "--set",
    "batch_size=8",
    "--set",
    "updates_per_epoch=1",
]


@contextmanager
def another_writer(folder: Path) -> Iterator[subprocess.Popen]:
    """A process that holds the folder's lock until it is killed."""
    command = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def test_a_second_writer_is_refused_until_the_first_ends_or_crashes(tmp_path: Path, capsys) -> None:
    folder = RunFolder(tmp_path / "run")
    with another_writer(folder.path) as process:
        assert main(["train", *SMALL, "--out", str(folder.path)]) == 2
        assert "another process is writing to the run folder" in capsys.readouterr().err
        assert [path.name for path in folder.path.iterdir()] == [".lock"]
        process.kill()
        process.wait()
        with folder.claimed():
            pass


def test_who_resumes_beside_a_writer_is_refused_and_who_reads_is_not(
    tmp_path: Path, capsys
) -> None:
    out = tmp_path / "run"
    assert main(["train", *SMALL, "--out", str(out)]) == 0
    summary = (out / "summary.json").read_bytes()
    (out / "summary.json").unlink()  # as if it were still at work
    before = (out / "metrics.csv").read_bytes()
    with another_writer(out):
        assert main(["resume", str(out)]) == 2
        assert "another process is writing" in capsys.readouterr().err
        assert main(["train", *SMALL, "--out", str(out)]) == 2
        assert main(["evaluate", str(out), "--episodes", "2"]) == 0
        assert main(["plot", str(out)]) == 0
        assert main(["compare", str(out)]) == 0
    assert (out / "metrics.csv").read_bytes() == before
    assert main(["resume", str(out), "--no-progress"]) == 0
    assert (out / "summary.json").read_bytes() == summary


@pytest.mark.slow
def test_two_that_start_together_get_two_folders(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mastac", "train", *SMALL]
    both = [subprocess.Popen(command, cwd=tmp_path, env=os.environ) for _ in range(2)]
    assert [process.wait(timeout=300) for process in both] == [0, 0]
    folders = sorted((tmp_path / "runs").iterdir())
    assert [folder.name for folder in folders] == ["lq-3-mastac-1", "lq-3-mastac-2"]
    for folder in folders:
        assert read_results(folder).metrics["epoch"].tolist() == [0, 1, 2, 3]


def test_numbered_folders_are_claimed_one_by_one(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = [RunFolder.numbered("lq-3", "mastac").path.name for _ in range(3)]
    assert names == ["lq-3-mastac-1", "lq-3-mastac-2", "lq-3-mastac-3"]


@pytest.mark.parametrize("name", ["a[x]", "a[!x]", "a*b", "a?b", "a\\b", "a[x]/inner"])
def test_a_path_that_is_a_pattern_is_refused_before_anything_is_written(tmp_path, name) -> None:
    sign = next(sign for sign in name if sign in "[*?\\")
    for use in (RunFolder(tmp_path / name).claimed, RunFolder(tmp_path / name).writing):
        with pytest.raises(UserError, match=re.escape(f"has '{sign}' in its path")):
            use().__enter__()
    with pytest.raises(UserError, match="checkpoints cannot be read back"):
        mastac.train("lq-3", out=tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["ü κ", "a b", "100%25", "a#b", "{a,b}", "~", "$HOME", "a:b"])
def test_what_is_saved_under_any_other_path_is_read_back(tmp_path: Path, name: str) -> None:
    folder = RunFolder(tmp_path / name)
    with folder.claimed():
        folder.checkpoints.mkdir()
        save_checkpoint(folder.checkpoints, 3, {"x": np.arange(4.0)})
        back = load_checkpoint(folder.checkpoints, 3, {"x": np.zeros(4)})
    np.testing.assert_array_equal(back["x"], np.arange(4.0))


def test_saving_takes_at_most_its_share_of_the_time() -> None:
    now = 0.0
    saving = SavingTimes(clock=lambda: now)
    spent = 0.0
    for _ in range(100_000):
        now += 0.1
        if saving.is_due():
            with saving.measured():
                now, spent = now + 7.0, spent + 7.0
    assert 0.045 < spent / now < 0.051  # the first one could not know what it would cost
    quick = SavingTimes(clock=lambda: now)
    now += 20.1
    assert quick.is_due()
    with quick.measured():
        now += 0.01
    now += 19.9
    assert not quick.is_due()
    now += 0.2
    assert quick.is_due()


def test_saving_leaves_nothing_behind(tmp_path: Path) -> None:
    """TensorStore keeps what it says of itself, a list for each measure, if orbax asks it."""

    def lists() -> int:
        gc.collect()
        return sum(type(each) is list for each in gc.get_objects())

    tree = {"x": jnp.arange(4.0)}
    for epoch in range(3):
        save_checkpoint(tmp_path, epoch, tree)
    before = lists()
    for epoch in range(3, 8):
        save_checkpoint(tmp_path, epoch, tree)
    assert lists() - before < 25  # parts of paths, which a cache keeps; 130 where orbax asks
