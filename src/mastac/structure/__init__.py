"""From coupling graphs to dependency sets. Imports numpy, scipy and networkx, never JAX."""

from mastac.structure.bayesian_network import Explanation, bayesian_network, explain, explanations, folded_network
from mastac.structure.couplings import Couplings, CouplingSequence
from mastac.structure.dependency import Dependency, aggregate_dependency, gradient_dependency, value_dependency
from mastac.structure.layout import CriticLayout
from mastac.structure.makers import chain, complete, grid, ring, star, uncoupled
from mastac.structure.readers import read_couplings
from mastac.structure.report import format_report, graph_report

__all__ = [
    "CouplingSequence",
    "Couplings",
    "CriticLayout",
    "Dependency",
    "Explanation",
    "aggregate_dependency",
    "bayesian_network",
    "chain",
    "complete",
    "explain",
    "explanations",
    "folded_network",
    "format_report",
    "gradient_dependency",
    "graph_report",
    "grid",
    "read_couplings",
    "ring",
    "star",
    "uncoupled",
    "value_dependency",
]
