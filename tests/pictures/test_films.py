"""Animations, strips and series show what happened: values, limits, flows, and both policies."""

import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.animation import FFMpegWriter
from matplotlib.colors import to_hex
from PIL import Image

from mastac.envs.rollouts import Episode, Rollout
from mastac.envs.views import Quantity, View
from mastac.errors import UserError
from mastac.palette import BLUE_TO_RED, FAINT, INK, LOW_TO_HIGH, NODE
from mastac.pictures.films import Film, animate, found_ffmpeg, strip_figure, times_of
from mastac.pictures.lines import LIMIT, LOOKS
from mastac.pictures.moments import POSSIBLE
from mastac.pictures.series import series_figure
from mastac.pictures.sheet import save_as
from mastac.structure import Couplings, chain, grid, ring
from played import LEVEL, played, with_flow
from text_boxes import boxes_of

AGENTS = Couplings([f"tank-{k}" for k in range(5)], state=[(0, 1), (1, 2), (2, 3), (3, 4)])


def texts_of(figure) -> list[str]:
    return [text for text, _ in boxes_of(figure)[0]]


def colors_of(rows: Any) -> list[str]:
    return [to_hex(color) for color in rows]


def fills(film: Film, number: int = 0) -> list[str]:
    return colors_of(film.handles[number].nodes.get_facecolor())


def outlined(film: Film, number: int = 0) -> list[bool]:
    """Which agents have a thick outline."""
    return [float(width) > 1 for width in np.asarray(film.handles[number].nodes.get_linewidth())]


def assert_labels_are_apart(figure) -> None:
    found, sheet = boxes_of(figure)
    low, high = (np.array([getattr(box, end) for _, box in found]) for end in ("min", "max"))
    assert (low >= np.array(sheet.min) - 1).all() and (high <= np.array(sheet.max) + 1).all()
    meet = ((low[:, None] < high - 1) & (low < high[:, None] - 1)).all(-1)
    first, second = np.nonzero(np.triu(meet, 1))
    assert not len(first), (found[first[0]], found[second[0]])


def test_colors_and_outlines_tell_values_and_limits() -> None:
    film = Film(played(AGENTS, scale=2.0))  # -2, -1, 0, 1, 2 at first
    assert fills(film)[0] == BLUE_TO_RED[0] and fills(film)[4] == BLUE_TO_RED[-1]
    assert fills(film)[2] == "#ffffff" == fills(film, 1)[2]
    assert fills(film, 1)[0] == fills(film)[1]  # -1 under either policy
    assert outlined(film) == [True, False, False, False, True]
    assert not any(outlined(film, 1))
    film.show(4)
    assert fills(film)[0] not in BLUE_TO_RED and not any(outlined(film))
    texts = texts_of(film.figure)
    assert {"trained policy, seed 0", "simple policy", "level [m]", "t = 4"} <= set(texts)
    assert "white: the target; thick outline: outside -1 to 1".replace("-", "−") in texts
    assert "0\n−0.82" in texts


def test_red_can_be_below_and_limits_differ_from_agent_to_agent() -> None:
    stock = Quantity("stock", low=np.array([0, 1, 0, 0, 0]), red="below")
    film = Film(played(AGENTS, View([stock])))
    assert fills(film)[0] == BLUE_TO_RED[-1] and film.stage.scale.white == 0
    texts = texts_of(film.figure)
    assert "stock, less its limit" in texts
    assert "white: the limit; thick outline: beyond its limits" in texts
    assert outlined(film) == [True, True, False, False, False]


def test_without_a_declared_white_colors_run_from_low_to_high() -> None:
    rollout = played(AGENTS, View([Quantity("share", low=-3.0, high=3.0)]))
    film = Film(rollout)
    assert film.stage.scale.white is None and film.stage.scale.low == -3
    film = Film(played(AGENTS, View([Quantity("conditions", levels=("good",))])))
    assert set(fills(film)) == {LOW_TO_HIGH[0]} and "good" in texts_of(film.figure)


def test_flows_are_arrows_the_way_that_they_flow() -> None:
    film = Film(with_flow())
    stage, handles = film.stage, film.handles[0]
    amounts = stage.rollout.flows(stage.rollout.episodes[0], 0)
    assert (amounts > 0).any() and (amounts < 0).any()
    heads, lines = handles.flows
    assert len(lines.get_paths()) == len(amounts) or len(heads.get_paths()) == len(amounts)
    drawn = {color for one in handles.flows for color in colors_of(one.get_edgecolor())}
    assert drawn == {INK}
    paths = (lines if len(lines.get_paths()[0].vertices) > 4 else heads).get_paths()
    middles = np.array([shape.middle for shape in handles.shapes])
    for edge, amount, path in zip(stage.edges, amounts, paths, strict=True):
        ends = [middles[edge.source], middles[edge.target]]
        start = np.asarray(path.vertices)[0]
        nearer = int(np.linalg.norm(ends[1] - start) < np.linalg.norm(ends[0] - start))
        assert nearer == (amount < 0)
    film.show(4)  # nothing flows at the last time
    drawn = {color for one in handles.flows for color in colors_of(one.get_edgecolor())}
    assert drawn == {POSSIBLE}
    assert "water [l]: at most 4" in texts_of(film.figure)


@pytest.mark.parametrize("couplings", [AGENTS, chain(1), grid(5, 8)])
def test_no_label_overlaps_another(couplings) -> None:
    rollout = played(couplings, steps=11, scale=20.0)
    film = Film(rollout)
    for figure in (film.figure, strip_figure(rollout, moments=2), series_figure(rollout)):
        assert_labels_are_apart(figure)
    assert len(film.handles[0].texts) == couplings.num_agents


