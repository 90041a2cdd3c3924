"""The command line without training: help, lists, graphs, figures and tables of runs."""

import argparse
import json
import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from run_folders import REFERENCE, rising, write_run

from cli.without_jax import without_jax
from mastac.cli.main import COMMANDS, main
from mastac.version import __version__


def test_help_is_there_at_once() -> None:
    def seconds() -> float:
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "mastac", "--help"],
            capture_output=True,
            text=True,
            check=True,
            env=dict(os.environ),
        )
        assert "train" in done.stdout
        return time.perf_counter() - began

    assert min(seconds() for _ in range(5)) < 0.5


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys) -> None:
    """Each option and argument is explained, and the command in one line."""
    assert main([command, "--help"]) == 0
    assert f"usage: mastac {command}" in capsys.readouterr().out
    assert 10 < len(COMMANDS[command].HELP) < 100 and "\n" not in COMMANDS[command].HELP
    parser = argparse.ArgumentParser()
    COMMANDS[command].add_arguments(parser)
    for action in parser._actions:
        assert len(action.help or "") >= 10, action.dest


def test_no_command_and_version(capsys) -> None:
    assert main([]) == 0
    assert "usage: mastac" in capsys.readouterr().out
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"mastac {__version__}\n"


def test_graph_of_an_environment(capsys) -> None:
    assert main(["graph", "warehouse-9", "--agent", "warehouse-3"]) == 0
    text = capsys.readouterr().out
    assert "The value of warehouse-3 depends on 6 agents" in text
    assert main(["graph", "warehouse-40", "--kappa", "2", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["num_agents"] == 40
    assert report["kappa"] == 2
    # The minimal window of the 40-ring holds 9 agents, the paper's 11 (the ring's two-sided reach
    # of 4 and 5).
    assert report["sets"]["agents"]["largest"] == 9
    assert report["sets"]["paper"]["largest"] == 11


def test_graph_uses_the_sizes_of_the_environment(capsys) -> None:
    def inputs(*more: str) -> int:
        assert main(["graph", "warehouse-40", "--kappa", "0", "--json", *more]) == 0
        return json.loads(capsys.readouterr().out)["critics"]["central"]["inputs"]

    # Two numbers of state; shares for two neighbours and, with keep, for the warehouse itself.
    assert inputs() == 40 * (2 + 3)
    assert inputs("--env-set", "share=send") == 40 * (2 + 2)


def test_graph_of_a_file_and_of_a_run(places: dict[str, str], tmp_path: Path, capsys) -> None:
    assert main(["graph", places["couplings"], "--agent", "b", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [member["agent"] for member in report["agent"]["members"]] == ["b", "a"]
    (tmp_path / "run" / "couplings.json").write_text(Path(places["couplings"]).read_text())
    assert main(["graph", places["run"], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["agents"] == ["a", "b"]
    edges = tmp_path / "edges.csv"
    edges.write_text("source,target\npump,tank\n")
    assert main(["graph", str(edges), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["agents"] == ["pump", "tank"]


@pytest.mark.parametrize("source", ["warehouse-9", "warehouse-40", "thermal-40", "lq-6"])
def test_graph_needs_no_jax(source: str, tmp_path: Path) -> None:
    done = without_jax(["graph", source], tmp_path)
    assert done.returncode == 0, done.stderr


def test_lists(capsys) -> None:
    assert main(["envs"]) == 0
    assert "thermal-N" in capsys.readouterr().out
    for name in ("thermal-40", "thermal-N"):
        assert main(["envs", name]) == 0
        assert "limit_kw" in capsys.readouterr().out
    assert main(["algorithms"]) == 0
    text = capsys.readouterr().out
    assert "mastac-coordinated" in text
    assert "batch_size" in text


@pytest.mark.parametrize("command", ["envs", "algorithms", "envs thermal-40"])
def test_lists_are_whole_in_a_pipe_and_wrapped_on_a_terminal(command: str, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    words = [sys.executable, "-m", "mastac", *command.split()]
    piped = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert "\x1b" not in piped
    # A row of a pipe is one line: no cell continues on a line that begins with blanks.
    assert not any(line.startswith(" ") for line in piped.splitlines())
    assert max(map(len, piped.splitlines())) > 90
    ours, its = pty.openpty()
    process = subprocess.Popen(words, stdout=its)
    os.close(its)
    shown = b""
    try:
        while chunk := os.read(ours, 2**16):
            shown += chunk
    except OSError:  # the end of a terminal whose other side is closed
        pass
    os.close(ours)
    assert process.wait() == 0
    lines = re.sub(r"\x1b\[[0-9;]*m", "", shown.decode()).splitlines()
    rule = next(k for k, line in enumerate(lines) if line.startswith("─"))
    assert len(lines[rule]) <= 70
    assert any(line.startswith("  ") for line in lines), "long cells go on in the next line"


def test_plot_and_compare(places: dict[str, str], tmp_path: Path, capsys) -> None:
    run = places["run"]
    assert main(["plot", run]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{run}/curves.png", f"{run}/curves.svg"]
    second = write_run(
        tmp_path / "second", rising(end=-4, epochs=5), algorithm="maddpg", reference=REFERENCE
    )
    assert (
        main(
            [
                "plot",
                run,
                str(second),
                "--x",
                "env_steps",
                "--greedy",
                "--out",
                str(tmp_path / "both.pdf"),
            ]
        )
        == 0
    )
    assert (tmp_path / "both.pdf").exists()
    capsys.readouterr()
    assert main(["compare", run, str(second)]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[2:4]] == [
        "mastac",
        "maddpg",
    ]
    assert main(["compare", run, str(second), "--json"]) == 0
    assert [row["algorithm"] for row in json.loads(capsys.readouterr().out)] == ["mastac", "maddpg"]


def test_a_reader_that_goes_away_is_no_error() -> None:
    done = subprocess.run(
        f"{sys.executable} -m mastac algorithms | head -1",
        shell=True,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Traceback" not in done.stderr
