"""`mastac algorithms`."""

import argparse
import json

from mastac.cli.output import print_list

HELP = "list the algorithms, and the knobs that --set sets"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command has no arguments."""


def run(args: argparse.Namespace) -> int:
    """Print the algorithms and the knobs."""
    from mastac.algorithms import ALGORITHMS, users_text
    from mastac.learning.settings import KNOBS

    rows = [(name, algorithm.summary, algorithm.combines) for name, algorithm in ALGORITHMS.items()]
    print_list(("algorithm", "what it is", "combines with"), rows)
    knobs = [
        (name, json.dumps(knob.default), knob.range, knob.help, users_text(name))
        for name, knob in KNOBS.items()
    ]
    print()
    print_list(("knob", "default", "range", "meaning", "used by"), knobs)
    print("\nSet knobs with --set, as in --set batch_size=128.")
    print("A preset may set other values than these defaults.")
    return 0
