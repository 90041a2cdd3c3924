"""`mastac serve`."""

import argparse
from pathlib import Path

from mastac.cli import arguments
from mastac.cli.export import add_policy_choices, policy_choices
from mastac.errors import UserError

HELP = "answer observations with the actions of one agent's policy, line by line"

LAST_PORT = 65535


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument(
        "dir",
        metavar="DIR",
        help="run folder that 'mastac train' wrote, or folder that 'mastac export' wrote",
    )
    parser.add_argument(
        "--agent", metavar="NAME", required=True, help="agent whose observations come in"
    )
    place = parser.add_mutually_exclusive_group()
    place.add_argument(
        "--port",
        metavar="P",
        help="answer on this TCP port of this machine (0: any that is free) "
        "instead of standard input and output",
    )
    place.add_argument("--socket", metavar="PATH", help="answer on this Unix socket instead")
    add_policy_choices(parser)


def run(args: argparse.Namespace) -> int:
    """Answer lines until there are no more, or until Ctrl-C."""
    from mastac.controllers import serving

    port = None
    if args.port is not None and (port := arguments.parse_count("port", args.port, 0)) > LAST_PORT:
        raise UserError(f"port is {port}; the largest is {LAST_PORT}")
    choices = policy_choices(args)
    if serving.is_export(args.dir):
        if choices:
            raise UserError(
                "--seed, --hold-steps and --default go with a run folder; "
                f"'{args.dir}' is an export, which has its own"
            )
        controller = serving.load_controller(args.dir, args.agent)
    else:
        from mastac.runs.run import load
        from mastac.runs.stand_alone import StandAlone

        controller = StandAlone(load(args.dir), **choices).controller(args.agent)
    if port is not None:
        serving.serve_port(controller, port)
    elif args.socket is not None:
        serving.serve_socket(controller, Path(args.socket))
    else:
        serving.serve_pipes(controller)
    return 0
