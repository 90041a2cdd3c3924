"""`mastac theorems`."""

import argparse
import math

from mastac.cli import arguments
from mastac.cli.output import print_json

HELP = "check the paper's theorems exactly, on random games and linear-quadratic networks"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument(
        "--systems",
        metavar="K",
        default="50",
        help="number of random games, and of random networks, at least 1 (default: %(default)s)",
    )
    parser.add_argument(
        "--seed",
        metavar="S",
        default="0",
        help="whole number from 0 that chooses the random systems (default: %(default)s)",
    )
    arguments.add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print how far the two sides of each theorem are apart; 1 if one does not hold."""
    count = arguments.parse_count("systems", args.systems)
    seed = arguments.parse_count("seed", args.seed, least=0)
    from mastac.theory.theorem_study import theorem_rows, theorem_text

    rows = theorem_rows(count, seed)
    if args.json:
        print_json(
            [{name: _or_null(value) for name, value in row._asdict().items()} for row in rows]
        )
    else:
        print(theorem_text(rows))
    return 0 if all(row.holds for row in rows) else 1


def _or_null(value: str | float) -> str | float | None:
    """JSON knows no NaN: what was not asked is null."""
    return None if isinstance(value, float) and math.isnan(value) else value
