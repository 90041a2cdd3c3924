"""Checks of numbers that a user gives, each refusal one sentence. Imports nothing heavy."""

import math
import numbers
import operator
from typing import Any

from mastac.errors import UserError
from mastac.text import echoed, shortened


def whole_number(name: str, value: Any, least: int = 0, most: int | None = None) -> int:
    """A whole number of Python or numpy, within its range, as an `int`.

    **Arguments:**

    - `name`: what the number is, as the message is to call it.
    - `value`: what the user gave. Booleans, floats and texts are refused.
    - `least`, `most`: the range, both ends included; no upper end where `most` is `None`.

    **Raises:**

    - `UserError` that names the number, its range and what was given.

    >>> whole_number("epochs", 3, least=1)
    3
    """
    allowed = f"at least {least}" if most is None else f"from {least} to {most}"
    try:
        if isinstance(value, bool) or type(value).__name__ == "bool":  # numpy's too
            raise TypeError
        number = operator.index(value)
    except TypeError:
        given = echoed(value)
        raise UserError(f"{name} must be a whole number, {allowed}; got {given}") from None
    if number < least or (most is not None and number > most):
        raise UserError(f"{name} must be a whole number, {allowed}; got {shortened(number)}")
    return number


def real_number(
    name: str,
    value: Any,
    least: float = -math.inf,
    most: float = math.inf,
    least_excluded: bool = False,
    most_excluded: bool = False,
) -> float:
    """A finite number of Python or numpy, within its range, as a `float`.

    **Arguments:**

    - `name`: what the number is, as the message is to call it.
    - `value`: what the user gave. Booleans, texts, infinities and NaN are refused.
    - `least`, `most`: the range; `…_excluded` says that the end itself is not allowed.

    **Raises:**

    - `UserError` that names the number, its range and what was given.

    >>> real_number("discount", 1, least=0, most=1)
    1.0
    """
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    try:
        number = float(value) if is_number else math.nan
    except OverflowError:  # an integer of hundreds of digits
        number = math.inf
    if not math.isfinite(number):
        raise UserError(f"{name} must be a number, got {echoed(value)}")
    below = number < least or (least_excluded and number == least)
    above = number > most or (most_excluded and number == most)
    if below or above:
        ends = []
        if least > -math.inf:
            ends.append(f"{'above' if least_excluded else 'at least'} {least:g}")
        if most < math.inf:
            ends.append(f"{'below' if most_excluded else 'at most'} {most:g}")
        raise UserError(f"{name} must be {' and '.join(ends)}, got {echoed(value)}")
    return number
