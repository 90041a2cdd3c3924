"""`mastac envs`."""

import argparse
import json

from mastac.cli import arguments
from mastac.cli.output import print_list

HELP = "list the environments, or the options of one"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    help = "environment whose options to list, such as thermal-40 (default: list the environments)"
    arguments.add_env(parser, "name", optional=True, help=help)


def run(args: argparse.Namespace) -> int:
    """Print the environments, or the options of one."""
    from mastac.envs.registry import ENVIRONMENTS, entry_of

    if args.name is None:
        rows = [(entry.id, entry.summary) for entry in ENVIRONMENTS.values()]
        print_list(("environment", "what it is"), rows)
        print("\nN is a number of agents, as in warehouse-40.")
        print("'mastac envs ENV' lists the options of one environment.")
        return 0
    entry = ENVIRONMENTS.get(args.name) or entry_of(args.name)[0]
    rows = [
        (name, json.dumps(option.default, ensure_ascii=False), option.summary)
        for name, option in entry.options.items()
    ]
    print(f"{args.name}: {entry.summary}\n")
    print_list(("option", "default", "meaning"), rows)
    example = f"mastac train {entry.example} --env-set {rows[0][0]}={rows[0][1]}"
    print(f"\nSet them with --env-set, as in '{example}'.")
    return 0
