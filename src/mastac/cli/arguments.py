"""Arguments that several commands share, and what a user types turned into values.

Imports nothing heavy.
"""

import argparse
import json
import math
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mastac.errors import UserError
from mastac.text import shortened

MOST_SEEDS = 10_000
LARGEST_SEED = 2**31 - 1
LARGEST_COUNT = 10**9
WORDS = {"True": True, "False": False, "None": None}


def add_env(
    parser: argparse.ArgumentParser,
    name: str = "env",
    optional: bool = False,
    help: str = "name of an environment, such as warehouse-9 ('mastac envs' lists them), or "
    "module:name of one of your own: an Environment, the class of a simulator outside JAX, or a "
    "function that returns one",
) -> None:
    """The argument that names an environment."""
    nargs = "?" if optional else None
    parser.add_argument(name, metavar="ENV", nargs=nargs, help=help)


def add_env_set(parser: argparse.ArgumentParser) -> None:
    """The option that sets one option of an environment; it may be given again and again."""
    parser.add_argument(
        "--env-set",
        action="append",
        default=[],
        metavar="OPTION=VALUE",
        help="set an option of the environment ('mastac envs ENV' lists them), or an argument of "
        "the function or class that module:name names; repeat it for several options",
    )


def add_couplings(parser: argparse.ArgumentParser) -> None:
    """The option that gives a simulator its graphs."""
    parser.add_argument(
        "--couplings",
        metavar="FILE",
        help="of a simulator outside JAX: who affects whom (default: its attribute couplings)",
    )


def add_run_folder(parser: argparse.ArgumentParser) -> None:
    """The argument that names a run folder."""
    parser.add_argument("dir", metavar="DIR", help="run folder that 'mastac train' wrote")


def add_run_folders(parser: argparse.ArgumentParser) -> None:
    """The argument that names one run folder or several."""
    help = "run folders that 'mastac train' wrote, one or several"
    parser.add_argument("dirs", metavar="DIR", nargs="+", help=help)


def add_json(parser: argparse.ArgumentParser) -> None:
    """The option that asks for JSON in place of text."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def add_workers(parser: argparse.ArgumentParser) -> None:
    """The option that says how many processes simulators run in."""
    parser.add_argument(
        "--workers",
        metavar="W",
        help="processes that simulators outside JAX run in; learning goes on while they play "
        "(default: 0, this process plays)",
    )


def add_no_progress(parser: argparse.ArgumentParser) -> None:
    """The option that asks for no progress."""
    parser.add_argument("--no-progress", action="store_true", help="do not print progress")


def add_algorithm(parser: argparse.ArgumentParser) -> None:
    """The option that names a learning algorithm."""
    parser.add_argument(
        "--algorithm",
        default="mastac",
        metavar="NAME",
        help="learning algorithm ('mastac algorithms' lists them; default: %(default)s)",
    )


def add_log(parser: argparse.ArgumentParser, more: str = "") -> None:
    """The option that names a log beside the CSV files; it may be given again and again."""
    parser.add_argument(
        "--log",
        action="append",
        default=[],
        metavar="NAME",
        help=f"also log to tensorboard or wandb, in the run folder{more}; repeat it for both",
    )


def add_no_cache(parser: argparse.ArgumentParser) -> None:
    """The option that asks for no compiled programs of earlier processes, and to keep none."""
    parser.add_argument(
        "--no-cache", action="store_true", help="compile anew, and keep no compiled programs"
    )


def file_to_write(option: str, text: str, example: str) -> Path:
    """The path of a file that an option names; `UserError` at once if it cannot go there."""
    path = Path(text)
    if path.is_dir():
        raise UserError(f"{option} '{path}' is a folder; name a file, such as {path / example}")
    if not path.parent.is_dir():
        raise UserError(f"{option}: there is no folder '{path.parent}'; make it, or name another")
    return path


@contextmanager
def writing(option: str, path: Path) -> Iterator[None]:
    """Around what writes the file of an option: what the system refuses is said in one sentence."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{option} '{path}' cannot be written ({error.strerror})") from error


