"""Options of environments: default, meaning, and the check that refuses a wrong value by name."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mastac.checks import real_number, whole_number
from mastac.errors import UserError, unknown
from mastac.text import echoed

Check = Callable[[str, Any, int], Any]
"""(name, value, number of agents) -> the value in JSON-ready form, or a `UserError`."""

LARGEST_COUNT = 10**7
LARGEST_SEED = 2**32 - 1  # of a JAX key
"""Of steps and whatever else is counted: more is a typing error, and would fill the memory."""


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
        return [plain(entry) for entry in value]
    return value


def number(least: float = -math.inf, above: bool = False, most: float = math.inf) -> Check:
    """One number, at least (or above) `least` and at most `most`."""
    return lambda name, value, num_agents: real_number(
        f"option {name}", plain(value), least, most, least_excluded=above
    )


probability = number(0.0, most=1.0)
"""A number from 0 to 1."""
positive = number(0.0, above=True)
"""A number above 0."""


def count(least: int = 1, most: int = LARGEST_COUNT) -> Check:
    """A whole number from `least` to `most`; 8.0 is one, too."""

    def check(name: str, value: Any, num_agents: int) -> int:
        value = plain(value)
        is_whole = isinstance(value, float) and value.is_integer()
        number = int(value) if is_whole else value
        return whole_number(f"option {name}", number, least, most)

    return check


def of_agents(check: Check) -> Check:
    """One value for all agents or a list with one for each, every entry by `check`."""

    def check_all(name: str, value: Any, num_agents: int) -> Any:
        value = plain(value)
        if not isinstance(value, list):
            return check(name, value, num_agents)
        if len(value) != num_agents:
            raise UserError(
                f"option {name} has {len(value)} entries for {num_agents} agents; "
                "give one number or one each"
            )
        return [check(f"{name}[{i}]", entry, num_agents) for i, entry in enumerate(value)]

    return check_all


def choice(*known: str) -> Check:
    """One of the names `known`."""

    def check(name: str, value: Any, num_agents: int) -> str:
        if value not in known:
            raise unknown(f"value of option {name}", value, known)
        return value

    return check


def counted(value: str, kind: str) -> int:
    """The K of `kind-K`; 0 of anything else."""
    digits = value.removeprefix(f"{kind}-")
    return int(digits) if digits != value and digits.isdecimal() else 0


def every(name: str, value: Any, num_agents: int) -> str:
    """`all`, or `every-K` with K of at least 2."""
    if value != "all" and not (isinstance(value, str) and counted(value, "every") >= 2):
        raise UserError(
            f"option {name} must be all, or every-2, every-3 and so on, not {echoed(value)}"
        )
    return value


def edges(*known: str) -> Check:
    """One of the graphs `known`, or a list of [source, target] pairs of names or indices."""

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
        for end in (end for pair in value for end in pair):
            if isinstance(end, bool) or not isinstance(end, (str, int)):
                raise UserError(
                    f"option {name} names agents by name or index, not by {echoed(end)}"
                )
        return value

    return check


def resolved(
    id: str, known: Mapping[str, Option], given: Mapping[str, Any], num_agents: int
) -> dict[str, Any]:
    """Every option of environment `id` with the value given or its default, checked and JSON-ready.

    **Arguments:**

    - `known`: the options that the environment has, by name.
    - `given`: the values that differ from the defaults.

    **Raises:**

    - `UserError` for an unknown name (offering the nearest) and for a value of the wrong kind.
    """
    for name in given:
        if name not in known:
            raise unknown(f"option of environment {id}", name, known)
    return {
        name: option.check(name, given.get(name, option.default), num_agents)
        for name, option in known.items()
    }
