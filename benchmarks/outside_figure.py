"""Returns of greedy policies while they are trained in simulators of other packages.

    python benchmarks/outside_figure.py

A panel for each simulator of `results/outside-curves.csv`, which `outside.py --train` writes, with
a broken line for each policy that needs no training, of `results/outside.csv`. Draws
`results/outside-curves.png`.
"""

import csv
from collections import defaultdict
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from common import RESULTS
from mastac.palette import COLORS, PALE, STYLE
from mastac.runs.drawing import save

CURVES, FIGURES = RESULTS / "outside-curves.csv", RESULTS / "outside.csv"


def main() -> None:
    """Draw all simulators that have curves."""
    curves: dict[str, dict[str, list[list[float]]]] = defaultdict(lambda: defaultdict(list))
    for row in _rows(CURVES):
        points = curves[row["simulator"]][row["policy"]]
        points.append([float(row["steps"]), float(row["return"])])
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4.3 * len(curves), 3.4), layout="constrained")
        for axes, (simulator, policies) in zip(
            np.atleast_1d(figure.subplots(1, len(curves))), curves.items(), strict=True
        ):
            rules = {
                row["policy"]: float(row["return"])
                for row in _rows(FIGURES)
                if row["simulator"] == simulator and row["trained_steps"] == "0"
            }
            draw_panel(axes, {name: np.array(points) for name, points in policies.items()}, rules)
            axes.set_title(simulator)
    save(figure, RESULTS / "outside-curves.png")


def draw_panel(axes: Axes, curves: dict[str, np.ndarray], rules: dict[str, float]) -> None:
    """One simulator; what lies far below the rules is left out."""
    for color, (policy, points) in zip(COLORS, curves.items(), strict=False):
        axes.plot(*points.T, color=color, linewidth=1.8, label=policy)
    values = np.concatenate([points[len(points) // 3 :, 1] for points in curves.values()])
    best = max(max(rules.values()), float(values.max()))
    shown = sorted(rules.values(), reverse=True)[:3]
    lowest = min(*shown, float(values.min()))
    margin = 0.06 * (best - lowest)
    axes.set_ylim(lowest - margin, best + margin)
    for rule, value in rules.items():
        if value >= lowest:
            axes.axhline(value, color=PALE, linewidth=0.9, linestyle="--")
            axes.annotate(
                rule, (1, value), xycoords=("axes fraction", "data"), ha="right", va="bottom",
                fontsize=7,
            )  # fmt: skip
    axes.set_xlabel("environment steps")
    axes.set_ylabel("return")
    axes.legend(fontsize=7, loc="lower right")


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


if __name__ == "__main__":
    main()
