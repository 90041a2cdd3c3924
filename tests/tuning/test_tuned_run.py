"""A real search: trials are ordinary runs, and the command that is printed repeats the best."""

import json
import shlex
from pathlib import Path

import mastac
from mastac.cli.main import main
from mastac.runs.results import read_results


def test_trials_are_ordinary_runs(tmp_path: Path, capsys) -> None:
    out, nets = tmp_path / "tuned", ["--set", "actor_hidden=[4]", "--set", "rollout_steps=8"]
    words = ["tune", "lq-3", "--algorithm", "zeroth-order", "--epochs", "4", "--seeds", "3"]
    words += ["--env-set", "horizon=4", "--evaluation-interval", "2", *nets]
    words += ["--knobs", "actor_lr", "--trials", "2", "--fresh-seeds", "0", "--out", str(out)]
    assert main([*words, "--no-progress"]) == 0
    assert "greedy return" in capsys.readouterr().out
    found = json.loads((out / "best.json").read_text())
    first, second = (mastac.load(out / "trials" / str(number)) for number in (0, 1))
    assert first.is_finished and second.is_finished
    assert second.config.settings.actor_lr == found["trials"][1]["knobs"]["actor_lr"]
    assert first.config.settings.actor_lr == found["default"]["actor_lr"]
    values = [read_results(run.path).greedy_by_seed().mean() for run in (first, second)]
    assert found["greedy_mean"] == max(values) == found["trials"][found["trial"]]["value"]
    command = shlex.split(found["command"].replace("\\\n", ""))
    assert command[:3] == ["mastac", "train", "lq-3"]
    best = (first, second)[found["trial"]].config.settings.actor_lr
    assert f"actor_lr={best}" in command or found["trial"] == 0
    before = (out / "trials" / "1" / "metrics.csv").read_bytes()
    assert main([*words, "--json", "--no-progress"]) == 0  # all is there already
    assert json.loads(capsys.readouterr().out) == found
    assert (out / "trials" / "1" / "metrics.csv").read_bytes() == before


def test_mistakes_are_one_sentence(tmp_path: Path, capsys) -> None:
    out = str(tmp_path / "tuned")
    for words, told in (
        (["--pruner", "medain"], "did you mean 'median'?"),
        (["--knobs", "tau,noise", "--set", "tau=0.1"], "'tau' is set and searched"),
        (["--trials", "0"], "trials is 0; it must be at least 1"),
        (["--timeout", "soon"], "timeout 'soon' is no number"),
        (["--cpus", "2"], "--cpus goes with --ray"),
        (["--ray", "local", "--cpus", "0"], "cpus is 0; it must be at least 1"),
    ):
        assert main(["tune", "lq-3", "--out", out, *words]) == 2
        assert told in capsys.readouterr().err
    assert not Path(out).exists()
