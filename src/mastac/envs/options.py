"""Options of environments: what each one is, its default, and the check that refuses a wrong value by name."""

import math
import numbers
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mastac.errors import UserError, unknown

Check = Callable[[str, Any, int], Any]
"""(name, value, number of agents) -> the value in JSON-ready form, or a `UserError`."""


@dataclass(frozen=True)
class Option:
    """One option of an environment: its default value, what it means (with unit), and its check."""

    default: Any
    summary: str
    check: Check


def plain(value: Any) -> Any:
    """`value` with arrays, tuples and numpy numbers turned into lists and Python numbers."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return value


def _number(name: str, value: Any, least: float, above: bool) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not math.isfinite(value):
        raise UserError(f"option {name} must be a number, not {value!r}")
    if value < least or (above and value == least):
        raise UserError(
            f"option {name} must be {'greater than' if above else 'at least'} {least:g}, not {value}"
        )
    return float(value)


def number(least: float = -math.inf, above: bool = False) -> Check:
    """One number, at least (or above) `least`."""
    return lambda name, value, num_agents: _number(name, plain(value), least, above)


def probability(name: str, value: Any, num_agents: int) -> float:
    """A number from 0 to 1."""
    found = _number(name, plain(value), 0.0, False)
    if found > 1:
        raise UserError(f"option {name} must be at most 1, not {found:g}")
    return found


def numbers_of_agents(least: float = -math.inf, above: bool = False) -> Check:
    """One number for all agents or a list with one for each."""

    def check(name: str, value: Any, num_agents: int) -> float | list[float]:
        value = plain(value)
        if not isinstance(value, list):
            return _number(name, value, least, above)
        if len(value) != num_agents:
            raise UserError(
                f"option {name} has {len(value)} entries for {num_agents} agents; give one number or one each"
            )
        return [_number(f"{name}[{i}]", each, least, above) for i, each in enumerate(value)]

    return check


def count(least: int = 1) -> Check:
    """A whole number, at least `least`."""

    def check(name: str, value: Any, num_agents: int) -> int:
        value = plain(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise UserError(
                f"option {name} must be a whole number of at least {least}, not {value!r}"
            )
        return value

    return check


def counts_of_agents() -> Check:
    """One whole number of at least 1 for all agents or a list with one for each."""

    def check(name: str, value: Any, num_agents: int) -> int | list[int]:
        value = plain(value)
        if not isinstance(value, list):
            return count()(name, value, num_agents)
        numbers_of_agents(1)(name, value, num_agents)
        return [count()(f"{name}[{i}]", each, num_agents) for i, each in enumerate(value)]

    return check


def choice(*known: str) -> Check:
    """One of the names `known`."""

    def check(name: str, value: Any, num_agents: int) -> str:
        if value not in known:
            raise unknown(f"value of option {name}", value, known)
        return value

    return check


def supply(name: str, value: Any, num_agents: int) -> str | list[float]:
    """`halves`, `primes`, `runs-K`, `apart-D`, or one amplitude for each agent."""
    value = plain(value)
    if isinstance(value, str):
        if value in ("halves", "primes") or any(
            counted(value, kind) >= 1 for kind in ("runs", "apart")
        ):
            return value
        raise unknown(f"value of option {name}", value, ["halves", "primes", "runs-5", "apart-2"])
    if not isinstance(value, list):
        raise UserError(
            f"option {name} must be halves, primes, runs-5, apart-2 or a list of {num_agents} numbers, not {value!r}"
        )
    return numbers_of_agents()(name, value, num_agents)


def counted(value: str, kind: str) -> int:
    """The K of `kind-K`; 0 of anything else."""
    number = value.removeprefix(f"{kind}-")
    return int(number) if number != value and number.isdecimal() else 0


def every(name: str, value: Any, num_agents: int) -> str:
    """`all`, or `every-K` with K of at least 2."""
    if value != "all" and not (isinstance(value, str) and counted(value, "every") >= 2):
        raise UserError(f"option {name} must be all, or every-2, every-3 and so on, not {value!r}")
    return value


def edges(*known: str) -> Check:
    """One of the named graphs `known`, or a list of [source, target] pairs of agents' names or indices."""

    def check(name: str, value: Any, num_agents: int) -> str | list[list[str | int]]:
        value = plain(value)
        if isinstance(value, str):
            return choice(*known)(name, value, num_agents)
        if not isinstance(value, list) or not all(
            isinstance(pair, list) and len(pair) == 2 for pair in value
        ):
            raise UserError(
                f"option {name} must be {' or '.join(known)} or a list of [source, target] pairs"
            )
        for end in (each for pair in value for each in pair):
            if isinstance(end, bool) or not isinstance(end, (str, int)):
                raise UserError(f"option {name} names agents by name or index, not by {end!r}")
        return value

    return check


def walls(name: str, value: Any, num_agents: int) -> float | list[list[Any]]:
    """One positive number for all walls, or a list of [zone, zone, number]."""
    value = plain(value)
    if not isinstance(value, list):
        return _number(name, value, 0.0, True)
    for wall in value:
        if (
            not isinstance(wall, list)
            or len(wall) != 3
            or not all(isinstance(zone, str) for zone in wall[:2])
        ):
            raise UserError(
                f"option {name} must be one number or a list of [zone, zone, number], not {wall!r}"
            )
        _number(name, wall[2], 0.0, True)
    return value


def resolved(
    kind: str, known: Mapping[str, Option], given: Mapping[str, Any], num_agents: int
) -> dict[str, Any]:
    """Every option of `known` with the value given or its default, checked and JSON-ready.

    Raises `UserError` for an unknown name (offering the nearest) and for a value of the wrong kind.
    """
    for name in given:
        if name not in known:
            raise unknown(f"option of environment {kind}", name, known)
    return {
        name: option.check(name, given.get(name, option.default), num_agents)
        for name, option in known.items()
    }
