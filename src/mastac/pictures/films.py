"""Rollouts in pictures: an animation, and a strip of a few moments."""

import os
import tempfile
from pathlib import Path
from subprocess import CalledProcessError
from typing import Any

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.animation import AbstractMovieWriter, FFMpegWriter, PillowWriter
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from mastac.envs.rollouts import Rollout
from mastac.envs.views import Quantity
from mastac.errors import UserError
from mastac.palette import INK, STYLE
from mastac.pictures.lines import LIMIT, LOOKS, TARGET, Frame, Range, draw_key, value_room
from mastac.pictures.moments import Handles, Stage
from mastac.pictures.scales import WIDTH, short_number
from mastac.pictures.sheet import GAP, LEAST, NOTE, Panel, sheet
from mastac.pictures.text import line_height, text_width

ANIMATIONS = (".gif", ".mp4")
MOST_FRAMES = 150
"""A longer episode is shown at so many of its times."""
SECONDS, FASTEST = 6, 10
"""How long an animation lasts where it need not be faster than so many frames a second."""
DOTS = 110
"""An inch of an animation in pixels."""
WIDEST = 11.0
"""Of a row of moments, in inches; wider ones stand below each other."""
BAND = 0.16
"""How dark the range over agents is."""


class Film:
    """A figure that shows a rollout at any time: both policies, the colours, and the course.

    **Arguments:**

    - `rollout`: what is shown.
    """

    frame: Frame
    cursor: Any
    clock: Any

    def __init__(self, rollout: Rollout) -> None:
        self.rollout, self.stage = rollout, Stage(rollout)
        self.handles: list[Handles] = []
        self.returns: list[Any] = []
        panels = [
            self.stage.panel(episode.label, " ", self.handles) for episode in rollout.episodes
        ]
        self.figure = sheet(
            [*panels, self.stage.legend(), self._course()], remark=self.stage.remark
        )
        for handles in self.handles:  # where the note of its panel would stand
            x, y = handles.corner
            self.returns.append(handles.axes.text(x, y + 0.11, "", fontsize=NOTE, color=INK))
        self.unit = f" {rollout.reward_unit}" if rollout.reward.has_unit else ""
        widest = text_width(f"return so far {short_number(-1e5 / 3)}{self.unit}", NOTE)
        if widest > min(panel.outer for panel in panels):
            self.unit = ""
        self.show(0)

    def _course(self) -> Panel:
        """Mean and range over agents at all times, limits, and where the film is."""
        rollout, quantity, values = self.rollout, self.stage.scale.quantity, self.stage.values
        if quantity.levels:  # conditions have no mean
            quantity = rollout.reward
            values = [rollout.rewards(episode) for episode in rollout.episodes]
        lines = _shared_lines(quantity, len(rollout.agents))
        spans = Range.around(rollout.last, [*values, *(np.array([at]) for at, _ in lines)])
        room, height = value_room((), spans), 0.62
        below = line_height(NOTE) + 0.03

        def draw(axes: Axes, x: float, y: float) -> None:
            self.frame = frame = Frame(x + room, y + below, WIDTH - room, height, spans)
            frame.draw(axes, (), with_values=True, with_times=True)
            above = y + below + height + 0.1
            key = [(episode.policy, LOOKS[episode.policy]) for episode in rollout.episodes]
            draw_key(axes, x + room, above, key)
            for at, look in lines:
                frame.across(axes, at, **look)
            for episode, numbers in zip(rollout.episodes, values, strict=True):
                _draw_band(axes, frame, numbers, LOOKS[episode.policy])
            self.cursor = axes.plot([], [], color=INK, linewidth=1.0, zorder=6)[0]
            self.clock = axes.text(x + WIDTH, above, "", ha="right", fontsize=NOTE, color=INK)

        title = f"{quantity.name}: mean and range over agents"
        return Panel(WIDTH, height + below + 0.2, draw, title)

    def show(self, time: int) -> None:
        """Show both episodes at a time."""
        for k, (handles, episode) in enumerate(
            zip(self.handles, self.rollout.episodes, strict=True)
        ):
            self.stage.show(handles, k, time)
            so_far = short_number(self.rollout.return_until(episode, time))
            self.returns[k].set_text(f"return so far {so_far}{self.unit}")
        at = self.frame.x + self.frame.width * time / self.frame.spans.last
        self.cursor.set_data([at, at], [self.frame.y, self.frame.y + self.frame.height])
        self.clock.set_text(f"t = {time}")


def _shared_lines(quantity: Quantity, agents: int) -> list[tuple[float, dict[str, Any]]]:
    """Limits and target where they are the same for all agents, each with its look."""
    lines = []
    for name, look in (("low", LIMIT), ("high", LIMIT), ("target", TARGET)):
        each = quantity.each(name, agents)
        if each is not None and (each == each[0]).all():
            lines.append((float(each[0]), look))
    return lines


