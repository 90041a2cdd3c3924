"""Cooperative multi-agent reinforcement learning where the coupling between agents is known.

Importing this package imports neither JAX nor anything else that is slow; names are loaded when
first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

from mastac.version import __version__

if TYPE_CHECKING:
    from mastac.algorithms import ALGORITHMS
    from mastac.discovery import Discovered, TransitionLog, discover, read_log, record
    from mastac.envs import make
    from mastac.envs.base import Environment, Reference
    from mastac.errors import UserError
    from mastac.probing import Simulator, check
    from mastac.runs.run import Run, Stopped, load, resume, train
    from mastac.structure import (
        Couplings,
        CouplingSequence,
        CriticLayout,
        Dependency,
        aggregate_dependency,
        bayesian_network,
        chain,
        complete,
        folded_network,
        gradient_dependency,
        grid,
        periodic,
        read_couplings,
        read_sequence,
        ring,
        star,
        uncoupled,
        value_dependencies,
        value_dependency,
        with_failures,
    )

_HOMES = {
    "mastac.structure": (
        "Couplings CouplingSequence CriticLayout Dependency aggregate_dependency bayesian_network "
        "chain complete folded_network gradient_dependency grid periodic read_couplings "
        "read_sequence ring star uncoupled value_dependencies value_dependency with_failures"
    ),
    "mastac.envs": "make",
    "mastac.envs.base": "Environment Reference",
    "mastac.errors": "UserError",
    "mastac.algorithms": "ALGORITHMS",
    "mastac.discovery": "Discovered TransitionLog discover read_log record",
    "mastac.runs.run": "Run Stopped load resume train",
    "mastac.probing": "Simulator check",
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names.split()}

__all__ = [
    "ALGORITHMS",
    "CouplingSequence",
    "Couplings",
    "CriticLayout",
    "Dependency",
    "Discovered",
    "Environment",
    "Reference",
    "Run",
    "Simulator",
    "Stopped",
    "TransitionLog",
    "UserError",
    "__version__",
    "aggregate_dependency",
    "bayesian_network",
    "chain",
    "check",
    "complete",
    "discover",
    "folded_network",
    "gradient_dependency",
    "grid",
    "load",
    "make",
    "periodic",
    "read_couplings",
    "read_log",
    "read_sequence",
    "record",
    "resume",
    "ring",
    "star",
    "train",
    "uncoupled",
    "value_dependencies",
    "value_dependency",
    "with_failures",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'mastac' has no attribute '{name}'")
    value = getattr(importlib.import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
