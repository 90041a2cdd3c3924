"""Reproducing with training: killed, restarted, in several processes, with failing cells."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tiny_reproduction import NAMES, wait_for

from mastac import UserError
from mastac.cli.main import main
from mastac.files import write_json
from mastac.jobs import training
from mastac.reproduction import reproduce as reproducing
from mastac.reproduction.grid import Grid, config_of
from mastac.reproduction.reproduce import reproduce, train_cells
from mastac.runs.interruption import Stopped

SCRIPT = Path(__file__).parent / "tiny_reproduction.py"
EPOCHS = "3000"


class Start:
    """Starts `mastac reproduce` in a process of its own; all share a compilation cache."""

    def __init__(self, compiled: Path) -> None:
        self.environment = os.environ | {
            "TINY_EPOCHS": EPOCHS,
            "JAX_COMPILATION_CACHE_DIR": str(compiled),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        }

    def __call__(self, out: Path, script: Path = SCRIPT) -> subprocess.Popen:
        command = [
            sys.executable,
            str(script),
            "reproduce",
            "table1",
            "--preset",
            "tiny",
            "--out",
            str(out),
        ]
        return subprocess.Popen(command, env=self.environment, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def start(tmp_path_factory) -> Start:
    return Start(tmp_path_factory.mktemp("compiled"))


def kill_when(path: Path, process: subprocess.Popen) -> None:
    wait_for(path, process)
    assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGKILL)
    process.communicate()


def assert_same_cells(out: Path, other: Path) -> None:
    for name in NAMES:
        for file in ("metrics.csv", "evaluation.csv", "summary.json"):
            path = Path("cells", "warehouse-9", name, file)
            assert (out / path).read_bytes() == (other / path).read_bytes()


@pytest.fixture(scope="module")
def whole(start: Start, tmp_path_factory) -> Path:
    """What comes out if nothing happens."""
    out = tmp_path_factory.mktemp("whole")
    undisturbed = start(out)
    _, said = undisturbed.communicate(timeout=300)
    assert undisturbed.returncode == 0, said
    return out


@pytest.mark.slow
def test_killed_twice_and_restarted_gives_the_same_table(
    start: Start, whole: Path, tmp_path: Path
) -> None:
    killed = tmp_path / "killed"
    cells = killed / "cells" / "warehouse-9"
    kill_when(cells / "mastac-k2" / "checkpoints" / "500.json", start(killed))
    kill_when(cells / "mastac" / "checkpoints" / "1000.json", start(killed))
    assert not (cells / "mastac" / "summary.json").exists()
    last = start(killed)
    _, said = last.communicate(timeout=300)
    assert last.returncode == 0, said
    assert (
        "1 of 2 cells are done" in said and "warehouse-9/mastac (MAStAC (exact)), goes on" in said
    )
    assert_same_cells(killed, whole)
    for name in NAMES:
        timing = Path(
            "raw", "warehouse-9", name, "timing.json"
        )  # of all that is in the table, only this may differ
        shutil.copy(whole / timing, killed / timing)
    for out in (whole, killed):
        assert (
            main(["reproduce", "table1", "--from", str(out / "raw"), "--out", str(out / "again")])
            == 0
        )
    for kind in ("txt", "csv", "tex"):
        table = (whole / "table1").with_suffix(f".{kind}").read_bytes()
        assert table == (whole / "again" / f"table1.{kind}").read_bytes()
        assert table == (killed / "again" / f"table1.{kind}").read_bytes()


@pytest.fixture
def trained(monkeypatch) -> list[str]:
    """Cells in the order of their training, which here takes a moment and no JAX."""
    order: list[str] = []

    def fake(env, *, out, progress, **options) -> None:
        order.append(out.name)
        out.mkdir(parents=True)
        time.sleep(0.1)
        place = next(
            each for each in Grid(out.parents[2], "all", "smoke").whole if each.folder.path == out
        )
        write_json(place.folder.config, config_of(place.cell).to_dict())
        write_json(place.folder.summary, {"failed": {}})

    monkeypatch.setattr(training, "train", fake)
    monkeypatch.setattr(reproducing, "WAIT", 0.01)
    return order


def test_several_processes_share_the_work_and_do_no_cell_twice(
    tmp_path: Path, trained: list[str]
) -> None:
    said: list[str] = []
    workers = [
        threading.Thread(target=lambda: train_cells(Grid(tmp_path, "all", "smoke"), said.append))
        for _ in range(3)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert sorted(trained) == sorted(
        place.cell.name for place in Grid(tmp_path, "all", "smoke").places
    )
    assert any("waiting for" in text for text in said)
    assert any("all 10 cells are done" in text for text in said)


def test_a_bad_cell_costs_no_other(tmp_path: Path, trained: list[str], monkeypatch) -> None:
    fake = training.train

    def train(env, *, out, **options):
        if out.name == "mastac":
            raise MemoryError("no room")
        fake(env, out=out, **options)

    monkeypatch.setattr(training, "train", train)
    monkeypatch.setattr(reproducing, "write_results", lambda grid, what: [])
    grid = Grid(tmp_path, "figure2", "smoke")
    with pytest.raises(
        UserError,
        match=r"1 of 3 cells could not be trained \(warehouse-9/mastac: MemoryError: no room",
    ):
        reproduce(grid, "figure2")
    assert len(trained) == 2


def test_ctrl_c_stops_after_the_cell_at_work_and_says_how_to_go_on(
    tmp_path, trained, monkeypatch, capsys
) -> None:
    fake, handler = training.train, signal.getsignal(signal.SIGINT)

    def train(env, **options):
        fake(env, **options)
        if len(trained) == 2:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(training, "train", train)
    command = [
        "reproduce",
        "figure1",
        "--preset",
        "smoke",
        "--out",
        str(tmp_path / "a b"),
        "--only",
        "warehouse-9",
    ]
    assert main(command) == 130
    assert len(trained) == 2
    said = capsys.readouterr().err
    command = f"mastac reproduce figure1 --preset smoke --out '{tmp_path}/a b' --only warehouse-9"
    assert f"go on with: {command}" in said
    assert signal.getsignal(signal.SIGINT) is handler
    monkeypatch.setattr(
        training, "train", lambda env, **options: signal.raise_signal(signal.SIGINT)
    )
    with pytest.raises(Stopped):
        train_cells(Grid(tmp_path / "b", "figure2", "smoke"), lambda text: None)


@pytest.mark.slow
def test_a_cluster_that_loses_a_machine_gives_what_one_machine_gives(
    start: Start, whole: Path, tmp_path: Path
) -> None:
    pytest.importorskip("ray")
    process = start(tmp_path, script=SCRIPT.with_name("losing_a_machine.py"))
    _, said = process.communicate(timeout=560)
    assert process.returncode == 0, said
    assert_same_cells(tmp_path, whole)
