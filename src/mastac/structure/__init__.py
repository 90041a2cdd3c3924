"""From coupling graphs to dependency sets. Imports numpy, scipy and networkx, never JAX."""

from mastac.structure.bayesian_network import Explanation, bayesian_network, explain, explanations, folded_network
from mastac.structure.couplings import Couplings, CouplingSequence, steady
from mastac.structure.critical_edges import edge_effects, link_effects, without_edge
from mastac.structure.dependency import (
    Dependency,
    aggregate_dependency,
    estimate,
    gradient_dependency,
    value_dependencies,
    value_dependency,
)
from mastac.structure.layout import CriticLayout
from mastac.structure.makers import chain, complete, grid, ring, star, uncoupled
from mastac.structure.readers import read_couplings, read_sequence
from mastac.structure.reasons import Reason, reason
from mastac.structure.report import format_report, graph_report
from mastac.structure.sequences import periodic, with_failures

__all__ = [
    "CouplingSequence",
    "Couplings",
    "CriticLayout",
    "Dependency",
    "Explanation",
    "Reason",
    "aggregate_dependency",
    "bayesian_network",
    "chain",
    "complete",
    "edge_effects",
    "estimate",
    "explain",
    "explanations",
    "folded_network",
    "format_report",
    "gradient_dependency",
    "graph_report",
    "grid",
    "link_effects",
    "periodic",
    "read_couplings",
    "read_sequence",
    "reason",
    "ring",
    "star",
    "steady",
    "uncoupled",
    "value_dependencies",
    "value_dependency",
    "with_failures",
    "without_edge",
]
