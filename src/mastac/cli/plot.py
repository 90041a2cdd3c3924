"""`mastac plot`."""

import argparse
from pathlib import Path

from mastac.cli import arguments

HELP = "draw the learning curves of one run or of several"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    arguments.add_run_folders(parser)
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="figure to write; its ending is the format, such as .png, .svg or .pdf "
        "(default: curves.png in the run folder, in the working folder for several runs)",
    )
    parser.add_argument(
        "--x",
        choices=["epoch", "env_steps"],
        default="epoch",
        help="horizontal axis: episodes (epoch) or steps of the environment (env_steps); "
        "default: %(default)s",
    )
    parser.add_argument(
        "--greedy",
        action="store_true",
        help="for several runs, draw the returns of the greedy policies instead of those "
        "with exploration",
    )


def run(args: argparse.Namespace) -> int:
    """Draw learning curves and print the paths of the figure."""
    from mastac.runs.results import read_results

    runs = [read_results(folder) for folder in args.dirs]
    out = args.out or (runs[0].folder / "curves.png" if len(runs) == 1 else Path("curves.png"))
    from mastac.runs.figures import learning_curves, save

    for path in save(learning_curves(runs, axis=args.x, greedy=args.greedy), out):
        print(path)
    return 0
