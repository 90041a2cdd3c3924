import json
from pathlib import Path

import numpy as np
import pytest
from run_folders import REFERENCE, rising, write_run

from mastac.errors import UserError
from mastac.runs.results import read_results
from mastac.runs.summary import compare_rows, compare_table, evaluation_table, run_table
from mastac.text import table


def test_table_of_one_run_holds_every_figure_and_its_score(tmp_path: Path) -> None:
    text = run_table(
        read_results(
            write_run(tmp_path / "a", np.full((3, 10), -6.0), reference=REFERENCE, kappa=2)
        )
    )
    lines = {line.split("  ")[0].strip(): line.split()[-2:] for line in text.splitlines() if line}
    assert text.startswith(
        "warehouse-9: mastac κ=2, 10 epochs, 80 environment steps a seed, seeds 0-2\n"
    )
    assert lines["simple policy"] == ["-9.00", "0.00"]
    assert lines["best known"] == ["-1.00", "1.00"]
    assert lines["nothing"] == ["-7.00", "0.25"]
    assert lines["greedy policy"][-1] == "0.50"
    assert "-5.00 ± 0.00" in text
    assert text.count("seed ") == 3


def test_table_says_which_seed_stopped_and_does_without_references(tmp_path: Path) -> None:
    returns = rising(seeds=2, epochs=20)
    returns[1, 8:] = np.nan
    text = run_table(read_results(write_run(tmp_path / "a", returns)))
    assert "(1 stopped)" in text
    assert "stopped" in next(line for line in text.splitlines() if "seed 1" in line)
    assert "score" in text
    assert "nan" not in text


def test_compare_ranks_the_better_run_first(tmp_path: Path) -> None:
    worse = read_results(write_run(tmp_path / "a", np.full((5, 10), -6.0), reference=REFERENCE))
    better = read_results(
        write_run(tmp_path / "b", np.full((5, 10), -3.0), reference=REFERENCE, algorithm="maddpg")
    )
    single = read_results(
        write_run(tmp_path / "c", np.full((1, 10), -4.0), algorithm="matd3", finished=False)
    )
    lines = compare_table([worse, single, better]).splitlines()
    assert [line.split()[0] for line in lines[2:5]] == ["maddpg", "matd3", "mastac"]
    assert "matd3 (not finished)" in lines[3]
    assert "nan" not in "\n".join(lines).lower()


def test_compare_figures_are_those_of_the_seeds(tmp_path: Path) -> None:
    finals = np.array([-9.0, -5.0, -4.0, -3.0, 50.0])
    run = read_results(
        write_run(tmp_path / "a", np.repeat(finals[:, None], 10, 1), reference=REFERENCE)
    )
    (row,) = compare_rows([run])
    # of the greedy returns -8, -4, -3, -2, 51 without the extremes
    assert row["iqm"] == pytest.approx(-3.0)
    assert row["iqm_low"] < row["iqm"] < row["iqm_high"]
    assert row["final20_mean"] == pytest.approx(finals.mean())
    assert row["final20_std"] == pytest.approx(finals.std())
    assert row["greedy_mean"] == pytest.approx((finals + 1).mean())
    assert row["score"] == pytest.approx((row["greedy_mean"] + 9) / 8)
    json.dumps(row, allow_nan=False)


def test_columns_are_aligned() -> None:
    lines = table(("name", "x"), [("a", "1.00"), ("long name", "-12.00")]).splitlines()
    assert lines == [
        "name            x",
        "─────────  ──────",
        "a            1.00",
        "long name  -12.00",
    ]


def test_figures_above_the_bound_are_set_apart_and_explained(tmp_path: Path) -> None:
    policies = {"nothing": -7.0, "full information without limits": -0.2}
    reference = REFERENCE | {"policies": policies}
    text = run_table(
        read_results(write_run(tmp_path / "a", np.full((3, 10), -6.0), reference=reference))
    )
    lines = text.splitlines()
    names = [line.split("  ")[0] for line in lines]
    assert names.index("bound on any policy") + 1 == names.index(
        "full information without limits *"
    )
    assert lines[names.index("full information without limits *")].split()[-1] == "-0.20"
    assert "* outside the bound: not held to the limits" in text
    assert "by chance" not in text


def test_a_sample_mean_above_the_bound_is_explained(tmp_path: Path) -> None:
    run = read_results(write_run(tmp_path / "a", np.full((2, 10), -1.4), reference=REFERENCE))
    assert "a sample's may exceed it by chance" in run_table(run)
    evaluation = {"greedy_by_seed": {"0": -0.4}, "greedy_mean": -0.4, "greedy_std": 0.0}
    assert "by chance" in evaluation_table(evaluation | {"reference": REFERENCE}, 5)
    assert "by chance" not in evaluation_table(evaluation | {"reference": None}, 5)


def test_compare_refuses_other_options_and_names_them(tmp_path: Path) -> None:
    runs = []
    for name, limit in (("a", 10.0), ("b", 20.0)):
        folder = write_run(tmp_path / name, np.full((2, 10), -6.0), reference=REFERENCE)
        config = json.loads((folder / "config.json").read_text())
        options = {"env_options": {"limit_kw": limit, "noise": 0.0}}
        (folder / "config.json").write_text(json.dumps(config | options))
        runs.append(read_results(folder))
    for refused in (compare_table, compare_rows):
        with pytest.raises(UserError, match=r"limit_kw=20\.0 instead of 10\.0; compare"):
            refused(runs)
    assert "warehouse-9" in compare_table(runs[:1])


def test_compare_refuses_other_environments(tmp_path: Path) -> None:
    runs = [
        read_results(write_run(tmp_path / env, np.full((2, 10), -6.0), env=env))
        for env in ("warehouse-9", "lq-3")
    ]
    with pytest.raises(UserError, match=r"a run on warehouse-9 and '.*lq-3' one on lq-3; compare"):
        compare_table(runs)
