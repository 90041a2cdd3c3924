"""A controller as a process: lines of JSON in, lines of JSON out, on pipes or on a socket."""

import contextlib
import os
import socket
import socketserver
import stat
import sys
from pathlib import Path
from typing import Any

from mastac.controllers.controller import Controller
from mastac.controllers.folder import INDEX, SUFFIXES, controller_file
from mastac.controllers.onnx_file import load_onnx
from mastac.errors import UserError

LONGEST_LINE = 2**24
"""Bytes of a line; a longer one is not kept in memory but refused."""


def is_export(path: str | Path) -> bool:
    """Whether a folder is one that controllers were exported to."""
    return (Path(path) / INDEX).is_file()


def load_controller(folder: str | Path, agent: str) -> Controller:
    """The controller of one agent of an exported folder, of either format."""
    path = controller_file(Path(folder), agent)
    if path.suffix == SUFFIXES["onnx"]:
        return load_onnx(path)
    try:
        return Controller.load(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{error}; export again") from error


def answer(controller: Controller, lines: Any, answers: Any) -> None:
    """Answer line after line of one stream of bytes on another, until there are no more."""
    while line := lines.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
            while (rest := lines.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
                pass
            line = b"a line that is too long, and no JSON"
        answers.write(controller.respond(line).encode() + b"\n")
        answers.flush()


def serve_pipes(controller: Controller) -> None:
    """Answer the lines of the standard input, until it ends or nobody reads the answers."""
    try:
        answer(controller, sys.stdin.buffer, sys.stdout.buffer)
    except (BrokenPipeError, KeyboardInterrupt):
        # Python would fail once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def serve_port(controller: Controller, port: int) -> None:
    """Answer connections to a port of this machine alone; 0 takes any that is free.

    Each connection has last values of its own.
    """
    try:
        server = _Tcp(("127.0.0.1", port), _handler(controller))
    except OSError as error:
        raise UserError(f"port {port} cannot be used ({error.strerror}); try another") from error
    _serve(server, "{}:{}".format(*server.server_address[:2]))


def serve_socket(controller: Controller, path: Path) -> None:
    """Answer connections to a Unix socket, as [`serve_port`][] does."""
    if not hasattr(socket, "AF_UNIX"):
        raise UserError("this system has no Unix sockets; take --port")
    _clear_away(path)
    try:
        server = _Unix(str(path), _handler(controller))
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"socket '{path}' cannot be made ({reason}); try another path") from error
    try:
        _serve(server, str(path))
    finally:
        path.unlink(missing_ok=True)


def _serve(server: socketserver.BaseServer, place: str) -> None:
    print(f"listening on {place}", file=sys.stderr, flush=True)
    with server, contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()


def _clear_away(path: Path) -> None:
    """Remove a socket that a process left when it was killed; refuse anything else."""
    if not path.exists():
        return
    refusal = UserError(f"socket '{path}' exists already; remove it or name another path")
    if not stat.S_ISSOCK(path.stat().st_mode):
        raise refusal
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:  # nobody listens
            path.unlink()
            return
        except OSError as error:
            raise refusal from error
    raise refusal


def _handler(controller: Controller) -> type[socketserver.StreamRequestHandler]:
    class Handler(socketserver.StreamRequestHandler):
        """One connection."""

        def handle(self) -> None:
            with contextlib.suppress(ConnectionError):  # the other side has gone
                own = Controller(controller.about, controller.actions)
                answer(own, self.rfile, self.wfile)

    return Handler


class _Tcp(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


if hasattr(socketserver, "ThreadingUnixStreamServer"):

    class _Unix(socketserver.ThreadingUnixStreamServer):
        daemon_threads = True
