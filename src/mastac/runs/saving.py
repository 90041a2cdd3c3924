"""When a run saves: often enough to lose little, and not so often that saving slows it down."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SECONDS_BETWEEN = 20.0
LARGEST_SHARE = 0.05


class SavingTimes:
    """Says when the next checkpoint is due.

    No more than about `SECONDS_BETWEEN` seconds of work are lost to a crash, or one chunk if that
    takes longer; where a save takes long, fewer are made, so that saving takes at most
    `LARGEST_SHARE` of the time.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.ended, self.wait = clock(), SECONDS_BETWEEN

    def is_due(self) -> bool:
        """Whether enough time has gone by since the last save."""
        return self.clock() - self.ended > self.wait

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Around a save, whose length decides when the next one is due."""
        began = self.clock()
        yield
        self.ended = self.clock()
        cost = self.ended - began
        self.wait = max(SECONDS_BETWEEN, cost * (1 / LARGEST_SHARE - 1))
