"""Checks of the fields of an environment; each returns the value in its plain form."""

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from mastac.errors import UserError


def checked_sizes(what: str, sizes: Any, num_agents: int, least: int) -> Int[np.ndarray, " agents"]:
    """One whole number for each agent.

    **Arguments:**

    - `what`: what the numbers are, as the message is to call them.
    - `least`: 1 where every agent needs at least one entry, 0 otherwise.
    """
    expected = f"one {'positive ' if least else ''}whole number for each of its {num_agents} agents"
    try:
        given = np.asarray(sizes)
    except ValueError:
        raise UserError(f"{what} must give {expected}, got {sizes!r}") from None
    is_whole = given.dtype.kind in "iuf" and np.isfinite(given).all() and (given % 1 == 0).all()
    if given.shape != (num_agents,) or not is_whole or (given < least).any():
        raise UserError(f"{what} must give {expected}, got {_short(sizes)}")
    return given.astype(np.int64)


def checked_numbers(
    what: str,
    value: Any,
    agents: tuple[str, ...],
    width: int,
    positive: bool = False,
) -> float | Float[np.ndarray, "..."]:
    """One finite number, or an array of them that broadcasts to one row of `width` for each agent.

    **Arguments:**

    - `what`: what the numbers are, as the message is to call them.
    - `positive`: whether all must be above 0, those that pad rows among them: networks divide by
        them.
    """
    shape = (len(agents), width)
    try:
        numbers = np.asarray(value)
    except ValueError:  # lists of different lengths
        numbers = np.asarray(None)
    if numbers.dtype.kind not in "iuf":
        raise UserError(f"{what} must be a number or an array of numbers, got {_short(value)}")
    try:
        rows = np.broadcast_to(numbers, shape)
    except ValueError:
        raise UserError(
            f"{what} has shape {list(numbers.shape)}, which does not fit rows of shape "
            f"{list(shape)}; give one number, or an array of that shape"
        ) from None
    wrong = ~np.isfinite(rows) | (rows <= 0 if positive else False)
    if wrong.any():
        agent, entry = np.argwhere(wrong)[0]
        raise UserError(
            f"{what} must be {'above 0 and finite' if positive else 'finite'}, "
            f"got {rows[agent, entry]} for agent '{agents[agent]}'"
        )
    if numbers.ndim == 0:
        return float(numbers)
    return numbers if numbers.dtype.kind == "f" else numbers.astype(float)


def json_ready(what: str, value: Any) -> Any:
    """The value as JSON holds it, with arrays and tuples as lists and numpy's numbers as Python's.

    **Raises:**

    - `UserError` for NaN, infinities, and what JSON has no form for.
    """
    if isinstance(value, Mapping):
        for name in value:
            if not isinstance(name, str):
                raise UserError(f"{what} must have texts as names, got {name!r}")
        return {name: json_ready(f"{name} in {what}", entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [json_ready(what, entry) for entry in value]
    if hasattr(value, "tolist"):
        return json_ready(what, value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"{what} is {value}, which cannot be stored as JSON; give a finite number")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise UserError(
        f"{what} cannot be stored as JSON; give numbers, texts and lists of them, "
        f"not {_short(value)}"
    )


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:80]}…"


def takes_time(observe: Callable[..., Any]) -> bool:
    """Whether a function has a second argument without a default."""
    try:
        parameters = inspect.signature(observe).parameters.values()
    except (TypeError, ValueError):  # no signature, as of some builtins
        return False
    return sum(parameter.default is parameter.empty for parameter in parameters) > 1
