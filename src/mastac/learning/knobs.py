"""How a knob is declared: default, range, meaning, and which kinds of learner use it."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mastac.checks import real_number, whole_number
from mastac.errors import UserError
from mastac.learning.kinds import Kind
from mastac.text import echoed

LARGEST, MOST_LAYERS = 10**15, 100
"""Of whole numbers and layers: what is larger is a typing error."""


@dataclass(frozen=True)
class Search:
    """Where `mastac tune` looks for a knob's value.

    - `low`, `high`: the range, both ends included; `log`: values are drawn evenly in logarithms.
    - `choices`: the values in place of a range.
    """

    low: float = 0.0
    high: float = 0.0
    log: bool = False
    choices: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Knob:
    """One knob.

    - `default`: its type is the knob's: a whole number, a number, true or false, a text, or a tuple
        of hidden layers' widths.
    - `help`: what it means.
    - `used_by`: whether learners of a kind use it.
    - `least`, `most`: the range, both ends included; `above` is an end that is not included.
    - `choices`: the texts that are allowed.
    - `min_layers`: the fewest hidden layers.
    - `off`: its value for learners that do not use it; `None`: the default.
    - `search`: where `mastac tune` looks for its value; `None`: it cannot be searched.
    """

    default: Any
    help: str
    used_by: Callable[[Kind], bool]
    least: float | None = None
    most: float | None = None
    above: float | None = None
    choices: tuple[str, ...] = ()
    min_layers: int = 0
    off: Any = None
    search: Search | None = None

    @property
    def unused(self) -> Any:
        """Its value in the settings of learners that do not use it."""
        return self.default if self.off is None else self.off

    @property
    def range(self) -> str:
        """The allowed values in words.

        >>> Knob(0.5, "", bool, above=0, most=1).range, Knob(1, "", bool, least=1).range
        ('a number above 0 up to 1', 'a whole number from 1')
        """
        if self.choices:
            return f"{', '.join(self.choices[:-1])} or {self.choices[-1]}"
        if isinstance(self.default, bool):
            return "true or false"
        if isinstance(self.default, tuple):
            some = "at least one layer" if self.min_layers else "layers"
            return f"a list like [64,64] of {some}, whole numbers from 1"
        words = "a whole number" if isinstance(self.default, int) else "a number"
        ends = [("above", self.above), ("from", self.least), ("up to", self.most)]
        return " ".join([words, *(f"{word} {end:g}" for word, end in ends if end is not None)])

    def checked(self, name: str, value: Any) -> Any:
        """`value` in the knob's type; numbers may be numpy's, and whole numbers may be like `1e5`.

        **Raises:**

        - `UserError` that names the knob, its range and the value.
        """
        try:
            return self._converted(value)
        except UserError:
            is_number = isinstance(value, int | float) and isinstance(self.default, int)
            if is_number and LARGEST < value < math.inf:
                raise UserError(
                    f"knob '{name}' is {echoed(value)}; the largest number is {LARGEST:,}"
                ) from None
            raise UserError(f"knob '{name}' must be {self.range}, got {echoed(value)}") from None

    def _converted(self, value: Any) -> Any:
        if self.choices:
            return _require(isinstance(value, str) and value in self.choices, value)
        if isinstance(self.default, bool):
            return bool(_require(type(value).__name__ in ("bool", "bool_"), value))  # numpy's too
        if isinstance(self.default, tuple):
            _require(isinstance(value, list | tuple) and len(value) >= self.min_layers, value)
            _require(len(value) <= MOST_LAYERS, value)
            return tuple(whole_number("a layer", width, 1, LARGEST) for width in value)
        if isinstance(self.default, int):
            is_whole = isinstance(value, float | np.floating) and float(value).is_integer()
            number = int(value) if is_whole else value
            return whole_number("it", number, int(self.least or 0), LARGEST)
        ends = [end for end in (self.least, self.above) if end is not None]
        most = math.inf if self.most is None else self.most
        return real_number("it", value, *ends, most=most, least_excluded=self.above is not None)


def _require(holds: bool, value: Any) -> Any:
    if not holds:
        raise UserError("not allowed")
    return value


def knob(default: Any, help: str, used_by: Callable[[Kind], bool], **about: Any) -> Any:
    """A dataclass field that declares a knob; `about` are the further fields of [`Knob`][]."""
    return field(default=default, metadata={"knob": Knob(default, help, used_by, **about)})
