"""A simulator from `module:name`, imported and called. Imports no JAX itself."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

from mastac.errors import UserError, unknown
from mastac.probing.probes import is_environment
from mastac.probing.simulator import Simulator
from mastac.structure import Couplings, CouplingSequence


def load(place: str) -> tuple[Any, Couplings | CouplingSequence | None]:
    """The simulator at `module:name`, and the couplings to check it against if it gives some.

    The module is imported from the current folder or the path. A function is called without
    arguments. It gives, or the name is, a [`mastac.Environment`][], a [`mastac.Simulator`][], or a
    pair of one of them and couplings.

    **Raises:** `UserError` if there is no such module or name, if either raises, and if it gives
    something else.
    """
    module, _, name = place.partition(":")
    if not module or not name:
        raise UserError(
            f"'{place}' is not understood; write module:function, as in "
            "my_package.my_module:my_simulator"
        )
    if module.endswith(".py") or os.sep in module:
        better = module.removesuffix(".py").strip(os.sep + ".").replace(os.sep, ".")
        raise UserError(f"'{module}' is a file; name the module, as in {better}:{name}")
    given = _named(_imported(module), module, name)
    if callable(given) and not _is_simulator(given):
        try:
            given = given()
        except Exception as error:
            raise UserError(f"'{place}' raised {type(error).__name__}: {error}") from error
    pair = given if isinstance(given, tuple) and len(given) == 2 else (given, None)
    simulator, declared = pair
    if not _is_simulator(simulator) or not isinstance(
        declared, Couplings | CouplingSequence | None
    ):
        got = " and ".join(type(value).__name__ for value in pair if value is not None) or "None"
        raise UserError(
            f"'{place}' gives {got}; it must give a mastac.Environment or a mastac.Simulator, "
            "alone or with couplings"
        )
    return simulator, declared


def _is_simulator(value: Any) -> bool:
    return isinstance(value, Simulator) or is_environment(value)


def _imported(module: str) -> Any:
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)  # as `python -m` does; an installed command would not look here
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        parts = module.split(".")
        if error.name in {".".join(parts[:count]) for count in range(1, len(parts) + 1)}:
            raise UserError(f"there is no module '{module}' in {here} or on the path") from error
        raise UserError(
            f"module '{module}' imports '{error.name}', which is not installed"
        ) from error
    except Exception as error:
        raise UserError(
            f"importing module '{module}' raised {type(error).__name__}: {error}"
        ) from error


def _named(module: Any, place: str, name: str) -> Any:
    if not hasattr(module, name):
        raise unknown(
            f"name in module '{place}'",
            name,
            [known for known in vars(module) if not known.startswith("_")],
        )
    return getattr(module, name)
