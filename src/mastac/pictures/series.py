"""Every agent's states, actions and rewards over time, under both policies."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mastac.envs.rollouts import Rollout
from mastac.envs.views import Quantity
from mastac.palette import INK
from mastac.pictures.lines import LIMIT, LOOKS, TARGET, Frame, Range, draw_key, value_room
from mastac.pictures.sheet import NOTE, PAGE, Panel, sheet
from mastac.pictures.text import line_height, short_labels, text_width

MOST_AGENTS = 40
"""Of more agents, those with the lowest returns are drawn."""
COLUMNS, BETWEEN, HEIGHT = 8, 0.12, 0.5
"""Frames in a row at most, and between them and their height in inches."""


def series_figure(rollout: Rollout) -> Figure:
    """For each quantity a grid of frames, one for each agent, with a line for each policy.

    Frames of a quantity share their axes; limits and targets are drawn in each. Of more than 40
    agents, those that the trained policy leaves with the lowest returns are drawn.
    """
    labels, remark = short_labels(rollout.agents)
    order = np.argsort(rollout.episodes[0].returns, kind="stable")[:MOST_AGENTS]
    rows = np.sort(order)
    view, episodes = rollout.view, rollout.episodes
    grid = partial(_grid, rollout, rows, [labels[row] for row in rows])
    panels = [_key(rollout)]
    for each in view.states:
        values = [rollout.states(episode, each) for episode in episodes]
        panels.append(grid(each, values, held=bool(each.levels)))
    for each in view.actions:
        panels.append(grid(each, [rollout.actions(episode, each) for episode in episodes]))
    panels.append(grid(rollout.reward, [rollout.rewards(episode) for episode in episodes]))
    remarks = [remark, "from left to right: time, in steps"]
    if len(rows) < len(labels):
        remarks.append(f"the {len(rows)} agents with the lowest returns of {len(labels)}")
    return sheet(panels, remark="; ".join(part for part in remarks if part))


def _key(rollout: Rollout) -> Panel:
    """What the lines mean."""
    entries = [(episode.label, LOOKS[episode.policy]) for episode in rollout.episodes]
    quantities = [*rollout.view.states, *rollout.view.actions]
    if any(each.low is not None or each.high is not None for each in quantities):
        entries.append(("limit", LIMIT))
    if any(each.target is not None for each in quantities):
        entries.append(("target", TARGET))

    def draw(axes: Axes, x: float, y: float) -> None:
        draw_key(axes, x, y + line_height(NOTE) / 2, entries)

    return Panel(PAGE, line_height(NOTE), draw, f"{rollout.env_id}, one episode")


def _grid(
    rollout: Rollout,
    rows: np.ndarray,
    labels: Sequence[str],
    quantity: Quantity,
    values: Sequence[np.ndarray],
    held: bool = True,
) -> Panel:
    """A frame for each agent of `rows` that has the quantity; its value is `held` for a step."""
    agents = len(rollout.agents)
    lines = {
        name: (each, look)
        for name, look in (("low", LIMIT), ("high", LIMIT), ("target", TARGET))
        if (each := quantity.each(name, agents)) is not None
    }
    kept = [k for k, row in enumerate(rows) if any(np.isfinite(v[:, row]).any() for v in values)]
    levels = list(quantity.levels)
    ends = [np.arange(len(levels), dtype=float)] if levels else []
    ends += [each[rows[kept]] for each, _ in lines.values()]
    spans = Range.around(rollout.last, [*(v[:, rows[kept]] for v in values), *ends])
    room = value_room(levels, spans)
    widest = max((text_width(labels[k], NOTE) for k in kept), default=0.0)
    columns = min(COLUMNS, max(len(kept), 1))
    columns = max(1, min(columns, int((PAGE - room + BETWEEN) / (widest + BETWEEN))))
    columns = -(-max(len(kept), 1) // -(-max(len(kept), 1) // columns))  # rows of one length
    width = min(1.6, (PAGE - room + BETWEEN) / columns - BETWEEN)
    step = HEIGHT + line_height(NOTE) + 0.05
    lowest = (len(kept) - 1) // columns

    def draw(axes: Axes, x: float, y: float) -> None:
        top = y + (lowest + 1) * step + line_height(NOTE) + 0.03
        for place, k in enumerate(kept):
            row, column = divmod(place, columns)
            corner = (x + room + column * (width + BETWEEN), top - (row + 1) * step)
            frame = Frame(*corner, width, HEIGHT, spans)
            has_none_below = place + columns >= len(kept)
            frame.draw(axes, levels, with_values=column == 0, with_times=has_none_below)
            at = (corner[0], corner[1] + HEIGHT + 0.02)
            axes.text(*at, labels[k], fontsize=NOTE, color=INK, va="bottom")
            for each, look in lines.values():
                frame.across(axes, float(each[rows[k]]), **look)
            for episode, numbers in zip(rollout.episodes, values, strict=True):
                frame.line(axes, numbers[:, rows[k]], held, **LOOKS[episode.policy])

    height = (lowest + 1) * step + line_height(NOTE) + 0.03
    return Panel(PAGE, height, draw, quantity.title)
