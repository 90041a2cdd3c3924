import json
from pathlib import Path

import numpy as np
import pytest
from run_folders import REFERENCE, rising, write_run

from mastac.errors import UserError
from mastac.runs.figures import learning_curves
from mastac.runs.results import labels, read_results


def test_curves_come_back_as_they_were_written(tmp_path: Path) -> None:
    returns = rising(seeds=3, epochs=20)
    run = read_results(write_run(tmp_path / "a", returns))
    at, values = run.curve()
    np.testing.assert_array_equal(at, np.arange(1, 21))
    np.testing.assert_allclose(values, returns)
    steps, _ = run.curve(axis="env_steps")
    np.testing.assert_array_equal(steps, 8 * np.arange(1, 21))
    at, greedy = run.curve(greedy=True)
    np.testing.assert_array_equal(at, [5, 10, 15, 20])
    np.testing.assert_allclose(greedy, returns[:, 4::5] + 1)


def test_rows_may_stand_in_any_order(tmp_path: Path) -> None:
    returns = rising(seeds=2, epochs=10)
    folder = write_run(tmp_path / "a", returns)
    head, *rows = (folder / "metrics.csv").read_text().splitlines()
    rows.sort(key=lambda row: row[::-1])
    (folder / "metrics.csv").write_text("\n".join([head, *rows, ""]))
    np.testing.assert_allclose(read_results(folder).curve()[1], returns)


def test_final_measure_is_the_mean_over_the_last_fifth_of_the_epochs(tmp_path: Path) -> None:
    returns = np.arange(20.0).reshape(1, 20)
    run = read_results(write_run(tmp_path / "a", returns, finished=False))
    np.testing.assert_allclose(run.final20_by_seed(), [(16 + 17 + 18 + 19) / 4])


def test_a_seed_that_stopped_early_has_no_final_figures(tmp_path: Path) -> None:
    returns = rising(seeds=2, epochs=20)
    returns[1, 8:] = np.nan
    run = read_results(write_run(tmp_path / "a", returns))
    final, greedy = run.final20_by_seed(), run.greedy_by_seed()
    assert np.isfinite(final[0])
    assert np.isnan(final[1])
    assert np.isfinite(greedy[0])
    assert np.isnan(greedy[1])


def test_an_unfinished_run_is_readable(tmp_path: Path) -> None:
    returns = rising(seeds=2, epochs=12)
    run = read_results(write_run(tmp_path / "a", returns, finished=False, env="lq-8"))
    assert not run.is_finished
    assert run.env == "lq-8"
    assert run.reference == {}
    np.testing.assert_allclose(run.greedy_by_seed(), returns[:, 9] + 1)


def test_labels_tell_runs_apart(tmp_path: Path) -> None:
    def write(name: str, **about) -> Path:
        return write_run(tmp_path / name, rising(epochs=5), **about)

    a, b = write("a", kappa=2), write("b", algorithm="maddpg")
    c, d = write("c", kappa=2), write("d", algorithm="matd3", env="lq-8")
    assert labels([read_results(a), read_results(b)]) == ["mastac κ=2", "maddpg"]
    assert labels([read_results(a), read_results(c)]) == ["a", "c"]
    assert labels([read_results(a), read_results(d)]) == ["a", "d"]
    assert len(set(labels([read_results(a), read_results(write("x/a", kappa=2))]))) == 2


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("metrics.csv", "seed,epoch\n0,1\n", "no column 'episode_return'"),
        ("metrics.csv", "seed,epoch,episode_return\n0,1,2\n0,2\n", "malformed"),
        ("metrics.csv", "seed,epoch,episode_return\nx,1,2\n", "malformed"),
        ("metrics.csv", "seed,epoch,episode_return\n0,1,2,9\n", "malformed"),
        ("config.json", "{", "cannot be read as JSON"),
        ("config.json", "[]", "one JSON object"),
        ("summary.json", '{"env": ', "cannot be read as JSON"),
    ],
)
def test_malformed_files_are_named(tmp_path: Path, file: str, content: str, says: str) -> None:
    folder = write_run(tmp_path / "a", rising(epochs=5), reference=REFERENCE)
    (folder / file).write_text(content)
    with pytest.raises(UserError, match=says):
        read_results(folder)


def test_what_is_no_run_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no run folder"):
        read_results(tmp_path / "none")
    with pytest.raises(UserError, match=r"no config\.json"):
        read_results(tmp_path)


def test_a_run_without_an_epoch_has_no_curve(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"seeds": [4, 2]}))
    run = read_results(tmp_path)
    assert run.seeds == (4, 2)
    assert run.epochs == 0
    assert np.isnan(run.final20_by_seed()).all()
    with pytest.raises(UserError, match="no epoch is stored yet"):
        learning_curves([run])


def test_rows_follow_the_seeds_of_the_configuration(tmp_path: Path) -> None:
    returns = rising(seeds=3, epochs=5)
    returns[1] = np.nan
    folder = write_run(tmp_path / "a", returns)
    (folder / "config.json").write_text(json.dumps({"seeds": [2, 1, 0]}))
    run = read_results(folder)
    assert run.seeds == (2, 1, 0)
    np.testing.assert_allclose(run.curve()[1], returns[::-1])
