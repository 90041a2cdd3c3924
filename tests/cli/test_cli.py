"""The command line without training: every mistake is one sentence and exit code 2, before JAX is imported."""

import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest
from run_folders import REFERENCE, rising, write_run

from mastac.cli.main import main
from mastac.version import __version__

MISTAKES = {
    # mistake: words that the answer must hold
    "trian warehouse-9": "did you mean 'train'",
    "train": "ENV",
    "train warehous-9": "unknown environment 'warehous-9'; did you mean 'warehouse-9'?",
    "train warehouse-1": "at least 2 agents",
    "train warehouse-9 --algorithm mastak": "unknown algorithm 'mastak'; did you mean 'mastac'?",
    "train warehouse-9 --set batchsize=3": "unknown knob 'batchsize'; did you mean 'batch_size'?",
    "train warehouse-9 --set batch_size": "--set name=value",
    "train lq-3 --set critic_hidden=[]": "at least one layer",
    "train warehouse-9 --set batch_size=many": "batch_size",
    "train warehouse-9 --set batch_size=-4": "batch_size",
    "train warehouse-9 --set tau=NaN": "tau",
    "train warehouse-9 --set tau=0.1 --set tau=0.2": "twice",
    "train warehouse-9 --set epochs=4": "--epochs 4",
    "train warehouse-9 --set env=x": "env",
    "train warehouse-9 --set progress=x": "progress",
    "train warehouse-9 --set env_options=3": "env_options",
    "train warehouse-9 --preset papr": "did you mean 'paper'",
    "train warehouse-9 --kappa -1": "kappa",
    "train warehouse-9 --kappa 1.5": "kappa '1.5'",
    "train warehouse-9 --epochs 0": "epochs",
    "train warehouse-9 --epochs ten": "epochs 'ten'",
    "train warehouse-9 --epochs 99999999999999999999": "epochs",
    "train warehouse-9 --seeds a-b": "seeds 'a-b'",
    "train warehouse-9 --seeds 4-0": "0-4",
    "train warehouse-9 --seeds 0,1,0": "seed 0",
    "train warehouse-9 --seeds 0-3,2": "seed 2",
    "train warehouse-9 --seeds 0,": "seeds '0,'",
    "train warehouse-9 --seeds ''": "seeds ''",
    "train warehouse-9 --seeds 0-999999999999": "seed",
    "train warehouse-9 --seeds -5": "seeds",
    "train warehouse-9 --env-set suply=primes": "did you mean 'supply'",
    "train warehouse-9 --env-set supply=prime": "did you mean 'primes'",
    'train warehouse-9 --env-set \'graph=[["warehouse-1","warehouse-77"]]\'': "warehouse-77",
    "train thermal-40 --env-set limit_kw=-1": "limit_kw",
    "train warehouse-9 --out {file}": "is a file",
    "train warehouse-9 --out {run}": "mastac resume {run}",
    "train warehouse-9 --out {full}": "not empty",
    "train warehouse-9 --out {file}/below": "not writable",
    "train warehouse-9 --kapa 3": "did you mean '--kappa'",
    "train warehouse-9 again": "again",
    "resume {tmp}/none": "none",
    "resume {full}": "config.json",
    "evaluate {tmp}/none": "none",
    "evaluate {run} --episodes 0": "episodes",
    "evaluate {run} --episodes x": "episodes",
    "plot {tmp}/none": "none",
    "plot {run} --out {tmp}/x.docx": ".docx",
    "plot {run} --x time": "time",
    "plot {run} {other}": "one environment",
    "compare {full}": "config.json",
    "graph warehous-9": "did you mean 'warehouse-9'",
    "graph warehouse-9 --kappa -2": "kappa",
    "graph warehouse-9 --agent warehouse-99": "warehouse-99",
    "graph {tmp}/none.json": "none.json",
    "graph {broken}": "broken.json",
    "graph {stranger}": "'c'",
    "graph {file}": "file",
    "graph {couplings} --env-set a=1": "--env-set",
    "graph warehouse-9 --why warehouse-2": "name it with --agent",
    "graph warehouse-9 --agent warehouse-1 --why warehouse-10": "warehouse-10",
    "graph warehouse-9 --rollouts 8": "--rollouts goes with --influence",
    "graph {couplings} --influence": "holds couplings alone",
    "check warehous-9": "did you mean 'warehouse-9'",
    "check nowhere:simulator": "no module 'nowhere'",
    "check warehouse-9 --points 1": "points",
    "check warehouse-9 --tolerance 2": "--tolerance must be at least 0 and below 1",
    "check warehouse-9 --couplings {stranger}": "'c'",
    "check nowhere:simulator --env-set a=1": "--env-set",
    "envs warehous-9": "did you mean 'warehouse-9'",
}


@pytest.fixture
def places(tmp_path: Path) -> dict[str, str]:
    """Folders and files that mistakes name."""
    write_run(tmp_path / "run", rising(epochs=5), reference=REFERENCE, kappa=2)
    write_run(tmp_path / "other", rising(epochs=5), env="lq-8")
    (tmp_path / "file").write_text("")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("")
    (tmp_path / "broken.json").write_text('{"agents": ["a", ')
    graphs = {"agents": ["a", "b"], "state": [["a", "b"]], "observation": [], "reward": []}
    (tmp_path / "couplings.json").write_text(json.dumps(graphs))
    (tmp_path / "stranger.json").write_text(json.dumps(graphs | {"state": [["a", "c"]]}))
    names = ("run", "other", "file", "full")
    files = {"broken": "broken.json", "couplings": "couplings.json", "stranger": "stranger.json"}
    return {name: str(tmp_path / files.get(name, name)) for name in (*names, *files)} | {
        "tmp": str(tmp_path)
    }


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_answered_by_one_sentence(
    mistake: str, places: dict[str, str], tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    code = main(shlex.split(fill(mistake, places)))
    out, err = capsys.readouterr()
    assert code == 2
    assert out == ""
    assert err.startswith("mastac: ")
    assert err.count("\n") == 1
    assert fill(MISTAKES[mistake], places) in err
    assert sorted(tmp_path.rglob("*")) == before, "a mistake leaves nothing behind"


def without_jax(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own; exit code 99 if it imports JAX."""
    run = f"import sys; from mastac.cli.main import main; code = main({arguments})"
    code = f"{run}; sys.exit(99 if 'jax' in sys.modules else code)"
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )


def fill(text: str, places: dict[str, str]) -> str:
    for name, path in places.items():
        text = text.replace(f"{{{name}}}", path)
    return text


@pytest.mark.parametrize(
    "mistake",
    [
        "train warehouse-9 --seeds a-b",
        "train warehouse-9 --set knob=1",
        "train warehouse-9 --algorithm x",
        "train thermal-40 --env-set limit_kw=-1",
        "graph none.json",
        "graph warehouse-9 --agent warehouse-1 --why warehouse-10",
        "check warehouse-9 --tolerance 2",
        "check thermal-4 --env-set limit_kw=-1",
    ],
)
def test_mistakes_are_heard_without_jax(mistake: str, tmp_path: Path) -> None:
    done = without_jax(shlex.split(mistake), tmp_path)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr


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


@pytest.mark.parametrize(
    "command", ["train", "resume", "evaluate", "plot", "compare", "graph", "envs", "algorithms"]
)
def test_every_command_has_help(command: str, capsys) -> None:
    assert main([command, "--help"]) == 0
    assert f"usage: mastac {command}" in capsys.readouterr().out


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
