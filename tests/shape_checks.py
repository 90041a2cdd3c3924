"""What the import hook checks in tests: the shapes and types of arrays, as the annotations say.

Other annotations are left to pyright: a test of bad input passes wrong types on purpose, and it
expects is the library's own message.
"""

import inspect
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args, get_origin

from beartype import BeartypeConf, beartype
from jaxtyping import AbstractArray

# Small numpy functions that exact computations call many thousand times: checks would make their
# tests ten times slower, and independent witnesses hold their results.
UNCHECKED = (
    "mastac.envs.linear_system",
    "mastac.theory.games",
    "mastac.theory.game_theorems",
    "mastac.theory.lq_theorems",
    "mastac.theory.credit_games",
    "mastac.theory.linear_quadratic",
)
CHECK = beartype(conf=BeartypeConf(is_pep484_tower=True))


def checked_modules() -> list[str]:
    """All modules of the package but those of `UNCHECKED`."""
    spec = find_spec("mastac")  # imports nothing
    assert spec is not None and spec.origin is not None
    package = Path(spec.origin).parent
    files = [path.relative_to(package.parent) for path in package.rglob("*.py")]
    names = [".".join(path.with_suffix("").parts) for path in files if path.stem != "__init__"]
    return [name for name in sorted(names) if name not in UNCHECKED]


def speaks_of_arrays(hint: Any) -> bool:
    """Whether an annotation is an array's shape, or holds one (as in a tuple of arrays)."""
    if inspect.isclass(hint) and issubclass(hint, AbstractArray):
        return True
    if get_origin(hint) is Callable:  # what a function takes is checked where it is called
        return False
    return any(map(speaks_of_arrays, get_args(hint)))


def check(function: Callable) -> Callable:
    """The function with its arrays checked at every call, by beartype."""
    hints = dict(getattr(function, "__annotations__", {}))
    arrays = {name: hint for name, hint in hints.items() if speaks_of_arrays(hint)}
    if not arrays:
        return function
    function.__annotations__ = arrays
    checked = CHECK(function)
    function.__annotations__ = hints
    return checked
