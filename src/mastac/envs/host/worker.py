"""Simulators in a process of their own: the process, and the end that speaks to it. No JAX.

A worker is a fresh interpreter, started and not forked: JAX runs many threads, and a fork would
copy their locks. It does not import the program that started it, so that a user's script needs no
guard about its first lines. The recipe goes over a pair of sockets pickled; then requests and
frames, as records of fixed size, which takes a third of the time that pickling does. A worker
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
from typing import Any, Protocol

from mastac.envs.host.records import Records, Request, Sizes
from mastac.envs.host.simulator import Frame, HostSimulator, Recipe
from mastac.envs.host.spaces import Wrong
from mastac.errors import UserError

CODE = (
    "import json, sys; about = json.loads(sys.argv[1]); sys.path[:] = about['path']; "
    "from mastac.envs.host.worker import serve; serve(about, int(sys.argv[2]))"
)


START = 60.0
"""Seconds that a process may take to start and to import what its simulator needs."""


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
        slot, seed, actions = self.requests.popleft()
        try:
            if slot not in self.simulators:
                self.simulators[slot] = self._another()
            simulator = self.simulators[slot]
            return simulator.step(actions) if actions is not None else simulator.reset(seed)
        except Wrong:
            if slot in self.simulators:
                self.simulators.pop(slot).close()
            raise

    def _another(self) -> HostSimulator:
        another = HostSimulator(self.recipe)
        if any(another.world is one.world for one in self.simulators.values()):
            raise Wrong("what makes it gave one that plays another episode; it must make a new one")
        return another

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
    - `sizes`, `is_state`: of an episode; whether observations are the states.
    - `timeout`: seconds that an answer may take; the first one has `START` besides.
    """

    def __init__(self, recipe: bytes, sizes: Sizes, is_state: bool, timeout: float) -> None:
        self.recipe, self.timeout = recipe, timeout
        self.shape, self.records = (sizes, is_state), Records(sizes, is_state)
        self._start()

    def _start(self) -> None:
        self.socket, theirs = socket.socketpair()
        about = {"path": sys.path, "shape": self.shape, "recipe": len(self.recipe)}
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-c", CODE, json.dumps(about), str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        self.is_lost, self.is_new = False, True
        self.socket.settimeout(self.timeout + START)
        self._send(self.recipe)

    def _send(self, data: bytes) -> None:
        try:
            self.socket.sendall(data)
        except OSError:  # it has died; its answer is missed later
            return

    def ask(self, request: Request) -> None:
        """Send the request on."""
        if not self.is_lost:
            self._send(self.records.asked(request))

    def answer(self) -> Frame:
        """Wait for the answer that comes next."""
        if self.is_lost:
            raise Lost("its process had to be started anew")
        try:
            given = self.records.frame_in(_received(self.socket, self.records.answer.itemsize))
            complaint = _received(self.socket, given) if isinstance(given, int) else b""
        except TimeoutError:
            patience = self.timeout + (START if self.is_new else 0)
            self._end()
            raise Wrong(f"it did not answer within {patience:g} seconds") from None
        except (EOFError, OSError):
            code = self._end()
            raise Wrong(f"its process ended with {_ending(code)}") from None
        if self.is_new:
            self.is_new = False
            self.socket.settimeout(self.timeout)
        if isinstance(given, int):
            raise Wrong(complaint.decode())
        return given

    def _end(self) -> int:
        """Kill the process unless it ends by itself at once; its exit code."""
        self.is_lost = True
        self.socket.close()
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
        self._send(self.records.close())
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


def serve(about: dict[str, Any], number: int) -> None:
    """The work of a worker process: answer until the other end closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the training decides when to stop
    with socket.socket(fileno=number) as connection:
        try:
            stored = _received(connection, about["recipe"])
            sizes, is_state = about["shape"]
            _serve(connection, stored, Records(Sizes(*sizes), is_state))
        except (EOFError, OSError):  # the training is over, or gone
            return


def _serve(connection: socket.socket, stored: bytes, records: Records) -> None:
    inside, why = None, ""
    try:
        inside = Inside(pickle.loads(stored))
    except Exception as error:
        why = f"what makes it cannot be read in a worker process: {error!r}"
    size = records.request.itemsize
    while (request := records.request_in(_received(connection, size))) is not None:
        try:
            if inside is None:
                raise Wrong(why)
            inside.ask(request)
            answer = records.answered(inside.answer())
        except Wrong as wrong:
            answer = records.complained(str(wrong))
        connection.sendall(answer)
    if inside is not None:
        inside.close()


def _received(connection: socket.socket, size: int) -> bytes:
    """So many bytes."""
    data = connection.recv(size)
    if len(data) == size:  # most of the time
        return data
    whole = bytearray(data)
    while len(whole) < size:
        data = connection.recv(min(size - len(whole), 1 << 20))
        if not data:
            raise EOFError
        whole += data
    return bytes(whole)


def _ending(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
