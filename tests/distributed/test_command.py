"""`mastac run-distributed`: mistakes at once, results as files, and real processes once."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import mastac
from distributed.apart import local_team
from mastac.cli.main import main
from mastac.distributed import team
from mastac.distributed.distributing import play_apart, train_apart
from mastac.distributed.jobs import Job, Source
from mastac.distributed.lossy import Lossy
from mastac.distributed.results import Result, write_results
from mastac.runs.policy import Policy

KNOBS = {"batch_size": 25, "critic_hidden": (8,), "updates_per_epoch": 1}
SMALL = ["--kappa=1", "--set=batch_size=25", "--set=critic_hidden=[8]", "--episodes=2"]
SMALL += ["--set=updates_per_epoch=1", "--group=2"]


def quiet(text: str) -> None:
    """Says nothing."""


@pytest.fixture(scope="module")
def trained() -> Result:
    choices = {"kappa": 1, "epochs": 3, **KNOBS}
    job = Job(Source("lq-3", {}), choices, 1, Lossy())
    return train_apart(job, local_team, 2, 1, 2, quiet)


def test_a_training_ends_with_a_ledger_that_is_as_promised(trained: Result) -> None:
    assert trained.broken() == []
    phases = [row[0] for row in trained.table()]
    assert phases == ["running", "step", "last state", "sample"]
    for row in trained.table():
        assert row[1] == row[2] and row[3] == row[4] and row[6] == "0"
    np.testing.assert_allclose(trained.greedy, trained.inside, rtol=1e-6)


def test_what_was_not_promised_is_found(trained: Result) -> None:
    before = trained.ledger.entries[key := ("running", 0, 1)]
    trained.ledger.entries[key] = before._replace(numbers=before.numbers + 1)
    assert trained.broken() == ["running"]
    trained.ledger.entries[key] = before


def test_results_are_files(trained: Result, tmp_path: Path) -> None:
    write_results(trained, tmp_path)
    rows = list(csv.DictReader((tmp_path / "ledger.csv").read_text().splitlines()))
    assert {row["phase"] for row in rows} == {"running", "step", "last state", "sample"}
    assert all(row["numbers"] == row["promised_numbers"] for row in rows)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["greedy_mean"] == pytest.approx(summary["inside_mean"], rel=1e-6)
    assert summary["counted"]["step"]["messages"] == summary["promised"]["step"]["messages"]
    assert sum(map(len, summary["processes"])) == 3
    assert len((tmp_path / "metrics.csv").read_text().splitlines()) == 1 + 3
    assert Policy.load(tmp_path / "policy.npz").agents == ("agent-1", "agent-2", "agent-3")


def test_a_run_plays_apart_what_it_plays_in_one_process(tmp_path: Path) -> None:
    run = mastac.train("lq-3", kappa=1, epochs=2, seeds=[4], out=tmp_path / "r", **KNOBS)
    given = (run, None, Lossy(), local_team, 1, 1, 2, quiet)
    played = play_apart(*given)
    np.testing.assert_allclose(played.greedy, played.inside, rtol=1e-6)
    assert played.broken() == [] and played.policy is None
    late = play_apart(run, 4, Lossy(delay=2), *given[3:])
    assert np.abs(late.greedy - late.inside).max() > 1e-4


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("lq-3 --loss 1", "loss"),
        ("lq-3 --loss much", "loss"),
        ("lq-3 --loss 0.9 --burst 2", "bursts cannot be shorter"),
        ("lq-3 --delay -1", "delay"),
        ("lq-3 --missing guess", "choose hold or skip"),
        ("lq-3 --group 0", "group"),
        ("lq-3 --set kappa=1", "--kappa"),
        ("lq-3 --set nonsense=1", "unknown knob"),
        ("lq-3 --algorithm mastak", "did you mean 'mastac'"),
        ("nowhere-3", "nowhere-3"),
        ("lq-3 --out .", "not empty"),
    ],
)
def test_mistakes_are_sentences(words: str, said: str, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    assert main(["run-distributed", *words.split()]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_options_of_training_are_refused_beside_a_run(tmp_path: Path, capsys) -> None:
    (tmp_path / "config.json").touch()
    assert main(["run-distributed", str(tmp_path), "--kappa", "1"]) == 2
    assert "--kappa is for training" in capsys.readouterr().err


def test_without_ray_the_extra_is_named(monkeypatch, capsys) -> None:
    monkeypatch.setattr(team.importlib.util, "find_spec", lambda name: None)
    assert main(["run-distributed", "lq-3"]) == 2
    assert "pip install 'mastac[ray]'" in capsys.readouterr().err


def started(*words: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "mastac", "run-distributed", "lq-3", *words]
    environment = os.environ | {"MASTAC_CACHE": "off"}
    pipe = subprocess.PIPE
    # A shell that runs in the background has its children ignore Ctrl-C.
    heeds = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(
        command, text=True, env=environment, stdout=pipe, stderr=pipe, preexec_fn=heeds
    )


def children(pid: int) -> list[int]:
    """All processes below one, by Linux' own list."""
    below = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            below += [int(stat.parent.name), *children(int(stat.parent.name))]
    return below


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def is_host(pid: int) -> bool:
    """Whether it is a process that agents live in."""
    try:
        return b"ray::Host" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads Linux' list of processes")
def test_processes_of_their_own_come_to_the_same_numbers(trained: Result, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    out = tmp_path / "out"
    process, seen = started("--seed=1", f"--out={out}", "--epochs=3", *SMALL), set()
    while process.poll() is None:
        seen |= set(children(process.pid))
        time.sleep(0.2)
    said, errors = process.communicate()
    assert process.returncode == 0, errors
    assert "Traceback" not in errors and "fork" not in errors
    summary = json.loads((out / "summary.json").read_text())
    assert len(summary["processes"]) == 2
    assert summary["counted"]["sample"]["numbers"] == summary["promised"]["sample"]["numbers"] > 0
    rows = list(csv.DictReader((out / "metrics.csv").read_text().splitlines()))
    returns = [float(row["episode_return"]) for row in rows]
    np.testing.assert_allclose(returns, trained.returns, rtol=1e-5)
    assert summary["greedy_mean"] == pytest.approx(float(trained.greedy.mean()), rel=1e-4)
    assert "step" in said
    time.sleep(1)
    assert [pid for pid in seen if is_alive(pid)] == []


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads Linux' list of processes")
def test_ctrl_c_ends_all_processes() -> None:
    pytest.importorskip("ray")
    process, seen = started("--epochs=100000", *SMALL), []
    try:
        while not any(is_host(pid) for pid in children(process.pid)):
            assert process.poll() is None
            time.sleep(0.2)
        seen = children(process.pid)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            for pid in (process.pid, *children(process.pid)):
                os.kill(pid, signal.SIGKILL)
    assert process.returncode == 130
    assert said.splitlines()[-1] == "mastac: stopped"
    time.sleep(1)
    assert [pid for pid in seen if is_alive(pid)] == []


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads Linux' list of processes")
def test_a_process_that_is_killed_is_told_of_in_a_sentence() -> None:
    pytest.importorskip("ray")
    process, hosts = started("--epochs=1000000", *SMALL), []
    while process.poll() is None and not hosts:
        time.sleep(0.2)
        hosts = [pid for pid in children(process.pid) if is_host(pid)]
    os.kill(hosts[0], signal.SIGKILL)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 2, errors
    assert "mastac: one of the 2 processes that agents live in ended" in errors
    assert "Traceback" not in errors
