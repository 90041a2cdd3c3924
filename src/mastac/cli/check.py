"""What `mastac check` does. Checks what can be checked before JAX is imported."""

import argparse
import json

from mastac.cli import arguments
from mastac.errors import UserError


def add_check_arguments(sub: argparse.ArgumentParser) -> None:
    """The options of the command."""
    sub.add_argument(
        "source", metavar="ENV|MODULE:FUNCTION", help="an environment, or what makes your simulator"
    )
    sub.add_argument(
        "--couplings", metavar="FILE", help="the graphs to check (default: those that it declares)"
    )
    sub.add_argument(
        "--points",
        metavar="N",
        help="random points to look at (default: 512, fewer for many agents)",
    )
    sub.add_argument(
        "--seed", metavar="S", default="0", help="of the points (default: %(default)s)"
    )
    sub.add_argument(
        "--tolerance",
        metavar="SHARE",
        help="moves up to this share of an entry's size are rounding",
    )
    sub.add_argument(
        "--reached-only",
        action="store_true",
        help="look at states that rollouts reach and no others",
    )
    sub.add_argument("--json", action="store_true", help="print JSON")
    arguments.add_env_set(sub)


def check(args: argparse.Namespace) -> int:
    """Print where the declared graphs and the simulator differ; 1 if something is missing."""
    from mastac.structure import read_couplings

    points = None if args.points is None else arguments.parse_count("points", args.points, least=2)
    seed = arguments.parse_count("seed", args.seed, least=0)
    tolerance = None if args.tolerance is None else _share(args.tolerance)
    options = arguments.parse_assignments("--env-set", args.env_set)
    couplings = None if args.couplings is None else read_couplings(args.couplings)
    if ":" not in args.source:
        from mastac.envs.graphs import structure_of

        structure_of(args.source, options)  # to hear of mistakes before JAX is imported
    elif options:
        raise UserError(
            f"--env-set sets options of a named environment, and '{args.source}' is none"
        )
    from mastac.probing.checking import check

    found = check(args.source, couplings, points, seed, tolerance, not args.reached_only, options)
    print(
        json.dumps(found.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)
        if args.json
        else found
    )
    return 0 if found.ok else 1


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise UserError(
            f"tolerance '{text}' is no share; write a number from 0 up to 1, such as 1e-6"
        )
    return value