def parse_seeds(text: str) -> list[int]:
    """Seeds from a range, a list, or both; their order is kept.

    >>> parse_seeds("0-3"), parse_seeds("3"), parse_seeds("7,0-2")
    ([0, 1, 2, 3], [3], [7, 0, 1, 2])
    """
    shown = shortened(text)
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*([0-9]+)\s*(?:-\s*([0-9]+)\s*)?", part)
        if match is None:
            raise UserError(
                f"seeds '{shown}' are not understood; "
                "write a range 0-14, a list 0,1,2 or one number"
            )
        first, last = (_digits(digits) for digits in (match[1], match[2] or match[1]))
        if last < first:
            raise UserError(f"seeds '{shortened(part)}' run backwards; write {last}-{first}")
        if last > LARGEST_SEED:
            largest = f"the largest is {LARGEST_SEED}"
            raise UserError(f"seed {shortened(match[2] or match[1])} is too large; {largest}")
        if last - first + len(seeds) >= MOST_SEEDS:
            raise UserError(f"seeds '{shown}' are more than {MOST_SEEDS:,}; train fewer at once")
        seeds += range(first, last + 1)
    if len(set(seeds)) < len(seeds):
        twice = next(seed for seed, count in Counter(seeds).items() if count > 1)
        raise UserError(f"seed {twice} stands twice in '{shown}'; name every seed once")
    return seeds


def _digits(text: str) -> int:
    """The number that digits write, at most one above the largest seed."""
    # `int` refuses thousands of digits with an error of its own.
    return min(int(text), LARGEST_SEED + 1) if len(text) < 100 else LARGEST_SEED + 1


def parse_kappa(text: str) -> int | None:
    """A whole number from 0 on, or `exact` for the untruncated sets (`None`)."""
    if text == "exact":
        return None
    try:
        kappa = int(text)
    except ValueError:
        raise UserError(
            f"kappa '{shortened(text)}' is no whole number; write 0, 1, 2, … or exact"
        ) from None
    if kappa < 0:
        raise UserError(f"kappa is {kappa}; it counts steps ahead and cannot be negative")
    return kappa


def parse_count(name: str, text: str, least: int = 1) -> int:
    """A whole number, at least `least` and at most a billion."""
    try:
        value = int(text)
    except ValueError:
        raise UserError(f"{name} '{shortened(text)}' is no whole number") from None
    if value < least:
        raise UserError(f"{name} is {shortened(text)}; it must be at least {least}")
    if value > LARGEST_COUNT:
        raise UserError(f"{name} is {shortened(text)}; the largest number is {LARGEST_COUNT:,}")
    return value


def parse_number(name: str, text: str, least: float, below: float) -> float:
    """A number from `least` (included) up to `below` (excluded)."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not least <= value < below:
        raise UserError(f"{name} '{shortened(text)}' is no number from {least:g} up to {below:g}")
    return value


def check_source(source: str, env_options: Mapping[str, Any]) -> None:
    """Refuse mistakes in an environment's name or options before JAX is imported.

    What is wrong with a module is said when it is imported. A log has no options.
    """
    if source.endswith(".npz"):
        if env_options:
            name = shortened(source)
            raise UserError(f"--env-set sets options of an environment, and '{name}' is a log")
    elif ":" not in source:
        from mastac.envs.naming import environment_from

        environment_from(source, env_options)


def parse_assignments(
    option: str,
    pairs: Sequence[str],
    own_options: Collection[str] = (),
    texts: Collection[str] = (),
) -> dict[str, Any]:
    """`name=value` pairs; a value is read as JSON, and as the text itself where it is none.

    `own_options` are names that are set by an option of their own and not here. Values of `texts`
    are texts, whatever they look like.

    >>> parse_assignments("--set", ["batch_size=64", "tau=0.01", "supply=halves", "hidden=[32]"])
    {'batch_size': 64, 'tau': 0.01, 'supply': 'halves', 'hidden': [32]}
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        name = name.strip()
        if not equals or not name:
            raise UserError(
                f"{option} '{shortened(pair)}' is not understood; write {option} name=value"
            )
        if name in own_options:
            option = f"--{name.replace('_', '-')}"
            raise UserError(f"{name} has an option of its own; write {option} {shortened(text)}")
        if name in values:
            raise UserError(f"{option} sets '{shortened(name)}' twice; say it once")
        values[name] = text.strip() if name in texts else _value(text.strip())
    return values


def _value(text: str) -> Any:
    if text in WORDS:
        return WORDS[text]
    try:
        return json.loads(text)
    except RecursionError:
        raise UserError(
            f"the value '{shortened(text, 20)}' has brackets within brackets, too deep to be read"
        ) from None
    except ValueError:
        return text
