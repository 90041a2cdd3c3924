"""Panels side by side on one sheet, in inches; what is written around them; the files.

All text has a fixed size, and a sheet grows with what is on it. Sheets of few agents are as wide as
a page of a paper allows.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mastac.errors import UserError
from mastac.files import write_bytes
from mastac.palette import INK, MEANING, PALE, PAPER, STYLE
from mastac.pictures.text import line_height, text_width, wrapped

PAGE = 7.2
"""Width of a page, in inches: panels are put into rows of this width."""
GAP, MARGIN = 0.28, 0.08
LEAST = 2.2
"""Least width of a panel: three stand side by side."""
TITLE, NOTE = 9.5, 7.0
WORDS = {
    "state": "state graph",
    "action": "action graph",
    "observation": "observation graph",
    "reward": "reward graph",
    "reward_action": "reward graph of actions",
    "value": "value dependency",
    "gradient": "gradient dependency",
    "time": "the same state at another time",
}
"""What the colours of [`MEANING`][mastac.palette.MEANING] say, for legends."""


@dataclass(frozen=True)
class Panel:
    """A part of a picture.

    **Arguments:**

    - `width`, `height`: of what it draws, in inches.
    - `draw`: draws it on axes in inches, given its left and lower edge.
    - `title`, `note`: written above it.
    """

    width: float
    height: float
    draw: Callable[[Axes, float, float], None]
    title: str = ""
    note: str = ""

    @property
    def outer(self) -> float:
        """The width with what is written above, in inches."""
        return max(self.width, LEAST, text_width(self.title, TITLE, bold=True))

    def lines(self) -> list[str]:
        """The note, broken where the panel ends."""
        return wrapped(self.note, self.outer, NOTE).split("\n") if self.note else []


def sheet(
    panels: Sequence[Panel], meanings: Sequence[str] = (), remark: str = "", page: float = PAGE
) -> Figure:
    """A figure with the panels in rows, a legend of the colours, and a remark below.

    **Arguments:**

    - `panels`: from left to right; a row ends where the page does.
    - `meanings`: names of colours in [`MEANING`][mastac.palette.MEANING].
    - `remark`: in small print.
    - `page`: width of a row, in inches.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(dpi=200, facecolor=PAPER)
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        right, y = 0.0, 0.0
        for row in _rows(panels, page):
            notes = max(len(panel.lines()) for panel in row)
            is_titled = any(panel.title for panel in row)
            above = line_height(TITLE) * is_titled + line_height(NOTE) * notes + 0.08
            x = 0.0
            for panel in row:
                _write_above(axes, panel, x, y)
                panel.draw(axes, x, y - above - panel.height)
                x += panel.outer + GAP
            right = max(right, x - GAP)
            y -= above + max(panel.height for panel in row) + GAP
        right, y = _legend(axes, meanings, right, y + GAP - 0.1)
        if remark:
            text = wrapped(remark, max(right, 2.5), NOTE)
            axes.text(0, y - 0.06, text, fontsize=NOTE, color=PALE, va="top")
            y -= 0.06 + line_height(NOTE) * (text.count("\n") + 1)
            right = max(right, *(text_width(line, NOTE) for line in text.split("\n")))
        axes.set_xlim(-MARGIN, right + MARGIN)
        axes.set_ylim(y - MARGIN, MARGIN)
        figure.set_size_inches(right + 2 * MARGIN, 2 * MARGIN - y)
    return figure


METADATA: dict[str, Any] = {
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None},
}
"""Nothing that differs from run to run."""


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write a picture as PNG and SVG; the same content gives the same bytes.

    **Raises:**

    - [`mastac.errors.UserError`][] if the folder cannot be written.
    """
    paths = [folder / f"{name}{ending}" for ending in (".png", ".svg")]
    for path in paths:
        save_as(figure, path)
    return paths


def save_as(figure: Figure, path: Path) -> None:
    """Write a picture, whole or not at all, in the format of its ending: .png, .svg or .pdf.

    **Raises:**

    - [`mastac.errors.UserError`][] if the file cannot be written.
    """
    ending, content = path.suffix.lower(), io.BytesIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(content, format=ending[1:], metadata=METADATA[ending])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, content.getvalue())
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"picture '{path}' cannot be written: {reason}") from None


def svg_of(figure: Figure) -> str:
    """A picture as the text of an SVG file."""
    text = io.StringIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(text, format="svg", metadata=METADATA[".svg"])
    return text.getvalue()


def _rows(panels: Sequence[Panel], page: float) -> list[list[Panel]]:
    rows: list[list[Panel]] = []
    used = 0.0
    for panel in panels:
        width = panel.outer
        if rows and used + GAP + width <= page + 1e-6:
            rows[-1].append(panel)
            used += GAP + width
        else:
            rows.append([panel])
            used = width
    return rows


def _write_above(axes: Axes, panel: Panel, x: float, y: float) -> None:
    if panel.title:
        axes.text(x, y, panel.title, fontsize=TITLE, fontweight="bold", color=INK, va="top")
        y -= line_height(TITLE)
    for line in panel.lines():
        axes.text(x, y, line, fontsize=NOTE, color=PALE, va="top")
        y -= line_height(NOTE)


def _legend(axes: Axes, meanings: Sequence[str], right: float, y: float) -> tuple[float, float]:
    """Lines of colour with what they mean, in rows; returns the sheet's right and lower edge."""
    x, height = 0.0, line_height(NOTE)
    limit = max(right, 3.2)
    for meaning in meanings:
        width = 0.34 + text_width(WORDS[meaning], NOTE)
        if x > 0 and x + width > limit:
            x, y = 0.0, y - height
        axes.plot([x, x + 0.24], [y - height / 2] * 2, color=MEANING[meaning], linewidth=2)
        axes.text(x + 0.3, y - height / 2, WORDS[meaning], fontsize=NOTE, color=INK, va="center")
        x += width + 0.2
        right = max(right, x - 0.2)
    return right, y - height * bool(meanings)
