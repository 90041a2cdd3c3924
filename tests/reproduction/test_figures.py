from pathlib import Path

import numpy as np
import pytest
from raw_folders import write_raw

from mastac.errors import UserError
from mastac.reproduction.figures import (
    FIGURES,
    figure1,
    figure2,
    figure11,
    sample_efficiency,
    write_figure,
)
from mastac.reproduction.panels import LOOKS
from mastac.reproduction.paper import CELLS, COMPARED
from mastac.reproduction.raw_data import read_raw
from mastac.runs.statistics import t_interval


def lines_of(axes) -> dict[str, np.ndarray]:
    return {str(line.get_label()): np.asarray(line.get_ydata()) for line in axes.get_lines()}


def texts_of(axes) -> str:
    return "\n".join(text.get_text() for text in axes.texts)


def legend_of(axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_every_cell_has_a_look_of_its_own() -> None:
    assert set(LOOKS) == set(CELLS)
    assert len({(color, str(style)) for color, style in LOOKS.values()}) == len(LOOKS)


def test_figure1_has_a_panel_for_each_environment_and_the_same_colours_in_all(
    tmp_path: Path,
) -> None:
    for env, end in (("thermal-40", -150.0), ("warehouse-9", -1.0)):
        write_raw(tmp_path, env, "maddpg", [2 * end, 2.1 * end, 1.9 * end], start=50 * end)
        write_raw(tmp_path, env, "mastac-k2", [end, 1.1 * end, 0.9 * end], start=50 * end)
        write_raw(tmp_path, env, "mastac-k4", [end, end, end], start=50 * end)
    cells = read_raw(tmp_path)
    figure = figure1(cells)
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "9 warehouses",
        "40 zones (mean over zones)",
    ]
    for axes in figure.axes:
        found = {str(line.get_label()): line.get_color() for line in axes.get_lines()}
        assert found["MAStAC κ=2"] == "#0072B2" and found["MADDPG (team)"] == "#D55E00"
        assert "MAStAC κ=4" not in found, "figure 11 has it"
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["MAStAC κ=2", "MADDPG (team)"]
    cell = next(cell for cell in cells if (cell.env, cell.cell) == ("warehouse-9", "mastac-k2"))
    mean, half = t_interval(cell.curve()[1])
    np.testing.assert_allclose(lines_of(figure.axes[0])["MAStAC κ=2"], mean)
    band = max(
        np.asarray(each.get_paths()[0].vertices)[:, 1].max() for each in figure.axes[0].collections
    )
    assert band == pytest.approx((mean + half).max())
    assert "simple policy  −9.14" in texts_of(figure.axes[0])


def test_hopeless_curves_are_named_and_do_not_press_the_others_together(tmp_path: Path) -> None:
    write_raw(tmp_path, "thermal-40", "mastac-k2", [-150.0, -149.0, -151.0], start=-3000.0)
    write_raw(tmp_path, "thermal-40", "facmac", [-1390.0, -1400.0, -1380.0], start=-3000.0)
    (axes,) = figure1(read_raw(tmp_path)).axes
    low, high = axes.get_ylim()
    assert -250 < low < -160.09 and -145.41 < high < -140
    assert "FACMAC  −1,39" in texts_of(axes)


def test_a_seed_that_stopped_does_not_make_the_mean_jump(tmp_path: Path) -> None:
    write_raw(tmp_path, "warehouse-9", "mastac", [-1.0, -1.0, None])
    figure = figure2(read_raw(tmp_path))
    cell = read_raw(tmp_path)[0]
    np.testing.assert_allclose(
        lines_of(figure.axes[0])["MAStAC (exact)"], cell.curve()[1][:2].mean(0)
    )
    assert "without the 1 that stopped" in figure.get_suptitle()


def test_figure2_shows_the_papers_points_where_they_fit(tmp_path: Path) -> None:
    for name in ("mastac", "undecomposed-q", "undecomposed-qhat"):
        write_raw(tmp_path, "warehouse-9", name, [-1.0, -1.1, -0.9])
    (axes,) = figure2(read_raw(tmp_path)).axes
    labels = legend_of(axes)
    assert labels == ["MAStAC (exact)", "undecomposed Q", "undecomposed Q̂", "paper ± std"]
    points = [each[0].get_ydata()[0] for each in axes.containers]
    assert points == [-0.525, -1.439, -1.381], "those at 2,000 epochs; those at 6,000 lie outside"
    short = tmp_path / "short"
    write_raw(short, "warehouse-9", "mastac", [-1.0, -1.1], epochs=100)
    (axes,) = figure2(read_raw(short)).axes
    assert legend_of(axes) == ["MAStAC (exact)"]


def test_figure11_takes_the_environment_with_most_windows(tmp_path: Path) -> None:
    write_raw(tmp_path, "warehouse-9", "mastac-k2", [-1.0, -1.1])
    for kappa in (2, 4, 8):
        write_raw(tmp_path, "warehouse-40", f"mastac-k{kappa}", [-12.0, -12.1])
    (axes,) = figure11(read_raw(tmp_path)).axes
    assert axes.get_title(loc="left") == "40 warehouses"
    assert legend_of(axes) == ["MAStAC κ=2", "MAStAC κ=4", "MAStAC κ=8"]
    assert len(axes.collections) == 0, "two seeds have no band"


def test_efficiency_bars_are_the_epochs(tmp_path: Path) -> None:
    write_raw(tmp_path, "warehouse-9", "mastac-k2", [-0.5, -0.5], rate=0.05)
    write_raw(tmp_path, "warehouse-9", "mastac", [-0.4, -0.4], rate=0.1)
    write_raw(tmp_path, "warehouse-9", "maddpg", [-4.0, -4.0], epochs=700)
    (axes,) = sample_efficiency(read_raw(tmp_path)).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "MAStAC κ=2",
        "MAStAC (exact)",
        "MADDPG (team)",
    ]
    assert len(axes.patches) == 3, "MAStAC κ=2 reaches its own end alone, MADDPG neither"
    assert "never in 700 (score 0.56)" in texts_of(axes)


def test_files(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    for name in (*COMPARED, "undecomposed-q", "mastac-k4"):
        write_raw(raw, "warehouse-9", name, [-1.0, -1.1, -0.9])
    first = write_figure("figure1", raw, tmp_path / "a")
    assert [path.name for path in first] == ["figure1.png", "figure1.svg"]
    for one, other in zip(first, write_figure("figure1", raw, tmp_path / "b"), strict=True):
        assert one.read_bytes() == other.read_bytes()
    with pytest.raises(UserError, match=r"figure3"):
        write_figure("figure3", raw, tmp_path)


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_to_draw_is_said(tmp_path: Path, name: str) -> None:
    write_raw(tmp_path, "warehouse-9", "other", [-1.0, -1.1])
    with pytest.raises(UserError, match="nothing to draw"):
        write_figure(name, tmp_path, tmp_path / "out")
