"""The command line. `mastac --help` answers at once: heavy imports happen within commands.

argparse rather than a library that builds the parser from signatures: the commands' functions live
in modules that import JAX, and importing them only to print help or to refuse a mistyped seed would
take seconds.
"""

import argparse
import errno
import functools
import io
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn, Protocol

from mastac.cli import (
    algorithms,
    certify,
    check,
    compare,
    discover,
    envs,
    evaluate,
    export,
    graph,
    init,
    plot,
    report,
    reproduce,
    resume,
    rollout,
    serve,
    theorems,
    train,
    variance,
)
from mastac.errors import UserError, unknown
from mastac.text import one_line
from mastac.version import __version__


class Command(Protocol):
    """What the module of a command declares."""

    @property
    def HELP(self) -> str:
        """What the command does, in one line that can be read alone."""
        ...

    def add_arguments(self, parser: argparse.ArgumentParser, /) -> None:
        """Declare the arguments of the command."""

    def run(self, args: argparse.Namespace, /) -> int:
        """Run the command; the result is the exit code."""
        ...


COMMANDS: dict[str, Command] = {
    "train": train,
    "resume": resume,
    "evaluate": evaluate,
    "rollout": rollout,
    "certify": certify,
    "export": export,
    "serve": serve,
    "plot": plot,
    "compare": compare,
    "report": report,
    "reproduce": reproduce,
    "graph": graph,
    "check": check,
    "discover": discover,
    "variance": variance,
    "theorems": theorems,
    "init": init,
    "envs": envs,
    "algorithms": algorithms,
}


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaint is one sentence."""

    def __init__(self, **settings: Any) -> None:
        formatter = functools.partial(argparse.HelpFormatter, max_help_position=26)
        super().__init__(**settings, allow_abbrev=False, formatter_class=formatter)

    def error(self, message: str) -> NoReturn:
        """Raise the complaint for `main` to print."""
        raise UserError(f"{message} (see '{self.prog} --help')")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    **Arguments:**

    - `argv`: the words after `mastac`; those of the process where it is `None`.

    **Returns:**

    The exit code: 0, 2 for a user's mistake, 130 after Ctrl-C, 1 for anything else.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal without Greek letters gets a question mark.
            stream.reconfigure(errors="replace")
    code = exit_code(sys.argv[1:] if argv is None else list(argv))
    compiling = sys.modules.get("mastac.runs.compiling")
    if compiling is not None and compiling.is_compiling():
        # Stopped while the compiler was at work: it cannot be told to stop.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


def exit_code(argv: list[str]) -> int:
    """Run one command, and say what went wrong."""
    try:
        return run_command(argv)
    except UserError as mistake:
        print(f"mastac: {mistake}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("mastac: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output, such as `head`, has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        path = one_line(f"'{error.filename}'")
        print(f"mastac: {path} is too long for a path; write a shorter one", file=sys.stderr)
        return 2


def run_command(argv: list[str]) -> int:
    """Parse the words after `mastac` and run the command that they name."""
    parser, parsers = build_parser()
    if not argv:
        parser.print_help()
        return 0
    name = argv[0]
    if not name.startswith("-") and name not in COMMANDS:
        raise unknown("command", name, COMMANDS)
    try:
        args, rest = parser.parse_known_args(argv)
    except SystemExit as done:  # --help and --version
        return int(done.code or 0)
    if rest:
        if rest[0].startswith("-") and name in COMMANDS:
            raise unknown("option", rest[0].split("=")[0], _options_of(parsers[name]))
        raise UserError(f"'{rest[0]}' is one argument too many (see 'mastac {name} --help')")
    if getattr(args, "no_cache", False):
        os.environ["MASTAC_CACHE"] = "off"  # of this process and those that it starts
    return COMMANDS[args.command].run(args)


def build_parser() -> tuple[Parser, dict[str, Parser]]:
    """The parser of `mastac`, and that of each command by its name."""
    parser = Parser(
        prog="mastac",
        description="Cooperative multi-agent reinforcement learning "
        "where it is known who affects whom.",
        epilog="'mastac COMMAND --help' explains a command and its options.",
    )
    parser.add_argument("--version", action="version", version=f"mastac {__version__}")
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", dest="command", required=True
    )
    parsers: dict[str, Parser] = {}
    for name, command in COMMANDS.items():
        description = f"{command.HELP[0].upper()}{command.HELP[1:]}."
        parsers[name] = commands.add_parser(name, help=command.HELP, description=description)
        command.add_arguments(parsers[name])
    return parser, parsers


def _options_of(parser: argparse.ArgumentParser) -> list[str]:
    """The long options of a command."""
    options = [option for action in parser._actions for option in action.option_strings]
    return [option for option in options if option.startswith("--")]
