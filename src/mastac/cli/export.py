"""`mastac export`."""

import argparse
from typing import Any

from mastac.cli import arguments
from mastac.cli.output import print_json, print_list
from mastac.errors import unknown

HELP = "write the policies of a run as files that run without mastac, one for each agent"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    arguments.add_run_folder(parser)
    parser.add_argument(
        "--format",
        metavar="F",
        default="numpy",
        help="numpy (AGENT.npz, and a reader that needs numpy alone) or onnx (AGENT.onnx) "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--agent",
        metavar="NAME",
        action="append",
        help="agent to export, or all; repeat it for several agents (default: all)",
    )
    parser.add_argument(
        "--out",
        metavar="FOLDER",
        help="new folder, or one with an older export of the same run "
        "(default: controllers in the run folder)",
    )
    add_policy_choices(parser)
    arguments.add_json(parser)


def add_policy_choices(parser: argparse.ArgumentParser) -> None:
    """The options that choose a policy, and what it does about inputs that do not arrive."""
    parser.add_argument(
        "--seed", metavar="S", help="seed of the run whose policies are taken (default: its first)"
    )
    parser.add_argument(
        "--hold-steps",
        metavar="K",
        help="steps for which a missing input keeps its last value; then it takes its default "
        "(default: for ever)",
    )
    parser.add_argument(
        "--default",
        metavar="VALUE",
        help="default of all inputs, in their own units "
        "(default: the value that each observation is centred by)",
    )


def policy_choices(args: argparse.Namespace) -> dict[str, Any]:
    """What [`add_policy_choices`][] declares, as arguments of `export`."""
    chosen: dict[str, Any] = {}
    for name in ("seed", "hold_steps"):
        if getattr(args, name) is not None:
            chosen[name] = arguments.parse_count(name, getattr(args, name), least=0)
    if args.default is not None:
        chosen["defaults"] = arguments.parse_number("default", args.default, -3e38, 3e38)
    return chosen


def run(args: argparse.Namespace) -> int:
    """Write the controllers of a run."""
    from mastac.controllers.folder import FORMATS, README
    from mastac.runs.run import load

    if args.format not in FORMATS:
        raise unknown("format", args.format, FORMATS)
    agents = None if args.agent in (None, ["all"]) else args.agent
    choices = policy_choices(args)
    trained = load(args.dir)
    out = args.out if args.out is not None else trained.folder.controllers
    index = trained.export(out, format=args.format, agents=agents, **choices)
    if args.json:
        print_json(index)
        return 0
    counted = [
        (entry["agent"], entry["file"], str(len(entry["inputs"])), str(len(entry["outputs"])))
        for entry in index["controllers"]
    ]
    print_list(("agent", "file", "inputs", "outputs"), counted)
    for agent in index["skipped"]:
        print(f"\nagent '{agent}' has no action, and so no file")
    print(f"\ncontrollers  {out}\nhow to call  {out}/{README}")
    return 0
