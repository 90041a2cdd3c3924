import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from run_folders import REFERENCE, rising, write_run

from mastac.errors import UserError
from mastac.runs.drawing import separated
from mastac.runs.figures import learning_curves, save
from mastac.runs.results import Results, read_results
from mastac.runs.statistics import t_interval


def run(folder: Path, returns: np.ndarray, **about) -> Results:
    return read_results(write_run(folder, returns, **about))


def test_one_run_shows_training_greedy_and_references(tmp_path: Path) -> None:
    returns = rising()
    (axes,) = learning_curves([run(tmp_path / "a", returns, reference=REFERENCE)]).axes
    lines = {str(line.get_label()): line for line in axes.get_lines()}
    training = lines["training episodes"]
    np.testing.assert_allclose(np.asarray(training.get_ydata()), returns.mean(0))
    np.testing.assert_allclose(
        np.asarray(lines["greedy policy"].get_xdata()), [5, 10, 15, 20, 25, 30, 35, 40]
    )
    band = np.asarray(axes.collections[0].get_paths()[0].vertices)
    mean, half = t_interval(returns)
    assert band[:, 1].min() == pytest.approx((mean - half).min())
    texts = " ".join(text.get_text() for text in axes.texts)
    for words in (
        "simple policy  −9.00",
        "best known  −1.00",
        "bound  −0.50",
        "nothing  −7.00",
        "95 % interval",
    ):
        assert words in texts


def test_horrible_early_returns_do_not_press_the_rest_into_a_line(tmp_path: Path) -> None:
    (axes,) = learning_curves(
        [run(tmp_path / "a", rising(start=-3000, rate=2), reference=REFERENCE)]
    ).axes
    low, high = axes.get_ylim()
    assert -20 < low < -9
    assert -0.5 < high < 5
    assert any("starts at −3,000" in text.get_text() for text in axes.texts)


def test_a_curve_without_references_is_shown_where_it_goes(tmp_path: Path) -> None:
    returns = rising(seeds=1, epochs=6, rate=50)
    (axes,) = learning_curves([run(tmp_path / "a", returns)]).axes
    low, high = axes.get_ylim()
    assert low < returns[0, 3:].min()
    assert high > returns.max()


def test_long_runs_are_drawn_with_windows_that_keep_the_mean(tmp_path: Path) -> None:
    returns = rising(epochs=1500, rate=300)
    (axes,) = learning_curves([run(tmp_path / "a", returns, reference=REFERENCE)]).axes
    drawn = np.asarray(axes.get_lines()[0].get_ydata())
    assert len(drawn) == 150
    assert np.mean(drawn) == pytest.approx(returns.mean())
    assert any("mean of 10 epochs" in text.get_text() for text in axes.texts)


def test_several_runs_share_one_figure(tmp_path: Path) -> None:
    runs = [
        run(tmp_path / "a", rising()),
        run(tmp_path / "b", rising(seeds=1, end=-5), algorithm="maddpg"),
    ]
    for greedy in (False, True):
        (axes,) = learning_curves(runs, greedy=greedy, axis="env_steps").axes
        assert [line.get_label() for line in axes.get_lines()] == ["mastac", "maddpg"]
        assert axes.get_xlabel() == "environment steps of each seed"


def test_a_seed_that_stopped_does_not_stop_the_figure(tmp_path: Path) -> None:
    returns = rising(seeds=3)
    returns[2, 7:] = np.nan
    (axes,) = learning_curves([run(tmp_path / "a", returns)]).axes
    np.testing.assert_allclose(
        np.asarray(axes.get_lines()[0].get_ydata())[10:], returns[:2, 10:].mean(0)
    )


def test_two_seeds_are_drawn_each(tmp_path: Path) -> None:
    returns = rising(seeds=2)
    (axes,) = learning_curves([run(tmp_path / "a", returns)]).axes
    np.testing.assert_allclose(
        np.array([line.get_ydata() for line in axes.get_lines()[:3]]), [returns.mean(0), *returns]
    )
    assert len(axes.collections) == 0
    assert not any("interval" in text.get_text() for text in axes.texts)


def test_runs_of_two_environments_are_not_drawn_together(tmp_path: Path) -> None:
    runs = [run(tmp_path / "a", rising()), run(tmp_path / "b", rising(), env="lq-8")]
    with pytest.raises(UserError, match="draw runs of one environment"):
        learning_curves(runs)


