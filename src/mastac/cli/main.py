"""The command line. `mastac --help` answers at once: JAX and matplotlib are imported where they are needed, not before.

argparse rather than a library that builds the parser from signatures: the commands' functions live
in modules that import JAX, and importing them only to print help or to refuse a mistyped seed would
take seconds.
"""

import argparse
import functools
import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from mastac.cli import arguments, commands
from mastac.cli import check as check_command
from mastac.cli import discover as discover_command
from mastac.cli import graph as graph_commands
from mastac.cli import reproduce as reproduction_commands
from mastac.cli import variance as variance_commands
from mastac.errors import UserError, unknown
from mastac.version import __version__


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaint is one sentence."""

    def __init__(self, **settings: Any) -> None:
        formatter = functools.partial(argparse.HelpFormatter, max_help_position=26)
        super().__init__(**settings, allow_abbrev=False, formatter_class=formatter)

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message} (see '{self.prog} --help')")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0, 2 for a user's mistake, 130 after Ctrl-C, 1 for anything else."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(
                errors="replace"
            )  # a terminal without Greek letters gets a question mark
    try:
        return run_command(sys.argv[1:] if argv is None else list(argv))
    except UserError as mistake:
        print(f"mastac: {' '.join(str(mistake).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("mastac: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output, such as `head`, has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def run_command(argv: list[str]) -> int:
    """Parse `argv` and run the command that it names."""
    parser, known = build_parser()
    if not argv:
        parser.print_help()
        return 0
    if not argv[0].startswith("-") and argv[0] not in known:
        raise unknown("command", argv[0], known)
    try:
        args, rest = parser.parse_known_args(argv)
    except SystemExit as done:  # --help and --version
        return int(done.code or 0)
    if rest:
        if rest[0].startswith("-") and argv[0] in known:
            raise unknown("option", rest[0].split("=")[0], _options_of(known[argv[0]]))
        raise UserError(f"'{rest[0]}' is one argument too many (see 'mastac {argv[0]} --help')")
    return args.run(args)


def build_parser() -> tuple[Parser, dict[str, argparse.ArgumentParser]]:
    """The parser and those of its commands."""
    parser = Parser(
        prog="mastac",
        description="Cooperative multi-agent reinforcement learning where it is known who affects whom.",
        epilog="mastac COMMAND --help tells more of each command.",
    )
    parser.add_argument("--version", action="version", version=f"mastac {__version__}")
    add = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(
        name: str, run: Callable[[argparse.Namespace], int], help: str
    ) -> argparse.ArgumentParser:
        sub = add.add_parser(name, help=help, description=help[0].upper() + help[1:] + ".")
        sub.set_defaults(run=run)
        return sub

    _add_train(command("train", commands.train, "train decentralised policies"))
    sub = command(
        "resume", commands.resume, "continue a run that was stopped, as if it had not been"
    )
    sub.add_argument("dir", metavar="DIR", help="its run folder")
    sub.add_argument("--no-progress", action="store_true", help="show no progress")
    sub = command("evaluate", commands.evaluate, "play episodes with the greedy policies of a run")
    sub.add_argument("dir", metavar="DIR", help="its run folder")
    sub.add_argument(
        "--episodes", default="100", help="episodes for each seed (default: %(default)s)"
    )
    sub.add_argument("--seed", metavar="S", help="choose other episodes")
    sub.add_argument("--json", action="store_true", help="print JSON")
    sub = command("plot", commands.plot, "draw the learning curves of one run or of several")
    sub.add_argument("dirs", metavar="DIR", nargs="+", help="run folders")
    sub.add_argument(
        "--out", metavar="FILE", help="the figure (default: curves.png in the run folder, or here)"
    )
    sub.add_argument(
        "--x", choices=["epoch", "env_steps"], default="epoch", help="horizontal axis (%(default)s)"
    )
    sub.add_argument(
        "--greedy", action="store_true", help="of several runs draw the greedy policies"
    )
    sub = command("compare", commands.compare, "put runs side by side in a table")
    sub.add_argument("dirs", metavar="DIR", nargs="+", help="run folders")
    sub.add_argument("--json", action="store_true", help="print JSON")
    reproduction_commands.add_arguments(
        command(
            "reproduce",
            reproduction_commands.reproduce,
            "repeat the paper's table and figures, or go on with it",
        )
    )
    graph_commands.add_arguments(command("graph", graph_commands.run, graph_commands.HELP))
    check_command.add_arguments(command("check", check_command.run, check_command.HELP))
    discover_command.add_arguments(command("discover", discover_command.run, discover_command.HELP))
    variance_commands.add_variance_arguments(
        command(
            "variance",
            variance_commands.variance,
            "how much the structure lowers the policy gradient's variance",
        )
    )
    variance_commands.add_theorems_arguments(
        command(
            "theorems",
            variance_commands.theorems,
            "check the paper's theorems exactly on games and networks",
        )
    )
    sub = command("envs", commands.envs, "list the environments, or the options of one")
    sub.add_argument("name", metavar="ENV", nargs="?", help="an environment")
    sub = command(
        "algorithms", commands.algorithms, "list the algorithms and the knobs that --set sets"
    )
    return parser, dict(add.choices)


def _add_train(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("env", metavar="ENV", help="an environment ('mastac envs' lists them)")
    sub.add_argument(
        "--algorithm", default="mastac", metavar="NAME", help="('mastac algorithms' lists them)"
    )
    sub.add_argument(
        "--kappa", metavar="K", help="truncate dependency sets after K steps, or: exact"
    )
    sub.add_argument("--epochs", metavar="E", help="episodes of each seed")
    sub.add_argument("--seeds", metavar="SEEDS", help="0-14, or 0,1,2, or 3")
    sub.add_argument(
        "--out", metavar="DIR", help="run folder (default: runs/ENV-ALGORITHM, numbered)"
    )
    sub.add_argument(
        "--preset",
        default="default",
        metavar="NAME",
        help="default (tuned), or paper (its settings)",
    )
    sub.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KNOB=VALUE",
        help="set a knob; repeat for more",
    )
    arguments.add_env_set(sub)
    sub.add_argument("--no-progress", action="store_true", help="show no progress")


def _options_of(parser: argparse.ArgumentParser) -> list[str]:
    return [
        option
        for action in parser._actions
        for option in action.option_strings
        if option.startswith("--")
    ]
