"""What the import hook checks in tests: the shapes and types of arrays, as the annotations say.

Other annotations are left to pyright: a test of bad input passes wrong types on purpose, and it
expects is the library's own message.
"""

import inspect
from collections.abc import Callable
from typing import Any, get_args, get_origin

from beartype import BeartypeConf, beartype
from jaxtyping import AbstractArray

CHECK = beartype(conf=BeartypeConf(is_pep484_tower=True))


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
