"""The colours of all pictures. A colour means the same in every picture of a graph.

Nothing is imported, so that figures, pages and drawings can share them.
"""

COLORS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#E69F00",
    "#000000",
)
"""Okabe and Ito: safe for all eyes. Curves take them in this order."""
INK, PALE, FAINT = "#333333", "#8a8a8a", "#e6e6e6"
"""Text and outlines; axes and remarks; grids."""
PAPER, NODE = "#ffffff", "#f4f4f4"
"""The background, and the inside of a node."""

MEANING = {
    "state": "#0072B2",
    "action": "#56B4E9",
    "observation": "#009E73",
    "reward": "#D55E00",
    "reward_action": "#E69F00",
    "value": "#CC79A7",
    "gradient": "#882255",
    "time": INK,
}
"""The colour of what an edge says.

The coupling graphs by their names; `value` and `gradient` for the dependency graphs; `time` for the
same state one step later.
"""

LOW_TO_HIGH = ("#00224e", "#434e6c", "#7d7c78", "#bcae6c", "#fee838")
"""From a low value to a high one: cividis, made for all eyes."""
BLUE_TO_RED = ("#2166ac", "#92c5de", "#ffffff", "#f4a582", "#b2182b")
"""From one side of what is asked for to the other, white where it is met (ColorBrewer's RdBu)."""
TRAINED, SIMPLE = COLORS[0], PALE
"""Lines of a trained policy and of the simple one, which is grey in learning curves too."""

STYLE: dict = {
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.edgecolor": PALE,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.8,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "legend.frameon": True,
    "legend.framealpha": 0.85,
    "legend.edgecolor": "none",
    "legend.fancybox": False,
    "lines.solid_capstyle": "round",
    "svg.hashsalt": "mastac",  # the same content gives the same file
    "svg.fonttype": "none",
}
"""Settings of matplotlib for every figure."""
