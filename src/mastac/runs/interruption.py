"""Ctrl-C as a wish: the work at hand is finished and saved first."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Stopped(Exception):
    """The run was interrupted; its state is saved, and the run can be resumed from there."""


class Interruption:
    """A signal handler that notes the first signal; a second one stops at once."""

    def __init__(self) -> None:
        self.is_asked = False

    def __call__(self, number: int, frame: object) -> None:
        if self.is_asked:
            raise KeyboardInterrupt
        self.is_asked = True
        text = "stopping after this chunk, saving (press Ctrl-C again to stop at once)"
        print(f"\n{text}", file=sys.stderr, flush=True)


@contextmanager
def interruptions() -> Iterator[Callable[[], bool]]:
    """Within, Ctrl-C and SIGTERM only raise a flag; a second one stops at once.

    Blocks may be nested: the flag is the same, so what was interrupted inside stops outside too.

    **Returns:** a function that says whether the flag is raised.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    outer = signal.getsignal(signal.SIGINT)
    asked = outer if isinstance(outer, Interruption) else Interruption()
    before = {number: signal.signal(number, asked) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked.is_asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
