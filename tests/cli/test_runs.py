"""The command line from training to figures, on a network small enough to compile in seconds."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from mastac.cli.main import main
from mastac.runs.results import read_results

SMALL = [
    "lq-3",
    "--set",
    "actor_hidden=[4]",
    "--set",
    "critic_hidden=[4]",
    "--set",
    "batch_size=16",
]
SMALL += ["--set", "updates_per_epoch=1", "--env-set", "horizon=4"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "a"
    assert (
        main(
            [
                "train",
                *SMALL,
                "--epochs",
                "6",
                "--seeds",
                "3,1",
                "--out",
                str(path),
                "--no-progress",
            ]
        )
        == 0
    )
    return path


def test_train_leaves_the_files_of_the_contract(folder: Path) -> None:
    names = {path.name for path in folder.iterdir()}
    files = {
        "config.json",
        "couplings.json",
        "metrics.csv",
        "timing.csv",
        "evaluation.csv",
        "summary.json",
    }
    assert files | {"checkpoints", "curves.png", "curves.svg"} <= names
    run = read_results(folder)
    assert run.is_finished
    assert run.seeds == (3, 1)
    assert run.epochs == 6
    assert run.metrics["env_steps"].max() == 6 * 4
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["final20_mean"] == pytest.approx(run.final20_by_seed().mean(), rel=1e-6)
    assert list(summary["greedy_by_seed"]) == ["3", "1"]


def test_a_finished_run_resumes_to_itself_and_prints_its_results(folder: Path, capsys) -> None:
    before = {path.name: path.read_bytes() for path in folder.glob("*.csv")}
    assert main(["resume", str(folder)]) == 0
    out = capsys.readouterr().out
    assert before == {path.name: path.read_bytes() for path in folder.glob("*.csv")}
    for words in (
        "greedy policy",
        "seed 3",
        "best known",
        f"{folder}/curves.png",
        f"run folder  {folder}",
    ):
        assert words in out


def test_evaluate_plays_fresh_episodes(folder: Path, capsys) -> None:
    assert main(["evaluate", str(folder), "--episodes", "5", "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert set(first["greedy_by_seed"]) == {"1", "3"}
    assert main(["evaluate", str(folder), "--episodes", "5", "--seed", "7"]) == 0
    out = capsys.readouterr().out
    assert "5 episodes" in out
    assert f"{first['greedy_mean']:.2f} ±" not in out, "another seed plays other episodes"


def test_certify_writes_what_it_prints(folder: Path, capsys) -> None:
    short = ["certify", str(folder), "--episodes", "20", "--steps", "5", "--seeds", "1"]
    assert main([*short, "--json", "--no-progress"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    certificate = json.loads(out)
    assert certificate == json.loads((folder / "certificate.json").read_text())
    assert certificate["upper_kind"] == "proven"
    figures = certificate["seeds"].pop("1")
    assert certificate["seeds"] == {}
    low = figures["return_interval"][0]
    assert figures["upper"] == pytest.approx(certificate["bound"] - low)
    assert 0 <= figures["lower"] < figures["upper"]


def test_certify_refuses_what_it_cannot_do(folder: Path, tmp_path: Path, capsys) -> None:
    assert main(["certify", str(folder), "--seeds", "2"]) == 2
    assert "has no seed 2" in capsys.readouterr().err
    unfinished = shutil.copytree(folder, tmp_path / "unfinished")
    for name in ("summary.json", "certificate.json"):
        (unfinished / name).unlink(missing_ok=True)
    assert main(["certify", str(unfinished)]) == 2
    assert f"mastac resume {unfinished}" in capsys.readouterr().err
    assert not (unfinished / "certificate.json").exists()


def test_plot_compare_and_graph_take_the_run(folder: Path, tmp_path: Path, capsys) -> None:
    assert main(["plot", str(folder), "--out", str(tmp_path / "x.png")]) == 0
    assert main(["compare", str(folder), "--json"]) == 0
    assert main(["graph", str(folder)]) == 0
    assert "3 agents" in capsys.readouterr().out


def test_an_existing_run_is_not_overwritten(folder: Path, capsys) -> None:
    before = (folder / "metrics.csv").read_bytes()
    assert main(["train", *SMALL, "--out", str(folder)]) == 2
    assert f"mastac resume {folder}" in capsys.readouterr().err
    assert (folder / "metrics.csv").read_bytes() == before


COMPILES = """
import atexit, sys, time
from mastac.cli import envs, main
from mastac.cli.train import run_and_report
from mastac.runs.compiling import compile_all
from mastac.runs.interruption import interruptions

class Slow:
    def compile(self):
        print("compiling", flush=True)
        time.sleep(60)

def work():
    with interruptions() as asked, asked.nothing_to_save("go on with: so"):
        compile_all([Slow()], lambda seconds: None)

atexit.register(print, "waited for the compiler")
envs.run = lambda args: run_and_report(work)
sys.argv = ["mastac", "envs"]
sys.exit(main.main())
"""


def test_ctrl_c_while_compiling_ends_the_process_at_once() -> None:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", COMPILES], **pipes) as process:
        assert process.stdout is not None and process.stdout.readline() == "compiling\n"
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=50)
    assert (process.returncode, out, err) == (130, "", "mastac: go on with: so\n")
    assert time.monotonic() - began < 10  # tenths of a second, but for a machine's other work


@pytest.mark.slow
def test_ctrl_c_saves_and_resume_loses_no_epoch(tmp_path: Path, capsys) -> None:
    epochs = ["--epochs", "600", "--seeds", "0-1", "--no-progress"]
    command = [
        sys.executable,
        "-m",
        "mastac",
        "train",
        *SMALL,
        *epochs,
        "--evaluation-interval",
        "2",
    ]
    process = subprocess.Popen(
        [*command, "--out", str(tmp_path / "a")], stderr=subprocess.PIPE, text=True
    )
    metrics = tmp_path / "a" / "metrics.csv"
    began = time.monotonic()
    while time.monotonic() - began < 120 and (
        not metrics.exists() or metrics.read_text().count("\n") < 9
    ):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert f"mastac resume {tmp_path / 'a'}" in said
    assert not read_results(tmp_path / "a").is_finished
    assert main(["resume", str(tmp_path / "a"), "--no-progress"]) == 0
    assert "600 epochs" in capsys.readouterr().out
    rows = [
        tuple(row)
        for row in np.genfromtxt(metrics, delimiter=",", skip_header=1)[:, :2].astype(int).tolist()
    ]
    assert rows == [(seed, epoch) for epoch in range(600) for seed in (0, 1)], (
        "every epoch once, none lost"
    )