def test_files(tmp_path: Path) -> None:
    figure = learning_curves([run(tmp_path / "a", rising(), reference=REFERENCE)])
    paths = save(figure, tmp_path / "new" / "x.png")
    assert [path.name for path in paths] == ["x.png", "x.svg"]
    assert paths[0].read_bytes().startswith(b"\x89PNG")
    first = paths[1].read_text()
    assert "<svg" in first
    assert "date>" not in first, "the same results give the same file"
    assert save(figure, tmp_path / "z") == [tmp_path / "z.png", tmp_path / "z.svg"]
    assert save(figure, tmp_path / "y.pdf")[0].read_bytes().startswith(b"%PDF")
    with pytest.raises(UserError, match=r"cannot be written as '\.doc'"):
        save(figure, tmp_path / "x.doc")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        save(figure, tmp_path / "file" / "x.png")


def test_labels_are_pushed_apart_but_stay_in_the_frame() -> None:
    rooms = [1.0, 2.0, 1.0, 1.0, 2.0]
    places = separated([0.0, 0.1, 0.2, 9.0, 10.0], rooms, high=10.0)
    ends = [(place - room / 2, place + room / 2) for place, room in zip(places, rooms, strict=True)]
    assert all(after[0] - before[1] >= -1e-9 for before, after in pairwise(ends))
    assert ends[-1][1] <= 10.0
    assert separated([0.0, 5.0], [1.0, 1.0], high=9.5) == [0.0, 5.0]


def test_long_labels_leave_room_for_the_curves(tmp_path: Path) -> None:
    long = {f"a policy of which there is much to say, number {k}": -3.0 for k in range(3)}
    figure = learning_curves(
        [run(tmp_path / "a", rising(), reference=REFERENCE | {"policies": long})]
    )
    figure.draw_without_rendering()
    frame = figure.axes[0].get_window_extent()
    assert frame.width > 0.5 * figure.bbox.width


def with_options(folder: Path, **options) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"env_options": options}))
    return folder


def test_runs_with_other_options_are_refused_by_the_option_that_differs(tmp_path: Path) -> None:
    runs = [
        read_results(
            with_options(
                write_run(tmp_path / name, rising(), reference=REFERENCE), limit_kw=limit, noise=0.0
            )
        )
        for name, limit in (("a", 10.0), ("b", 20.0))
    ]
    with pytest.raises(UserError, match=r"limit_kw=20\.0 instead of 10\.0"):
        learning_curves(runs)
    learning_curves(runs, may_differ=["limit_kw"])


def test_runs_with_other_reference_figures_are_refused(tmp_path: Path) -> None:
    runs = [
        run(tmp_path / name, rising(), reference=REFERENCE | {"bound": bound})
        for name, bound in (("a", -0.5), ("b", -0.4))
    ]
    with pytest.raises(UserError, match=r"bound -0\.40 instead of -0\.50"):
        learning_curves(runs)


def test_the_reference_is_that_of_the_first_run_that_has_one(tmp_path: Path) -> None:
    runs = [
        run(tmp_path / "a", rising(), finished=False),
        run(tmp_path / "b", rising(), algorithm="maddpg", reference=REFERENCE),
    ]
    (axes,) = learning_curves(runs).axes
    assert any("best known  −1.00" in text.get_text() for text in axes.texts)


def test_lines_are_called_equal_only_where_their_figures_are(tmp_path: Path) -> None:
    reference = {"simple": -1000.0, "best_known": -146.59, "bound": -145.41, "policies": {}}
    returns = rising(start=-900.0, end=-150.0)
    (axes,) = learning_curves([run(tmp_path / "a", returns, reference=reference)]).axes
    texts = [text.get_text() for text in axes.texts]
    assert "best known  −146.59" in texts
    assert "bound  −145.41" in texts
    equal = reference | {"bound": -146.5901}
    (axes,) = learning_curves([run(tmp_path / "b", returns, reference=equal)]).axes
    assert "best known = bound  −146.59" in [text.get_text() for text in axes.texts]


def test_the_shell_of_a_notebook_can_draw(tmp_path: Path) -> None:
    """A kernel names its own backend of matplotlib to all that it starts."""
    folder = write_run(tmp_path / "run", rising())
    environment = os.environ | {"MPLBACKEND": "module://a_backend_of_another_python"}
    command = [sys.executable, "-m", "mastac", "plot", str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (folder / "curves.png").is_file()
