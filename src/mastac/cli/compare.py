"""`mastac compare`."""

import argparse

from mastac.cli import arguments
from mastac.cli.output import print_json

HELP = "put the results of runs of one environment side by side in a table"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    arguments.add_run_folders(parser)
    arguments.add_json(parser)
    parser.add_argument(
        "--marl-eval",
        metavar="FILE",
        help="write the evaluations as JSON in the layout of marl-eval",
    )


def run(args: argparse.Namespace) -> int:
    """Print a table of runs."""
    out = (
        None
        if args.marl_eval is None
        else arguments.file_to_write("--marl-eval", args.marl_eval, "marl-eval.json")
    )
    from mastac.files import write_json
    from mastac.runs.marl_eval import marl_eval
    from mastac.runs.results import read_results
    from mastac.runs.summary import compare_rows, compare_table

    runs = [read_results(folder) for folder in args.dirs]
    if out is not None:
        with arguments.writing("--marl-eval", out):
            write_json(out, marl_eval(runs))
    if args.json:
        print_json(compare_rows(runs))
    else:
        print(compare_table(runs))
        if out is not None:
            print(f"\nmarl-eval   {out}")
    return 0