def test_beyond_forty_agents_there_are_dots_and_the_worst_agents_series() -> None:
    rollout = played(ring(150))
    film = Film(rollout)
    assert not film.handles[0].texts and len(set(fills(film))) > 100
    assert_labels_are_apart(film.figure)
    texts = texts_of(series_figure(rollout))
    assert any("the 40 agents with the lowest returns of 150" in text for text in texts)


def test_a_strip_shows_both_policies_at_its_moments() -> None:
    figure = strip_figure(played(AGENTS, steps=8), moments=3)
    texts = texts_of(figure)
    assert texts.count("trained policy, seed 0") == texts.count("simple policy") == 3
    for time in (0, 4, 8):
        assert sum(text.startswith(f"t = {time}, return so far") for text in texts) == 2
    assert times_of(40, 4) == [0, 13, 27, 40] and times_of(1, 4) == [0, 1]


def test_series_have_units_limits_and_both_lines() -> None:
    figure = series_figure(played(AGENTS))
    texts = texts_of(figure)
    assert {"level [m]", "valve [m/s]", "reward [m²]", "limit", "target"} <= set(texts)
    lines = figure.axes[0].collections
    styles = [color for line in lines for color in colors_of(line.get_edgecolor())]
    count = 5 + 4 + 5  # the last agent has no valve
    assert styles.count(LOOKS["trained"]["color"].lower()) == count
    assert styles.count(LOOKS["simple"]["color"].lower()) == count
    assert styles.count(LIMIT["color"]) == 2 * 5 + 2 * 4 + 5  # limits, and targets
    assert styles.count(FAINT) == count  # frames


def test_agents_that_left_are_empty_and_their_lines_end() -> None:
    whole = played(AGENTS).episodes[0]
    alive = whole.alive.copy()
    alive[2:, 1] = False
    left = Episode(whole.policy, whole.label, whole.states, whole.actions, whole.rewards, alive)
    rollout = played(AGENTS)
    rollout = Rollout(**{**vars(rollout), "episodes": [left, rollout.episodes[1]]})
    film = Film(rollout)
    film.show(2)
    assert fills(film)[1] != NODE
    film.show(3)
    assert fills(film)[1] == NODE != fills(film, 1)[1]
    assert np.isnan(rollout.states(left, LEVEL)[3:, 1]).all()


def test_numbers_that_are_not_finite_can_be_shown() -> None:
    rollout = played(AGENTS)
    for episode in rollout.episodes:
        episode.states[1:, 0], episode.rewards[1:, 0] = np.inf, np.nan
        episode.states[:, 3] = np.nan
    film = Film(rollout)
    film.show(2)
    assert fills(film)[0] == fills(film)[3] == NODE
    series_figure(rollout)


def test_an_animation_has_a_frame_for_each_time_and_the_last_one_stays(tmp_path: Path) -> None:
    path = tmp_path / "new" / "film.GIF"
    animate(played(AGENTS, steps=3), path, fps=2)
    with Image.open(path) as film:
        assert film.n_frames == 4 and film.info["loop"] == 0  # type: ignore[attr-defined]
        frames, lengths = [], []
        for k in range(4):
            film.seek(k)
            frames.append(np.asarray(film.convert("RGB"), int))
            lengths.append(film.info["duration"])
    assert all((one != two).any() for one, two in combinations(frames, 2))
    assert lengths == [500, 500, 500, 3 * 500]
    assert [entry.name for entry in path.parent.iterdir()] == ["film.GIF"]


def test_what_fails_leaves_the_old_file(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "film.gif"
    path.write_text("old")
    show = Film.show

    def failing(film: Film, time: int) -> None:
        if time == 2:
            raise OSError(28, "No space left on device")
        show(film, time)

    monkeypatch.setattr(Film, "show", failing)
    with pytest.raises(UserError, match=r"film\.gif' cannot be written: No space left"):
        animate(played(AGENTS, steps=3), path)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
    with pytest.raises(UserError, match="cannot be written"):
        save_as(strip_figure(played(AGENTS)), path / "strip.png")


def test_an_mp4_needs_ffmpeg(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(FFMpegWriter, "isAvailable", lambda: False)
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(UserError, match=r"ffmpeg, which is not found; .*pip install imageio"):
        animate(played(AGENTS), tmp_path / "film.mp4")
    with pytest.raises(UserError, match=r"must end in \.gif or \.mp4"):
        animate(played(AGENTS), tmp_path / "film.png")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(found_ffmpeg() is None, reason="no ffmpeg: pip install imageio-ffmpeg")
def test_an_mp4_shows_every_moment(tmp_path: Path) -> None:
    path, ffmpeg = tmp_path / "film.mp4", str(found_ffmpeg())
    animate(played(AGENTS, steps=3), path, fps=2)
    decoded = [ffmpeg, "-v", "error", "-i", str(path), "-f", "rawvideo", "-pix_fmt", "gray", "-"]
    pixels = subprocess.run(decoded, check=True, capture_output=True).stdout
    frames = np.frombuffer(pixels, np.uint8).reshape(4 + 2, -1)  # the last one stands for a second
    moves = np.abs(np.diff(frames.astype(int), axis=0)).max(1) > 100
    assert moves.tolist() == [True, True, True, False, False]
    assert list(tmp_path.iterdir()) == [path]
