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
    """One simulator, framed by the two best rules and the last quarter of every curve."""
    for color, (policy, points) in zip(COLORS, curves.items(), strict=False):
        axes.plot(*points.T, color=color, linewidth=1.8, label=policy)
    later = np.concatenate([points[3 * len(points) // 4 :, 1] for points in curves.values()])
    shown = dict(sorted(rules.items(), key=lambda rule: -rule[1])[:2])
    lowest, best = (f([*shown.values(), f(later)]) for f in (min, max))
    margin = 0.1 * (best - lowest)
    axes.set_ylim(lowest - margin, best + margin)
    for (rule, value), side in zip(shown.items(), ("bottom", "top"), strict=True):
        axes.axhline(value, color=PALE, linewidth=0.9, linestyle="--")
        place = axes.get_yaxis_transform()
        axes.text(1, value, rule, transform=place, ha="right", va=side, fontsize=7)
    axes.locator_params(axis="x", nbins=5)
    axes.ticklabel_format(useOffset=False, style="plain")
    axes.set_xlabel("environment steps")
    axes.set_ylabel("return")
    axes.legend(fontsize=7, loc="upper left")


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


if __name__ == "__main__":
    main()