def _draw_band(
    axes: Axes, frame: Frame, values: Float[np.ndarray, "times agents"], look: dict[str, Any]
) -> None:
    """The mean over agents, and the range between the lowest and the highest."""
    known = np.ma.masked_invalid(values)
    mean, low, high = (each.filled(np.nan) for each in (known.mean(1), known.min(1), known.max(1)))
    outline = np.concatenate([frame.points(low), frame.points(high)[::-1]])
    outline = outline[np.isfinite(outline[:, 1])]
    band = {"facecolors": look["color"], "alpha": BAND, "linewidths": 0, "zorder": 1}
    axes.add_collection(PolyCollection([outline], **band), autolim=False)
    frame.line(axes, mean, **look)


def times_of(last: int, most: int) -> list[int]:
    """Times from 0 to the last one, evenly: all of them, or as many as are wanted."""
    return np.unique(np.linspace(0, last, min(most, last + 1)).round().astype(int)).tolist()


def check_animation(path: Path) -> None:
    """`UserError` unless an animation can be written in the format that a file's ending names."""
    if path.suffix.lower() not in ANIMATIONS:
        raise UserError(f"--animate '{path}' must end in .gif or .mp4")
    if path.suffix.lower() == ".mp4" and found_ffmpeg() is None:
        raise UserError(
            f"--animate '{path}' needs the program ffmpeg, which is not found; install it "
            "('pip install imageio-ffmpeg' brings one), or write a .gif"
        )


def found_ffmpeg() -> str | None:
    """The program that writes MP4: the system's, or that of the package imageio-ffmpeg."""
    if FFMpegWriter.isAvailable():
        return FFMpegWriter.bin_path()
    try:
        from imageio_ffmpeg import get_ffmpeg_exe

        return get_ffmpeg_exe()
    except (ImportError, RuntimeError):  # the package may be there without a program
        return None


def animate(rollout: Rollout, path: Path, fps: int | None = None) -> None:
    """Write an animation, whole or not at all; its last moment stands for a second.

    **Arguments:**

    - `rollout`: what is shown.
    - `path`: ends in .gif, or .mp4 where ffmpeg is found.
    - `fps`: frames a second; by default as many as make it last some 6 s, at most 10.

    **Raises:**

    - [`mastac.errors.UserError`][] for another ending, and where the file cannot be written.
    """
    check_animation(path)
    times = times_of(rollout.last, MOST_FRAMES)
    fps = fps or max(1, min(FASTEST, round(len(times) / SECONDS)))
    writer: AbstractMovieWriter = PillowWriter(fps)
    if path.suffix.lower() == ".mp4":
        writer = FFMpegWriter(fps)
    film = Film(rollout)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            partial = Path(folder, f"film{path.suffix.lower()}")
            style = {**STYLE, "savefig.bbox": None}
            if isinstance(writer, FFMpegWriter):
                style["animation.ffmpeg_path"] = found_ffmpeg()
            with matplotlib.rc_context(style), writer.saving(film.figure, str(partial), DOTS):
                for time in [*times, *times[-1:] * fps]:
                    film.show(time)
                    writer.grab_frame()
            os.replace(partial, path)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"animation '{path}' cannot be written: {reason}") from None
    except CalledProcessError as error:
        raise UserError(
            f"ffmpeg could not write '{path}' (its exit code is {error.returncode}); write a .gif"
        ) from None


def strip_figure(rollout: Rollout, moments: int = 4) -> Figure:
    """A few moments of both policies: a row of moments for each policy.

    Moments that are too wide for a row stand below each other, with the policies side by side.
    """
    stage = Stage(rollout, with_numbers=False)
    times = times_of(rollout.last, max(moments, 2))
    shots = [(k, time) for k in range(len(rollout.episodes)) for time in times]
    width, across = max(stage.nodes.extent[0], LEAST), len(times)
    if across * (width + GAP) > WIDEST:
        shots.sort(key=lambda shot: shot[1])
        across = len(rollout.episodes)
    kept: list[Handles] = []
    panels = []
    for k, time in shots:
        episode = rollout.episodes[k]
        so_far = short_number(rollout.return_until(episode, time))
        note = f"t = {time}, return so far {so_far}"
        panels.append(stage.panel(episode.label, note, kept))
    page = across * max(panel.outer for panel in panels) + (across - 1) * GAP
    figure = sheet([*panels, stage.legend()], remark=stage.remark, page=page)
    for handles, (k, time) in zip(kept, shots, strict=True):
        stage.show(handles, k, time)
    return figure
