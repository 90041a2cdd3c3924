"""`mastac compare`."""

import argparse

from mastac.cli import arguments
from mastac.cli.output import print_json

HELP = "put the results of runs side by side in a table"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    arguments.add_run_folders(parser)
    arguments.add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print a table of runs."""
    from mastac.runs.results import read_results
    from mastac.runs.summary import compare_rows, compare_table

    runs = [read_results(folder) for folder in args.dirs]
    if args.json:
        print_json(compare_rows(runs))
    else:
        print(compare_table(runs))
    return 0
