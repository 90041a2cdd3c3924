"""A simulator from `module:name`, imported and called. Imports no JAX itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mastac.envs.modules import imported, is_environment
from mastac.envs.naming import environment_of_simulator, has_horizon, without_horizon
from mastac.errors import UserError
from mastac.probing.simulator import Simulator
from mastac.structure import Couplings, CouplingSequence


def load(
    place: str, options: Mapping[str, Any] | None = None, needs_couplings: bool = False
) -> tuple[Any, Couplings | CouplingSequence | None]:
    """The simulator at `module:name`, and the couplings to check it against if it gives some.

    It is found and called as [`mastac.envs.modules.imported`][] does. It gives, or the name is, a
    [`mastac.Environment`][], a [`mastac.Simulator`][], a PettingZoo `ParallelEnv`, or a pair of one
    of them and couplings.

    `needs_couplings`: whether a simulator outside JAX has to declare some.

    **Raises:** `UserError` if there is no such module or name, if either raises, and if it gives
    something else.
    """
    own, horizon = without_horizon(place, options or {})
    given = imported(place, own)
    pair = given if isinstance(given, tuple) and len(given) == 2 else (given, None)
    simulator, declared = pair
    is_known = isinstance(simulator, Simulator) or is_environment(simulator)
    if not is_known and hasattr(simulator, "step"):
        graphs = declared if declared is not None else getattr(simulator, "couplings", None)
        if graphs is None and not needs_couplings:
            graphs = ()  # to find them is what is asked, or others are given
        simulator = environment_of_simulator(place, own, simulator, graphs, horizon)
        is_known = True
    elif horizon is not None:
        raise has_horizon(place)
    if not is_known or not isinstance(declared, Couplings | CouplingSequence | None):
        got = " and ".join(type(value).__name__ for value in pair if value is not None) or "None"
        raise UserError(
            f"'{place}' gives {got}; it must give a mastac.Environment or a mastac.Simulator, "
            "alone or with couplings"
        )
    return simulator, declared
