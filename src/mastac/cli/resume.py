"""`mastac resume`."""

import argparse

from mastac.cli import arguments
from mastac.cli.train import run_and_report

HELP = "continue a run that was stopped; the result is as if it had not been"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    arguments.add_run_folder(parser)
    arguments.add_log(parser, " (logs that the run has go on without it)")
    arguments.add_no_progress(parser)
    arguments.add_no_cache(parser)


def run(args: argparse.Namespace) -> int:
    """Continue a stopped run, then print what `mastac train` prints."""
    from mastac.runs.run import resume

    return run_and_report(lambda: resume(args.dir, not args.no_progress, log=args.log))
