"""`mastac check`. Checks what can be checked before JAX is imported."""

import argparse

from mastac.cli import arguments
from mastac.cli.output import print_json

HELP = "check that the declared graphs are true of the simulator"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments and options."""
    parser.add_argument(
        "source",
        metavar="ENV|MODULE:FUNCTION|LOG.npz",
        help="an environment, what makes your simulator, or a log of it (with --couplings)",
    )
    parser.add_argument(
        "--couplings", metavar="FILE", help="the graphs to check (default: those that it declares)"
    )
    parser.add_argument(
        "--points",
        metavar="N",
        help="random points to look at (default: 512, fewer for many agents)",
    )
    parser.add_argument(
        "--episodes",
        metavar="E",
        help="of a simulator outside JAX: episodes to play (default: 200)",
    )
    parser.add_argument(
        "--seed", metavar="S", default="0", help="of everything random (default: %(default)s)"
    )
    parser.add_argument(
        "--tolerance",
        metavar="SHARE",
        help="moves up to this share of an entry's size are rounding",
    )
    parser.add_argument(
        "--reached-only",
        action="store_true",
        help="look at states that rollouts reach and no others",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments.add_env_set(parser)


def run(args: argparse.Namespace) -> int:
    """Print where the declared graphs and the simulator differ; 1 if something is missing."""
    from mastac.structure import read_couplings

    points = None if args.points is None else arguments.parse_count("points", args.points, least=2)
    episodes = None
    if args.episodes is not None:
        episodes = arguments.parse_count("episodes", args.episodes, least=8)
    seed = arguments.parse_count("seed", args.seed, least=0)
    tolerance = None
    if args.tolerance is not None:
        tolerance = arguments.parse_number("--tolerance", args.tolerance, 0, 1)
    options = arguments.parse_assignments("--env-set", args.env_set)
    couplings = None if args.couplings is None else read_couplings(args.couplings)
    arguments.check_source(args.source, options)
    from mastac.discovery import check

    widen = not args.reached_only
    checked = check(args.source, couplings, points, seed, tolerance, widen, options, episodes)
    if args.json:
        print_json(checked.to_dict())
    else:
        print(checked)
    return 0 if checked.ok else 1
