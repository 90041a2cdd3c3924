"""From coupling graphs to dependency sets. Imports numpy, scipy and networkx, never JAX."""

from mastac.structure.bayesian_network import bayesian_network, folded_network
from mastac.structure.couplings import Couplings
from mastac.structure.dependency import (
    Dependency,
    aggregate_dependency,
    estimate,
    gradient_dependency,
    value_dependencies,
    value_dependency,
)
from mastac.structure.layout import CriticLayout
from mastac.structure.paths import Explanation, explain, explanations
from mastac.structure.readers import read_couplings, read_graphs, read_sequence
from mastac.structure.schedules import periodic, with_failures
from mastac.structure.sequences import CouplingSequence, steady
from mastac.structure.topologies import chain, complete, grid, ring, star, uncoupled

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
    "estimate",
    "explain",
    "explanations",
    "folded_network",
    "gradient_dependency",
    "grid",
    "periodic",
    "read_couplings",
    "read_graphs",
    "read_sequence",
    "ring",
    "star",
    "steady",
    "uncoupled",
    "value_dependencies",
    "value_dependency",
    "with_failures",
]
