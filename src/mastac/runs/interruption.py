"""Signals as wishes: the work at hand is finished and saved first."""

import math
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any


class Stopped(Exception):
    """The run was interrupted; its state is saved, and the run can be resumed from there.

    - `number`: of the signal.
    - `exit_code`: that of the command, by convention 128 and the number.
    """

    def __init__(self, text: str, number: int = signal.SIGINT) -> None:
        super().__init__(text)
        self.number, self.exit_code = number, 128 + number


class Interruption:
    """Notes the first signal; a second Ctrl-C stops at once. Called, it says which one came, or 0.

    Other signals may come twice without any impatience: a terminal that is closed sends SIGHUP to
    its shell and to the command, and the shell sends it on.

    - `farewell`: what is said where the second one stops at once.
    - `called_at`: when a handler was called last, by `time.monotonic`.
    """

    called_at = -math.inf

    def __init__(self) -> None:
        self.number = 0
        self.farewell = ""
        self.is_idle = False
        self._is_told = threading.Lock()

    def __call__(self) -> int:
        return self.number

    def stop_if_asked(self, text: str) -> None:
        """Raise `Stopped` with these words if a signal came."""
        if self.number:
            raise Stopped(text, self.number)

    def handle(self, number: int, frame: object) -> None:
        """The signal handler."""
        Interruption.called_at = time.monotonic()
        is_second = self.number and number == signal.SIGINT
        self.number = self.number or number
        if is_second or self.is_idle:
            raise KeyboardInterrupt
        self.tell(number)

    def tell(self, number: int) -> bool:
        """Say what will happen, unless that was said; other threads may call it before the handler.

        **Returns:** whether it was said now.
        """
        if self.is_idle or not self._is_told.acquire(blocking=False):
            return False
        again = " (press Ctrl-C again to stop at once)" if number == signal.SIGINT else ""
        with suppress(OSError):  # the terminal may be gone
            text = f"\nstopping after this chunk, saving{again}"
            print(text, file=sys.stderr, flush=True)
        return True

    @contextmanager
    def nothing_to_save(self, told: str) -> Iterator[None]:
        """Within, the first signal stops at once.

        **Raises:** `Stopped`, with the words of `told`.
        """
        self.is_idle = True
        try:
            yield
        except KeyboardInterrupt:
            raise Stopped(told, self.number or signal.SIGINT) from None
        finally:
            self.is_idle = False


@contextmanager
def interruptions(farewell: str = "stopped at once") -> Iterator[Interruption]:
    """Within, Ctrl-C, SIGTERM and SIGHUP only raise a flag; a second Ctrl-C stops at once.

    Blocks may be nested: the flag is the same, so what was interrupted inside stops outside too.
    A SIGHUP that is ignored, as under `nohup`, stays ignored.

    **Arguments:**

    - `farewell`: what the `KeyboardInterrupt` of a second Ctrl-C says.

    **Returns:** what says, when called, which signal came; 0 for none.
    """
    if threading.current_thread() is not threading.main_thread():
        yield Interruption()
        return
    asked = current()
    numbers = [signal.SIGINT, signal.SIGTERM]
    hangup = getattr(signal, "SIGHUP", None)  # Windows has none
    if hangup is not None and signal.getsignal(hangup) != signal.SIG_IGN:
        numbers.append(hangup)
    before = {number: signal.signal(number, asked.handle) for number in numbers}
    outer_farewell, asked.farewell = asked.farewell, farewell
    try:
        yield asked
    except KeyboardInterrupt:
        raise KeyboardInterrupt(farewell) from None
    finally:
        asked.farewell = outer_farewell
        for number, handler in before.items():
            signal.signal(number, handler)


def current() -> Interruption:
    """That of the innermost [`interruptions`][] block; outside of all, one that hears nothing."""
    return interruption_of(signal.getsignal(signal.SIGINT)) or Interruption()


def interruption_of(handler: Any) -> Interruption | None:
    """What a signal handler belongs to; `None` if it is another one."""
    owner = getattr(handler, "__self__", None)
    return owner if isinstance(owner, Interruption) else None
