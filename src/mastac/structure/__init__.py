"""From coupling graphs to dependency sets. Imports numpy, scipy and networkx, never JAX."""

from typing import TYPE_CHECKING, Any

from mastac.structure.couplings import Couplings, CouplingSequence
from mastac.structure.dependency import Dependency, aggregate_dependency, gradient_dependency, value_dependency
from mastac.structure.makers import chain, complete, grid, ring, star, uncoupled

if TYPE_CHECKING:
    from mastac.structure.layout import CriticLayout as CriticLayout

__all__ = [
    "CouplingSequence",
    "Couplings",
    "CriticLayout",
    "Dependency",
    "aggregate_dependency",
    "chain",
    "complete",
    "gradient_dependency",
    "grid",
    "ring",
    "star",
    "uncoupled",
    "value_dependency",
]


def __getattr__(name: str) -> Any:
    if name == "CriticLayout":
        from mastac.structure.layout import CriticLayout

        return CriticLayout
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
