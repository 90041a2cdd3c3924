"""`mastac evaluate`."""

import argparse

from mastac.cli import arguments
from mastac.cli.output import print_json

HELP = "play episodes with the greedy policies of a run and print their returns"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    arguments.add_run_folder(parser)
    parser.add_argument(
        "--episodes",
        metavar="E",
        help="episodes to play with the policies of each seed, at least 1 "
        "(default: as many as at the end of training)",
    )
    parser.add_argument(
        "--seed",
        metavar="S",
        help="whole number from 0 that chooses the episodes "
        "(default: the episodes that were played at the end of training)",
    )
    arguments.add_json(parser)
    arguments.add_no_cache(parser)


def run(args: argparse.Namespace) -> int:
    """Play episodes with the greedy policies of a run."""
    from mastac.runs.run import load
    from mastac.runs.summary import evaluation_table

    chosen = {}
    if args.episodes is not None:
        chosen["episodes"] = arguments.parse_count("episodes", args.episodes)
    if args.seed is not None:
        chosen["seed"] = arguments.parse_count("seed", args.seed, least=0)
    trained = load(args.dir)
    returns = trained.evaluate(**chosen)
    if args.json:
        print_json(returns)
    else:
        print(evaluation_table(returns, chosen.get("episodes", trained.config.final_episodes)))
    return 0
