"""Which knobs are searched, and where. Imports neither Optuna nor JAX."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mastac.algorithms import ALGORITHMS, users_text
from mastac.errors import UserError, unknown
from mastac.learning.settings import KNOBS, Settings

FIRST = ("actor_lr", "critic_lr", "noise", "discount", "reward_scale", "temperature")
FIRST += ("clip_ratio", "entropy_bonus", "perturbation", "model_lr")
"""The knobs that are searched unless the user names others, those of them that apply."""
SEARCHABLE = tuple(name for name, knob in KNOBS.items() if knob.search is not None)
ROOM = 3  # a range by logarithms goes on by this factor on either side of the preset's value
DIGITS = 3  # of a value that is tried: more only make commands longer


@dataclass(frozen=True)
class Range:
    """Where the value of one knob is searched.

    - `low`, `high`: both ends; `log`: evenly in logarithms; `is_whole`: whole numbers alone.
    - `choices`: the values in place of a range.
    """

    low: float = 0.0
    high: float = 0.0
    log: bool = False
    is_whole: bool = False
    choices: tuple[Any, ...] = ()

    def suggested(self, trial: Any, name: str) -> Any:
        """The value that a trial of Optuna gives the knob."""
        if self.choices:  # Optuna stores texts, and layers are none
            return json.loads(trial.suggest_categorical(name, [*map(_text, self.choices)]))
        if self.is_whole:
            return trial.suggest_int(name, int(self.low), int(self.high), log=self.log)
        value = trial.suggest_float(name, self.low, self.high, log=self.log)
        return min(max(_rounded(value), self.low), self.high)

    def stored(self, value: Any) -> Any:
        """A value of the knob as Optuna stores it."""
        return _text(value) if self.choices else value

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: the choices, or the range."""
        if self.choices:
            return {"choices": json.loads(json.dumps(self.choices))}
        return {"low": self.low, "high": self.high, "log": self.log}


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def _text(value: Any) -> str:
    return json.dumps(value)


def space_of(
    algorithm: str, settings: Settings, knobs: Sequence[str] = (), fixed: Mapping[str, Any] = {}
) -> dict[str, Range]:
    """The ranges that are searched, by knob.

    Each range is widened where the preset's value, the first that is tried, is not well within.

    **Arguments:**

    - `algorithm`: a name in `ALGORITHMS`.
    - `settings`: the preset's.
    - `knobs`: those to search; without any, those of `FIRST` that the algorithm leaves free.
    - `fixed`: knobs that the user has set; they are not searched.

    **Raises:**

    - `UserError` for a knob that is unknown, cannot be searched, does not apply to the algorithm,
      is named twice or is set as well.
    """
    constant = ALGORITHMS[algorithm].constant_knobs
    if not knobs:
        knobs = [name for name in FIRST if name not in constant and name not in fixed]
    if not knobs:
        raise UserError(f"no knob of '{algorithm}' is left to search; name some with --knobs")
    for name in knobs:
        if name not in KNOBS:
            raise unknown("knob", name, SEARCHABLE)
        if name not in SEARCHABLE:
            known = ", ".join(free for free in SEARCHABLE if free not in constant)
            raise UserError(f"knob '{name}' has no range to search; choose among {known}")
        if name in constant:
            raise UserError(
                f"algorithm '{algorithm}' leaves no choice of knob '{name}'; it is one of "
                f"{users_text(name)}"
            )
        if name in fixed:
            raise UserError(f"knob '{name}' is set and searched; drop it from --set or --knobs")
        if list(knobs).count(name) > 1:
            raise UserError(f"knob '{name}' stands twice in --knobs; name it once")
    return {name: _range(name, getattr(settings, name)) for name in knobs}


def _range(name: str, value: Any) -> Range:
    """The declared range of a knob, widened to hold `value` and, by logarithms, what is near it."""
    search = KNOBS[name].search
    assert search is not None
    if search.choices:
        others = () if value in search.choices else (value,)
        return Range(choices=(*others, *search.choices))
    is_whole = isinstance(KNOBS[name].default, int)
    if not (search.log and value > 0):  # 0 has no logarithm
        low, high = min(search.low, value), max(search.high, value)
        return Range(low, high, False, is_whole)
    low, high = min(search.low, _rounded(value / ROOM)), max(search.high, _rounded(value * ROOM))
    if is_whole:
        low, high = max(1, int(low)), int(high)
    most = KNOBS[name].most
    return Range(low, high if most is None else min(high, most), True, is_whole)
