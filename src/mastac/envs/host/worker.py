"""Simulators in a process of their own: the process, and the end that speaks to it. No JAX.

A worker is a fresh interpreter, started and not forked: JAX runs many threads, and a fork would
copy their locks. It does not import the program that started it, so that a user's script needs no
guard about its first lines. Requests and answers are pickled over a pair of sockets; a worker
answers in the order in which it was asked.
"""

import json
import os
import pickle
import signal
import socket
import subprocess
import sys
from collections import deque
from multiprocessing.connection import Connection
from typing import Any, Protocol

from mastac.envs.host.simulator import Frame, HostSimulator, Recipe
from mastac.envs.host.spaces import Wrong
from mastac.errors import UserError

CODE = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from mastac.envs.host.worker import serve; serve(int(sys.argv[2]))"
)
Request = tuple[int, str, Any]
"""A slot, "reset" or "step", and the seed or the actions."""


class Lost(Exception):
    """A worker is gone, and with it all simulators that it held."""


class Host(Protocol):
    """What holds simulators, one for each slot: this process, or another."""

    def ask(self, request: Request) -> None:
        """Ask for a frame."""
        ...

    def answer(self) -> Frame:
        """The frame that was asked for first; `Wrong` or `Lost` if there is none."""
        ...

    def restart(self) -> None:
        """Begin anew after a loss."""
        ...

    def close(self) -> None:
        """Let go of all simulators."""
        ...


class Inside:
    """Simulators in this process."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.simulators: dict[int, HostSimulator] = {}
        self.requests: deque[Request] = deque()

    def ask(self, request: Request) -> None:
        """Remember the request: it is worked on when its answer is wanted."""
        self.requests.append(request)

    def answer(self) -> Frame:
        """Work on the first request; a simulator that misbehaves is made anew at its next reset."""
        slot, command, given = self.requests.popleft()
        try:
            if slot not in self.simulators:
                self.simulators[slot] = HostSimulator(self.recipe)
            simulator = self.simulators[slot]
            return simulator.reset(given) if command == "reset" else simulator.step(given)
        except Wrong:
            if slot in self.simulators:
                self.simulators.pop(slot).close()
            raise

    def restart(self) -> None:
        """Nothing is lost within one process."""

    def close(self) -> None:
        """Close all simulators."""
        for simulator in self.simulators.values():
            simulator.close()
        self.simulators.clear()


class Worker:
    """The near end of a process that holds simulators.

    **Arguments:**

    - `recipe`: pickled, as [`pickled`][mastac.envs.host.worker.pickled] does.
    - `timeout`: seconds that an answer may take; the first one has as many for the start besides.
    """

    def __init__(self, recipe: bytes, timeout: float) -> None:
        self.recipe, self.timeout = recipe, timeout
        self._start()

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        arguments = [json.dumps(sys.path), str(theirs.fileno())]
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-c", CODE, *arguments],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        self.connection = Connection(ours.detach())
        self.is_lost, self.is_new = False, True
        self._send(self.recipe)

    def _send(self, data: bytes) -> None:
        try:
            self.connection.send_bytes(data)
        except OSError:  # it has died; its answer is missed later
            return

    def ask(self, request: Request) -> None:
        """Send the request on."""
        if not self.is_lost:
            self._send(pickle.dumps(request))

    def answer(self) -> Frame:
        """Wait for the answer that comes next."""
        if self.is_lost:
            raise Lost("its process had to be started anew")
        patience = self.timeout * (2 if self.is_new else 1)
        try:
            if not self.connection.poll(patience):
                self._end()
                raise Wrong(f"it did not answer within {patience:g} seconds")
            given = pickle.loads(self.connection.recv_bytes())
        except (EOFError, OSError):
            code = self._end()
            raise Wrong(f"its process ended with {_ending(code)}") from None
        self.is_new = False
        if isinstance(given, str):
            raise Wrong(given)
        return Frame(*given)

    def _end(self) -> int:
        """Kill the process unless it ends by itself at once; its exit code."""
        self.is_lost = True
        self.connection.close()
        try:
            return self.process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def restart(self) -> None:
        """A new process in place of one that was lost."""
        if self.is_lost:
            self._start()

    def close(self) -> None:
        """Ask the process to close its simulators, and end it if it does not."""
        if self.is_lost:
            return
        self._send(pickle.dumps(None))
        self._end()


def pickled(recipe: Recipe) -> bytes:
    """A recipe that another process can read, functions of a script among it.

    **Raises:**

    - `UserError` if it holds what cannot be sent, and where there are no worker processes.
    """
    import cloudpickle

    if os.name != "posix":
        raise UserError("worker processes need Linux or macOS; play in this one with workers=0")
    try:
        return cloudpickle.dumps(recipe)
    except Exception as error:
        raise UserError(
            f"what makes the simulator cannot be sent to a worker process ({error}); give a "
            "function that builds the simulator when it is called, or play with workers=0"
        ) from error


def serve(number: int) -> None:
    """The work of a worker process: answer until the other end closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the training decides when to stop
    with Connection(number) as connection:
        try:
            _serve(connection)
        except (EOFError, OSError):  # the training is over, or gone
            return


def _serve(connection: Connection) -> None:
    stored, why = connection.recv_bytes(), ""
    try:
        inside = Inside(pickle.loads(stored))
    except Exception as error:
        inside, why = None, f"what makes it cannot be read in a worker process: {error!r}"
    while (request := pickle.loads(connection.recv_bytes())) is not None:
        try:
            if inside is None:
                raise Wrong(why)
            inside.ask(request)
            answer: Any = tuple(inside.answer())
        except Wrong as wrong:
            answer = str(wrong)
        connection.send_bytes(pickle.dumps(answer, protocol=pickle.HIGHEST_PROTOCOL))
    if inside is not None:
        inside.close()


def _ending(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
