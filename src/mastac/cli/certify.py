"""`mastac certify`."""

import argparse
import sys

from mastac.cli import arguments
from mastac.cli.output import print_json
from mastac.errors import UserError, unknown

HELP = "say how far the policies of a run are from the best of their class"

LEAST = {"episodes": 2, "steps": 1, "seed": 0, "fitting_episodes": 4}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    arguments.add_run_folder(parser)
    parser.add_argument(
        "--seeds",
        metavar="S",
        help="seeds of the run to certify: a range 0-4, a list 0,1,2 or one number (default: all)",
    )
    parser.add_argument(
        "--episodes",
        metavar="E",
        help="episodes that measure the policies of each seed, at least 2 (default: 1000)",
    )
    parser.add_argument(
        "--steps",
        metavar="K",
        help="steps that policies climb from the trained ones, at least 1 (default: 100)",
    )
    parser.add_argument(
        "--dynamics",
        metavar="D",
        default="true",
        help="what is climbed: true for the simulator, learnt for models of it, where it has no "
        "slopes (default: %(default)s)",
    )
    parser.add_argument(
        "--fitting-episodes",
        metavar="E",
        help="with --dynamics learnt: episodes that models are fitted to, at least 4 (default: 64)",
    )
    parser.add_argument(
        "--estimate",
        action="store_true",
        help="estimate the upper figure also where the environment has a proven bound",
    )
    parser.add_argument(
        "--seed",
        metavar="S",
        help="whole number from 0 that chooses episodes and noise (default: 0)",
    )
    arguments.add_json(parser)
    arguments.add_no_progress(parser)
    arguments.add_no_cache(parser)


def run(args: argparse.Namespace) -> int:
    """Certify the greedy policies of a run."""
    from mastac.runs.certificate import DYNAMICS, certificate_table
    from mastac.runs.run import load

    chosen = {}
    for name, least in LEAST.items():
        if getattr(args, name) is not None:
            chosen[name] = arguments.parse_count(name, getattr(args, name), least)
    if args.dynamics not in DYNAMICS:
        raise unknown("dynamics", args.dynamics, DYNAMICS)
    if args.dynamics == "true" and args.fitting_episodes is not None:
        raise UserError("--fitting-episodes goes with --dynamics learnt")
    if args.seeds is not None:
        chosen["seeds"] = arguments.parse_seeds(args.seeds)
    if not args.no_progress:
        chosen["say"] = lambda text: print(text, file=sys.stderr, flush=True)
    certified = load(args.dir)
    certificate = certified.certify(dynamics=args.dynamics, estimate=args.estimate, **chosen)
    if args.json:
        print_json(certificate)
    else:
        print(certificate_table(certificate))
        print(f"\ncertificate  {certified.folder.certificate}")
    return 0
