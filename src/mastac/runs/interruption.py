"""Ctrl-C as a wish: the work at hand is finished and saved first."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Stopped(Exception):
    """The run was interrupted; its state is saved, and the run can be resumed from there."""


class Interruption:
    """Notes the first signal; a second one stops at once. Called, it says whether there was one."""

    def __init__(self) -> None:
        self.is_asked = False
        self.is_idle = False

    def __call__(self) -> bool:
        return self.is_asked

    def handle(self, number: int, frame: object) -> None:
        """The signal handler."""
        if self.is_asked or self.is_idle:
            self.is_asked = True
            raise KeyboardInterrupt
        self.is_asked = True
        text = "stopping after this chunk, saving (press Ctrl-C again to stop at once)"
        print(f"\n{text}", file=sys.stderr, flush=True)

    @contextmanager
    def nothing_to_save(self, told: str) -> Iterator[None]:
        """Within, the first signal stops at once.

        **Raises:** `Stopped`, with the words of `told`.
        """
        self.is_idle = True
        try:
            yield
        except KeyboardInterrupt:
            raise Stopped(told) from None
        finally:
            self.is_idle = False


@contextmanager
def interruptions() -> Iterator[Interruption]:
    """Within, Ctrl-C and SIGTERM only raise a flag; a second one stops at once.

    Blocks may be nested: the flag is the same, so what was interrupted inside stops outside too.

    **Returns:** what says, when called, whether the flag is raised.
    """
    if threading.current_thread() is not threading.main_thread():
        yield Interruption()
        return
    outer = getattr(signal.getsignal(signal.SIGINT), "__self__", None)
    asked = outer if isinstance(outer, Interruption) else Interruption()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, asked.handle) for number in numbers}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
