"""The comparison with BenchMARL, without BenchMARL."""

import csv
import importlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

PEERS = Path(__file__).parents[2] / "benchmarks" / "peers"
FIGURES = ("cycle_s", "cycle_cpu_s", "peak_mib", "first_update_s", "first_update_cpu_s")

pytestmark = pytest.mark.skipif(
    shutil.which("taskset") is None, reason="cores are chosen as on Linux"
)


@pytest.fixture
def compare(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(PEERS)
    module = importlib.import_module("compare")
    monkeypatch.setattr(module, "TABLE", tmp_path / "peers.csv")
    monkeypatch.setattr(module, "set_up", lambda: None)
    monkeypatch.setattr(module, "same_dynamics", lambda: None)
    return module


def started(compare, monkeypatch, seconds, *arguments):
    """What `compare.py` measures, where a row of an algorithm takes so many seconds."""
    asked = []

    def row_for(algorithm, agents, threads, cycles):
        asked.append((algorithm, agents, threads, cycles))
        key = {"algorithm": algorithm, "agents": agents, "threads": threads, "cycles": cycles}
        message = "" if seconds[algorithm] else "exit code 1: no memory"
        return key | dict.fromkeys(FIGURES, seconds[algorithm]) | {"message": message}

    monkeypatch.setattr(compare, "row_for", row_for)
    monkeypatch.setattr(sys, "argv", ["compare.py", "--threads", "1", *arguments])
    compare.main()
    return asked


def test_known_rows_are_kept_and_failed_ones_measured_again(compare, monkeypatch, capsys):
    seconds = {"benchmarl-maddpg": 6.0, "maddpg": 4.0, "mastac": 0.0}
    asked = started(compare, monkeypatch, seconds, "--agents", "9", "100", "--cycles", "2")
    assert len(asked) == 6 and asked[0] == ("benchmarl-maddpg", 9, 1, 2)
    assert "| 100 | 1 | maddpg | 1.50 | 1.50 | 1.50 | 1.50 | 1.50 |" in capsys.readouterr().out
    seconds["mastac"] = 2.0
    asked = started(compare, monkeypatch, seconds, "--agents", "9", "--only", "ours")
    assert asked == [("mastac", 9, 1, compare.CYCLES[9])]
    assert "| 9 | 1 | mastac | 3.00 |" in capsys.readouterr().out
    with compare.TABLE.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6 and all(row["machine"] for row in rows)
    assert len(started(compare, monkeypatch, seconds, "--agents", "9", "--again")) == 3


def test_a_cycle_is_the_median_after_the_warm_up(compare):
    ends = [[5.0, 4.0], [9.0, 6.0], [10.0, 7.0], [11.0, 7.5], [13.0, 8.5], [13.5, 9.0]]
    assert [compare.figures(ends)[name] for name in FIGURES if name != "peak_mib"] == [
        1.0,
        0.5,
        5.0,
        4.0,
    ]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--agents", "2"], "--agents must be at least 3"),
        (["--cycles", "0"], "--cycles must be at least 1"),
        (["--threads", "0"], "--threads must be from 1"),
    ],
)
def test_what_cannot_be_measured_is_refused(compare, monkeypatch, capsys, arguments, named):
    monkeypatch.setattr(sys, "argv", ["compare.py", *arguments])
    with pytest.raises(SystemExit) as refusal:
        compare.main()
    assert refusal.value.code == 2
    assert named in capsys.readouterr().err


def test_our_side_tells_every_cycle_from_the_first_update_on():
    command = [sys.executable, PEERS / "ours.py", "measure", "mastac", "3", "2"]
    environ = os.environ | {"BEGAN": str(time.time()), "MASTAC_CACHE": "off"}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout.splitlines()[-1])
    (wall, cpu), (later, later_cpu) = told["ends"]
    assert 0 < wall < later and 0 < cpu <= later_cpu
    assert told["peak_mib"] > 100
    # Four observations and three actions.
    assert told["weights"]["loss_actor"] == 3 * (4 * 64 + 64 + 2 * (64 * 64 + 64) + 64 * 3 + 3)
