"""Sample efficiency as a figure: epochs until each algorithm reaches MAStAC's final return."""

from collections.abc import Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from mastac.errors import UserError
from mastac.palette import STYLE
from mastac.reproduction.measures import (
    TARGETS,
    Row,
    by_env,
    efficiency_rows,
    is_cut_short,
    label_of,
)
from mastac.reproduction.panels import NOTE, TITLES, legend_below, look_of, panels_of
from mastac.reproduction.paper import COMPARED
from mastac.reproduction.raw_data import RawCell
from mastac.runs.drawing import count_axis, short


def sample_efficiency(cells: Sequence[RawCell]) -> Figure:
    """Epochs until each algorithm reaches MAStAC's final return: bars for means, dots for seeds."""
    rows = [row for row in efficiency_rows(cells) if row["cell"] in COMPARED]
    envs = [env for env in by_env(cells) if any(row["env"] == env for row in rows)]
    if not envs:
        raise UserError(
            "there is nothing to draw of sample efficiency: no MAStAC cell is in the raw data"
        )
    names = [name for name in COMPARED if any(row["cell"] == name for row in rows)]
    targets = [name for name in TARGETS if any(row["target_cell"] == name for row in rows)]
    with matplotlib.rc_context(STYLE):
        figure, panels = panels_of(len(envs), height=1.3 + 0.34 * len(names), sharey=True)
        for axes, env in zip(panels, envs, strict=True):
            _bars(axes, env, names, [row for row in rows if row["env"] == env])
        panels[0].set_yticks(range(len(names)), [label_of(name) for name in names])
        panels[0].set_ylim(len(names) - 0.4, -0.6)
        legend_below(figure, _bar_handles(targets))
        figure.suptitle(
            "never: not in the epochs trained; the score is that of the greedy policy at the end",
            **NOTE,
        )
        figure.draw_without_rendering()
    return figure


def _bars(axes: Axes, env: str, names: Sequence[str], rows: Sequence[Row]) -> None:
    targets = [name for name in TARGETS if any(row["target_cell"] == name for row in rows)]
    high, right = 0.8 / len(targets), 1.02 * max(row["trained_epochs"] for row in rows)
    for place, name in enumerate(names):
        mine = {row["target_cell"]: row for row in rows if row["cell"] == name}
        for k, row in enumerate(mine.values()):
            y = place + (k - (len(targets) - 1) / 2) * high
            _bar(axes, row, y, high, 0.9 if k == 0 else 0.45)
        never = [row for row in mine.values() if row["epochs"] is None]
        if never:  # one text where it is never reached at all, else one in the line of its target
            is_all = len(never) == len(mine)
            k = len(targets) / 2 - 0.5 if is_all else list(mine).index(never[0]["target_cell"])
            reached = [epochs for row in never for epochs in row["by_seed"].values()]
            after = max([0, *(epochs for epochs in reached if epochs is not None)]) / right
            y = place + (k - (len(targets) - 1) / 2) * high
            _never(axes, never[0], y, after, fontsize=7 if len(never) > 1 else 6)
    axes.set_xlim(0, right)
    axes.set_title(TITLES.get(env, env), loc="left", fontsize=11.5, fontweight="bold")
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    count_axis(axes, "epochs until reached")


def _bar(axes: Axes, row: Row, y: float, high: float, alpha: float) -> None:
    """The mean's epochs, if it gets there, and a dot for each seed that does."""
    if row["epochs"] is not None:
        axes.barh(
            y, row["epochs"], 0.9 * high, color=look_of(row["cell"])[0], alpha=alpha, linewidth=0
        )
    dots = [epochs for epochs in row["by_seed"].values() if epochs is not None]
    look: dict[str, Any] = {"color": "white", "markeredgecolor": "#222222", "markeredgewidth": 0.7}
    axes.plot(dots, [y] * len(dots), "o", markersize=3.2, zorder=3, **look)


def _never(axes: Axes, row: Row, y: float, after: float, fontsize: float) -> None:
    """Say that the mean never gets there, and its score, beside the dots of the seeds."""
    score = "" if row["score"] is None else f" (score {short(row['score'])})"
    text = (f"never in {row['trained_epochs']:,}" if is_cut_short(row) else "never") + score
    place = {"transform": axes.get_yaxis_transform(), "va": "center"}
    axes.text(
        0.015 + (after if after < 0.5 else 0), y, text, fontsize=fontsize, color="#555555", **place
    )


def _bar_handles(targets: Sequence[str]) -> list[Any]:
    shades = [Patch(color="#444444", alpha=0.9 if k == 0 else 0.45) for k in range(len(targets))]
    for shade, name in zip(shades, targets, strict=True):
        shade.set_label(f"until the final return of {label_of(name)}")
    dot = Line2D(
        [],
        [],
        marker="o",
        markersize=4,
        color="white",
        markeredgecolor="#222222",
        label="each seed that does",
    )
    dot.set_linestyle("")
    return [*shades, dot]
