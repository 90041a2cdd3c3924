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
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
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
    run_distributed,
    serve,
    theorems,
    train,
    tune,
    variance,
)
from mastac.cli.process import answered, flush_streams, leave, open_streams
from mastac.errors import StorageError, UserError, unknown
from mastac.runs.interruption import Stopped
from mastac.text import one_line
from mastac.version import __version__

UNWRITTEN = (errno.ENOSPC, errno.EIO, errno.EBADF)
"""Errors of standard output that belong to no file of ours."""


SIGNALS = 128
"""Exit codes above it are those of a signal, after which all has been saved and closed."""


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
    "tune": tune,
    "resume": resume,
    "evaluate": evaluate,
    "rollout": rollout,
    "certify": certify,
    "export": export,
    "serve": serve,
    "run-distributed": run_distributed,
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

    The exit code: 0; 2 for a user's mistake; 128 and its number after a signal; 1 for anything
    else. As a process, it ends at once where threads could be at work that nobody waits for.
    """
    if argv is None:
        open_streams()
        # A notebook's shell names a backend that this Python may not have. Pictures are only saved.
        os.environ["MPLBACKEND"] = "agg"
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal without Greek letters gets a question mark.
            stream.reconfigure(errors="replace")
    if argv is not None:
        return outcome(list(argv))[0]
    with answered():
        code, is_orderly = outcome(sys.argv[1:])
        compiling = sys.modules.get("mastac.runs.compiling")
        is_at_work = compiling is not None and compiling.is_compiling()
        if not is_orderly or is_at_work or code > SIGNALS:
            leave(code)  # the compiler cannot be told to stop, and tidying up takes JAX a while
    return code


def outcome(argv: list[str]) -> tuple[int, bool]:
    """Run one command, with errors as sentences: its exit code, and whether it ended in order."""
    try:
        code = run_command(argv)
        if closed := flush_streams():
            raise closed
        return code, True
    except UserError as mistake:
        _complain(str(mistake))
        return mistake.exit_code, not isinstance(mistake, StorageError)
    except Stopped as stopped:
        with suppress(OSError):  # the terminal may be gone
            # Whole, however long: it is the command that goes on.
            print(f"mastac: {stopped}", file=sys.stderr, flush=True)
        return stopped.exit_code, True
    except KeyboardInterrupt as stop:
        _complain(str(stop) or "stopped")
        return 128 + signal.SIGINT, False
    except MemoryError as error:  # of what no check has foreseen
        _complain(f"there is not enough memory ({error}); ask for fewer agents, seeds or episodes")
        return 1, False
    except BrokenPipeError:  # the reader of our output, such as `head`, has gone
        flush_streams()
        return 128 + 13, True  # as of what dies of SIGPIPE, which not every system has
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            _complain(f"'{error.filename}' is too long for a path; write a shorter one")
            return 2, True
        if error.filename is not None or error.errno not in UNWRITTEN:
            raise
        flush_streams()
        _complain(f"what was to be printed cannot be written ({error.strerror})")
        return 1, True


def _complain(message: str) -> None:
    with suppress(OSError):  # nobody may be listening
        print(f"mastac: {one_line(message)}", file=sys.stderr, flush=True)


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
