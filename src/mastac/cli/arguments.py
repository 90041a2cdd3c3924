"""What a user types, turned into values: seeds, κ, `name=value` pairs, run folders. Imports no JAX."""

import argparse
import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from mastac.checks import real_number
from mastac.errors import UserError

MOST_SEEDS = 10_000
LARGEST_SEED = 2**31 - 1
LARGEST_COUNT = 10**9
WORDS = {"True": True, "False": False, "None": None}


def add_env_set(sub: argparse.ArgumentParser) -> None:
    """The option that sets an environment's own, again and again."""
    sub.add_argument(
        "--env-set",
        action="append",
        default=[],
        metavar="OPTION=VALUE",
        help="set an option of the environment",
    )


def parse_seeds(text: str) -> list[int]:
    """Seeds from a range, a list, or both; their order is kept.

    >>> parse_seeds("0-3"), parse_seeds("3"), parse_seeds("7,0-2")
    ([0, 1, 2, 3], [3], [7, 0, 1, 2])
    """
    seeds: list[int] = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*([0-9]+)\s*(?:-\s*([0-9]+)\s*)?", part)
        if found is None:
            raise UserError(
                f"seeds '{text}' are not understood; write a range 0-14, a list 0,1,2 or one number"
            )
        first = int(found[1])
        last = first if found[2] is None else int(found[2])
        if last < first:
            raise UserError(f"seeds '{part.strip()}' run backwards; write {last}-{first}")
        if last > LARGEST_SEED:
            raise UserError(f"seed {last} is too large; the largest is {LARGEST_SEED}")
        if last - first + len(seeds) >= MOST_SEEDS:
            raise UserError(f"seeds '{text}' are more than {MOST_SEEDS:,}; train fewer at once")
        seeds += range(first, last + 1)
    twice = (
        next((seed for k, seed in enumerate(seeds) if seed in seeds[:k]), None)
        if len(set(seeds)) < len(seeds)
        else None
    )
    if twice is not None:
        raise UserError(f"seed {twice} stands twice in '{text}'; name every seed once")
    return seeds


def parse_kappa(text: str) -> int | None:
    """A whole number from 0 on, or `exact` for the untruncated sets (`None`)."""
    if text == "exact":
        return None
    try:
        kappa = int(text)
    except ValueError:
        raise UserError(f"kappa '{text}' is no whole number; write 0, 1, 2, … or exact") from None
    if kappa < 0:
        raise UserError(f"kappa is {kappa}; it counts steps ahead and cannot be negative")
    return kappa


def parse_count(name: str, text: str, least: int = 1) -> int:
    """A whole number, at least `least`."""
    try:
        value = int(text)
    except ValueError:
        raise UserError(f"{name} '{text}' is no whole number") from None
    if value < least:
        raise UserError(f"{name} is {value}; it must be at least {least}")
    if value > LARGEST_COUNT:
        raise UserError(f"{name} is {text}; the largest number is {LARGEST_COUNT:,}")
    return value


def parse_share(option: str, text: str) -> float:
    """A number from 0 up to 1, as a user types it."""
    try:
        value = float(text)
    except ValueError:
        raise UserError(
            f"--{option} '{text}' is not a number; write a share below 1, such as 0.05"
        ) from None
    return real_number(f"--{option}", value, 0, 1, most_excluded=True)


def check_source(source: str, env_options: Mapping[str, Any]) -> None:
    """Refuse mistakes in an environment's name or options before JAX is imported.

    A simulator of a module, or a log, has no options.
    """
    if ":" not in source and not source.endswith(".npz"):
        from mastac.envs.graphs import structure_of

        structure_of(source, dict(env_options))
    elif env_options:
        raise UserError(f"--env-set sets options of a named environment, and '{source}' is none")


def parse_assignments(
    option: str, pairs: Sequence[str], own_options: Collection[str] = ()
) -> dict[str, Any]:
    """`name=value` pairs; a value is read as JSON, and as the text itself where it is none.

    `own_options` are names that are set by an option of their own and not here.

    >>> parse_assignments("--set", ["batch_size=64", "tau=0.01", "supply=halves", "hidden=[32, 32]"])
    {'batch_size': 64, 'tau': 0.01, 'supply': 'halves', 'hidden': [32, 32]}
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        name = name.strip()
        if not equals or not name:
            raise UserError(f"{option} '{pair}' is not understood; write {option} name=value")
        if name in own_options:
            raise UserError(f"{name} has an option of its own; write --{name} {text}")
        if name in values:
            raise UserError(f"{option} sets '{name}' twice; say it once")
        values[name] = _value(text.strip())
    return values


def _value(text: str) -> Any:
    if text in WORDS:
        return WORDS[text]
    try:
        return json.loads(text)
    except ValueError:
        return text
