"""What the graphs say before training: sizes, costs, reasons, messages, and what to try first."""

from mastac.analysis.critical_edges import edge_effects, link_effects, without_edge
from mastac.analysis.reasons import Reason, reason
from mastac.analysis.report import graph_report
from mastac.analysis.report_text import format_report

__all__ = [
    "Reason",
    "edge_effects",
    "format_report",
    "graph_report",
    "link_effects",
    "reason",
    "without_edge",
]
