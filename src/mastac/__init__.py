"""Cooperative multi-agent reinforcement learning where the coupling between agents is known.

Importing this package imports neither JAX nor anything else that is slow; names are loaded when
first used.
"""

from typing import TYPE_CHECKING

import lazy_loader

from mastac.version import __version__

if TYPE_CHECKING:
    from mastac.algorithms import ALGORITHMS
    from mastac.discovery import Discovered, TransitionLog, check, discover, read_log, record
    from mastac.envs import make
    from mastac.envs.base import Environment, Reference
    from mastac.envs.host.adapter import from_pettingzoo
    from mastac.envs.parallel import pettingzoo
    from mastac.envs.transitions import Transition
    from mastac.envs.views import Flow, Quantity, View
    from mastac.errors import UserError
    from mastac.probing import Simulator
    from mastac.runs.interruption import Stopped
    from mastac.runs.run import Run, load, resume, train
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
    from mastac.tuning import tune

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "algorithms": ["ALGORITHMS"],
        "discovery": ["Discovered", "TransitionLog", "check", "discover", "read_log", "record"],
        "envs": ["make"],
        "envs.base": ["Environment", "Reference"],
        "envs.host.adapter": ["from_pettingzoo"],
        "envs.parallel": ["pettingzoo"],
        "envs.transitions": ["Transition"],
        "envs.views": ["Flow", "Quantity", "View"],
        "errors": ["UserError"],
        "probing": ["Simulator"],
        "runs.interruption": ["Stopped"],
        "runs.run": ["Run", "load", "resume", "train"],
        "structure": [
            "Couplings",
            "CouplingSequence",
            "CriticLayout",
            "Dependency",
            "aggregate_dependency",
            "bayesian_network",
            "chain",
            "complete",
            "folded_network",
            "gradient_dependency",
            "grid",
            "periodic",
            "read_couplings",
            "read_sequence",
            "ring",
            "star",
            "uncoupled",
            "value_dependencies",
            "value_dependency",
            "with_failures",
        ],
        "tuning": ["tune"],
    },
)

__all__ = [
    "ALGORITHMS",
    "CouplingSequence",
    "Couplings",
    "CriticLayout",
    "Dependency",
    "Discovered",
    "Environment",
    "Flow",
    "Quantity",
    "Reference",
    "Run",
    "Simulator",
    "Stopped",
    "Transition",
    "TransitionLog",
    "UserError",
    "View",
    "__version__",
    "aggregate_dependency",
    "bayesian_network",
    "chain",
    "check",
    "complete",
    "discover",
    "folded_network",
    "from_pettingzoo",
    "gradient_dependency",
    "grid",
    "load",
    "make",
    "periodic",
    "pettingzoo",
    "read_couplings",
    "read_log",
    "read_sequence",
    "record",
    "resume",
    "ring",
    "star",
    "train",
    "tune",
    "uncoupled",
    "value_dependencies",
    "value_dependency",
    "with_failures",
]
