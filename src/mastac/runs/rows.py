"""What a chunk of epochs adds to the tables of the run folder."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from mastac.learning.loop import EpochMetrics
from mastac.runs.plan import RunPlan


def metric_rows(
    plan: RunPlan, rows: EpochMetrics, epochs: Sequence[int], alive_at: Int[np.ndarray, " seeds"]
) -> list[list[int | float | str]]:
    """One row for each epoch and seed, in the order of the table's columns.

    **Arguments:**

    - `rows`: metrics of the chunk, `[seeds, epochs]`.
    - `epochs`: their numbers.
    - `alive_at`: for each seed the first epoch that has no row.
    """
    counted, horizon = rows.env_steps, plan.env.horizon
    cells = rows._replace(env_steps=None, agent_gradient_norm=None)
    columns = [column for column in cells if column is not None]
    return [
        [
            seed,
            epoch,
            (epoch + 1) * horizon if counted is None else int(counted[k, place]),
            plan.schedule.updates_after(epoch + 1),
            *(_measured(float(column[k, place])) for column in columns),
        ]
        for place, epoch in enumerate(epochs)
        for k, seed in enumerate(plan.config.seeds)
        if epoch < alive_at[k]
    ]


def evaluation_rows(
    plan: RunPlan,
    greedy: Float[np.ndarray, " seeds"],
    epochs: int,
    alive_at: Int[np.ndarray, " seeds"],
) -> list[list[int | float]]:
    """Rows of `evaluation.csv`: the greedy return of every seed that is alive after `epochs`."""
    return [
        [seed, epochs, float(greedy[k])]
        for k, seed in enumerate(plan.config.seeds)
        if epochs <= alive_at[k]
    ]


def timing_row(
    plan: RunPlan, first: int, epochs: int, steps: int, seconds: float
) -> list[int | float]:
    """The row of `timing.csv`; `first`: how many epochs had been done before the chunk."""
    updates = plan.schedule.updates / plan.schedule.period
    length = (epochs - first) * len(plan.config.seeds)
    return [epochs, seconds, steps / seconds, length * updates / seconds]


def _measured(value: float) -> float | str:
    """A cell of the table: empty where nothing was measured."""
    return "" if math.isnan(value) else value
