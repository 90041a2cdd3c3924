"""Commands as processes, forked from one that has imported everything."""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import fake_runs

from mastac.cli.main import main

PATIENCE = 120.0  # seconds, on a machine that has much else to do


class Command:
    """`mastac resume FOLDER` of a fake run, which begins it where there is none.

    **Arguments:**

    - `path`: the run folder; what the process says is kept beside it.
    - `words`: the command, if it is another one.
    - `before`: what the process does first.
    """

    def __init__(
        self, path: Path, *words: str, before: Callable[[], object] = lambda: None
    ) -> None:
        self.path = path
        self.out, self.err = (path.with_name(f"{path.name}-{name}") for name in ("out", "err"))
        self.process = os.fork()
        if self.process == 0:
            self._play(words or ("resume", str(path)), before)

    def _play(self, words: tuple[str, ...], before: Callable[[], object]) -> None:
        code = 99
        try:
            for number, file in ((1, self.out), (2, self.err)):
                os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            before()
            if sys.stderr is not None:
                sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
                sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
            sys.argv = ["mastac", *words]
            code = main()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)

    def send(self, number: int) -> None:
        """Send a signal."""
        os.kill(self.process, number)

    def end(self) -> int:
        """Wait for the end: the exit code, or minus the signal that it died of."""
        return os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])

    @property
    def said(self) -> str:
        """What it printed to standard error, apart from the progress."""
        lines = self.err.read_text().splitlines()
        is_progress = lambda line: line.startswith("training") or "  left " in line  # noqa: E731
        return "\n".join(line for line in lines if line and not is_progress(line))

    def until(self, text: str) -> None:
        """Wait until it has said something."""
        until(lambda: self.err.exists() and text in self.err.read_text())


def until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.01)


class Gate:
    """A run waits in the chunk that follows an epoch until it is let through."""

    def __init__(self, path: Path, epoch: int = 4) -> None:
        self.here, self.open, self.epoch = path / "here", path / "open", epoch

    def wait(self, epoch: int) -> None:
        """What the run does in every chunk."""
        if epoch == self.epoch and not self.here.exists():
            self.here.touch()
            until(self.open.exists)

    def close(self) -> None:
        """Called in the process that is to wait."""
        fake_runs.SLOWLY = self.wait

    def reached(self) -> None:
        """Wait until the run waits."""
        until(self.here.exists)

    def let_through(self) -> None:
        """Open it."""
        self.open.touch()
