"""What all figures of the reproduction share: colours, titles, panels and the legend below."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Colour and line of each algorithm in every figure. A colour is a family (Okabe and Ito's, safe for
# all eyes), the line says which of its variants; windows of κ go from blue to purple.
LOOKS: dict[str, tuple[str, Any]] = {
    "mastac-k2": ("#0072B2", "-"),
    "mastac": ("#000000", "-"),
    "maddpg": ("#D55E00", "-"),
    "maddpg-own": ("#D55E00", (0, (4, 1.5))),
    "matd3": ("#E69F00", "-"),
    "matd3-own": ("#E69F00", (0, (4, 1.5))),
    "facmac": ("#009E73", "-"),
    "facmac-nonmonotonic": ("#009E73", (0, (4, 1.5))),
    "independent": ("#7F7F7F", "-"),
    "qdcg-centralised": ("#CC79A7", "-"),
    "qdcg-decentralised": ("#CC79A7", (0, (4, 1.5))),
    "qdcg-coupling": ("#CC79A7", (0, (1, 1.2))),
    "undecomposed-q": ("#56B4E9", "-"),
    "undecomposed-qhat": ("#882255", "-"),
    "mastac-k4": ("#6A51A3", (0, (6, 1.5))),
    "mastac-k6": ("#B5478F", (0, (3, 1.2))),
    "mastac-k8": ("#E7717D", (0, (1, 1))),
}
UNKNOWN_LOOK = ("#444444", (0, (2, 2)))
TITLES = {
    "warehouse-9": "9 warehouses",
    "warehouse-40": "40 warehouses",
    "thermal-40": "40 zones (mean over zones)",
}
NOTE: dict[str, Any] = {"x": 0.01, "ha": "left", "fontsize": 8.5, "color": "#666666"}


def look_of(name: str) -> tuple[str, Any]:
    """Colour and line of a cell."""
    return LOOKS.get(name, UNKNOWN_LOOK)


def panels_of(number: int, height: float = 4.4, sharey: bool = False) -> tuple[Figure, list[Axes]]:
    """A figure with so many panels side by side, and the panels."""
    figure = Figure(
        figsize=(7.2 if number == 1 else 5.0 * number, height), dpi=150, layout="constrained"
    )
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(1, number, squeeze=False, sharey=sharey)[0])


def legend_below(figure: Figure, handles: Sequence[Any]) -> None:
    """A legend below all panels, in as many columns as fit."""
    longest = max(len(handle.get_label()) for handle in handles)
    columns = min(len(handles), max(1, int(figure.get_figwidth() / (0.6 + 0.075 * longest))))
    figure.legend(
        handles=handles, loc="outside lower center", ncols=columns, handlelength=2.6, fontsize=9
    )
