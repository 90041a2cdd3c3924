"""The process of a command: its standard streams, Ctrl-C, and how it ends."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

from mastac.runs.interruption import Interruption, interruption_of

GRACE = 1.5
"""Seconds in which Python may answer a Ctrl-C that is to stop the process, before it is ended."""


def open_streams() -> None:
    """Give the process the standard streams that it was started without.

    Otherwise the first file that is opened would be standard output to every library that prints.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


def flush_streams() -> OSError | None:
    """Write what is still to be written; the error if standard output cannot be written to.

    A stream that cannot be written to goes to nowhere from here on: Python would try again at its
    end, and change the exit code.
    """
    failed: dict[str, OSError] = {}
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        try:
            stream.flush()
        except OSError as error:
            failed[name] = error
            with suppress(OSError, ValueError):  # no stream of the process: a test's
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return failed.get("stdout")


def leave(code: int) -> NoReturn:
    """End the process now: threads that compiled code or a failed save left are not waited for."""
    flush_streams()
    os._exit(code)


@contextmanager
def answered() -> Iterator[None]:
    """Within, Ctrl-C is answered within about two seconds.

    Python waits for compiled code, such as the compiler itself, before it calls a handler. So a
    thread hears of signals as well: where a run is to be saved it says so at once, and where
    Python does not answer a Ctrl-C that means the end, it ends the process. That does no more harm
    than a crash, which every file is safe from. Afterwards a Ctrl-C ends the process without words.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, stop)
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    outer = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    threading.Thread(target=_listen, args=(reading,), daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(outer)
        os.close(writing)  # the thread ends with it
        # What libraries do as the process ends says nothing good when it is interrupted.
        is_ours = before is signal.default_int_handler
        signal.signal(signal.SIGINT, signal.SIG_DFL if is_ours else before)


def stop(number: int, frame: FrameType | None) -> None:
    """The usual handler of Ctrl-C, which notes when it was called."""
    Interruption.called_at = time.monotonic()
    raise KeyboardInterrupt


def _listen(reading: int) -> None:
    while came := os.read(reading, 1):
        handler = signal.getsignal(signal.SIGINT)
        asked = interruption_of(handler)
        if asked is not None and asked.tell(came[0]):
            continue  # the first one: the run goes on to its next chunk, and saves
        is_the_end = came[0] == signal.SIGINT or (asked is not None and asked.is_idle)
        if not is_the_end or (asked is None and handler is not stop):
            continue
        since = time.monotonic() - GRACE / 3  # the handler may have been quicker than this thread
        time.sleep(GRACE)
        if Interruption.called_at < since:
            with suppress(OSError):
                said = "stopped" if asked is None else asked.farewell
                print(f"mastac: {said}", file=sys.stderr, flush=True)
            os._exit(128 + came[0])
    os.close(reading)
