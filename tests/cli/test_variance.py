"""`mastac variance` and `mastac theorems`: exact figures, sampled figures, mistakes."""

import json
import shlex
import subprocess
import sys

import numpy as np
import pytest

from mastac.cli.main import main
from mastac.theory.example_games import game_couplings, random_game, random_logits
from mastac.theory.sets import dependency_sets
from mastac.theory.variance import game_terms

MISTAKES = {
    "variance": "say of what",
    "variance warehous-9": "did you mean 'warehouse-9'",
    "variance lq-3 --baseline stat": "did you mean 'state'",
    "variance lq-3 --agent agent-9": "agent-9",
    "variance warehouse-9 --agent agent-1": "warehouse-1",
    "variance lq-3 --samples 100": "exactly",
    "variance lq-3 --agents 4": "--agents goes with --game",
    "variance lq-900": "at most 250",
    "variance lq-3 --discount 1": "discount '1'",
    "variance lq-3 --spread much": "spread 'much'",
    "variance lq-3 --spread 0": "spread '0'",
    "variance lq-3 --kappa x": "kappa 'x'",
    "variance --game rings": "did you mean 'ring'",
    "variance --game ring --agents 30": "too large to enumerate",
    "variance --game ring --spread 1": "leave out --spread",
    "variance lq-3 --game ring": "leave out the environment",
    "variance --run {tmp} --env-set seed=1": "leave out --env-set",
    "variance warehouse-9 --samples 3": "samples is 3",
    "theorems --systems 0": "systems is 0",
}


@pytest.mark.parametrize("typed", MISTAKES)
def test_mistakes_are_told_in_one_sentence(typed, capsys, tmp_path):
    assert main(shlex.split(typed.format(tmp=tmp_path))) == 2
    shown = capsys.readouterr()
    assert MISTAKES[typed] in shown.err and shown.err.count("\n") == 1 and not shown.out


@pytest.mark.parametrize(
    "typed",
    [
        "variance lq-4 --kappa 0",
        "variance --game ring --agents 3",
        "theorems --systems 2",
        "variance -h",
    ],
)
def test_exact_figures_do_without_jax(typed):
    run = f"import sys; from mastac.cli.main import main; done = main({typed.split()})"
    code = f"{run}; sys.exit(done or 'jax' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_figures_of_a_game_are_those_of_the_library(capsys):
    assert (
        main(
            [
                "variance",
                "--game",
                "stream",
                "--agents",
                "3",
                "--seed",
                "5",
                "--baseline",
                "state",
                "--discount",
                "0.8",
                "--json",
            ]
        )
        == 0
    )
    report = json.loads(capsys.readouterr().out)
    couplings = game_couplings("stream", 3)
    game = random_game(couplings, 5, discount=0.8)
    terms = game_terms(game, random_logits(game, 5), dependency_sets(couplings), "state")
    shown = [report["agents"][name]["structured"]["mean"] for name in couplings.agents]
    assert shown == pytest.approx(terms.structured)
    assert report["total"]["ratio"]["mean"] == pytest.approx(
        terms.centralised.sum() / terms.structured.sum()
    )
    assert "no bias" in report["conclusion"]


def test_words_follow_the_figures(capsys):
    said = {}
    for name, options in {
        "window": "lq-6 --kappa 0",
        "one": "lq-6",
        "worse": "--game stream --agents 4 --agent agent-1",
    }.items():
        assert main(f"variance {options}".split()) == 0
        said[name] = capsys.readouterr().out
    assert "times smaller" in said["window"] and "of the gradient's norm" in said["window"]
    assert "both estimators are one" in said["one"]
    assert "is larger" in said["worse"] and "agent-0" not in said["worse"]


def test_sampled_figures_have_intervals(capsys):
    assert main(["variance", "warehouse-9", "--samples", "128", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    ratio, total = report["total"]["ratio"], report["total"]
    assert ratio["low"] < ratio["mean"] < ratio["high"]
    parts = total["rest"]["mean"] + total["cross"]["mean"]
    parts -= total["mean_centralised"]["mean"] - total["mean_structured"]["mean"]
    assert total["centralised"]["mean"] - total["structured"]["mean"] == pytest.approx(
        parts, rel=1e-6
    )
    assert main(["variance", "warehouse-9", "--samples", "128", "--agent", "warehouse-9"]) == 0
    text = capsys.readouterr().out
    assert "128 states" in text and "±" in text and "warehouse-1 " not in text


def test_theorems_say_what_they_checked(capsys):
    assert main(["theorems", "--systems", "2", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 7 and all(row["outside"] < 1e-10 < row["without_least"] for row in rows)
    assert all(np.isfinite(row["inside"]) for row in rows if row["theorem"] in ("3.2", "3.6"))
