"""Progress of a run: a bar on a terminal or in a notebook, whole lines in a log file."""

import importlib
import math
import os
import shutil
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from mastac.text import clock, number

BAR = 20
"""Characters of the bar; fewer, and at last none, where the terminal is narrow."""
LEAST = 4
"""From here on, figures that can be spared are lesser ones."""
NAME = 28
"""Columns that a name before the line leaves to it."""
QUICK = 5.0
SHARE = 0.05
"""Lines of a log come every five seconds, later after a twentieth of the time so far."""


@dataclass(frozen=True)
class Report:
    """State of a run after a chunk.

    - `epoch`, `epochs`: how many are done, and of how many; `env_steps` of each seed.
    - `train_return`, `greedy_return`: means over the seeds that are still alive; `score` of the
        latter, `None` where there are no reference figures. `promised`: what learnt models say of
        it, `None` without models.
    - `env_steps_per_second`: of all seeds together.
    - `remaining`: estimate of the seconds left, compilation apart; `None` while nothing like the
        rest of the run has been timed.
    """

    epoch: int
    epochs: int
    env_steps: int
    train_return: float
    greedy_return: float
    score: float | None
    env_steps_per_second: float
    remaining: float | None
    promised: float | None = None

    def line(self, width: int | None = None, bar: int = 0) -> str:
        """The report in one line.

        Where it would be longer than `width`, the figures that can best be spared are left out; the
        lesser ones also where they leave no `bar` columns free.
        """
        score = self.score
        known = score is not None and math.isfinite(score)
        speed = f"{self.env_steps_per_second:,.0f} steps/s"
        left = "?" if self.remaining is None else clock(self.remaining)
        # What can be spared has the higher number.
        parts = [
            (1, f"{self.epoch}/{self.epochs}"),
            (6, f"steps {self.env_steps:,}"),
            (5, f"return {number(self.train_return) or '-'}"),
            (3, f"greedy {number(self.greedy_return) or '-'}"),
            (7, "" if self.promised is None else f"promised {number(self.promised) or '-'}"),
            (2, f"score {score:.3f}" if known else ""),
            (4, speed),
            (0, f"left {left}"),
        ]
        parts = [part for part in parts if part[1]]
        joined = lambda: "  ".join(text for _, text in parts)  # noqa: E731
        while width is not None and len(parts) > 1:
            free = bar if max(parts)[0] > LEAST else 0
            if len(joined()) <= width - free:
                break
            parts.remove(max(parts))
        return joined()


class Pace:
    """Seconds of an epoch, from the later half of the chunks that were like those to come."""

    def __init__(self) -> None:
        self.chunks: list[tuple[int, float]] = []

    def add(self, epochs: int, seconds: float) -> None:
        """Count a chunk. Leave out those that compiled, or came before the first update."""
        self.chunks.append((epochs, seconds))

    def remaining(self, epochs: int, apart: float = 0.0) -> float | None:
        """Seconds that so many epochs will take, and others; `None` before the first chunk."""
        late = self.chunks[-max(3, len(self.chunks) // 2) :]
        done = sum(length for length, _ in late)
        return epochs * sum(seconds for _, seconds in late) / done + apart if done else None


class Progress:
    """Shows reports on standard error; standard output stays free for results.

    On a terminal and in a notebook one line moves. Elsewhere, as in a log file, lines stand one
    below the other, the more seldom the longer the run.

    **Arguments:**

    - `name`: stands before every line.
    """

    def __init__(self, name: str = "") -> None:
        self.prefix = f"{name}  " if name else ""
        is_terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self.show = _on_terminal if is_terminal else None
        if not is_terminal and (cell := _notebook_cell()) is not None:
            self.show = cell
        self.is_open = self.is_passing = False
        self.began = time.monotonic()
        self.last_line = -math.inf

    def __call__(self, report: Report) -> None:
        done = report.epoch == report.epochs
        if self.show is not None:
            self._show(self._moving(report), done)
        elif done or self._is_time():
            self._line(report.line())

    def working(self, what: str, seconds: float, usually: float | None) -> None:
        """Something without reports goes on, such as compiling, for `seconds` so far."""
        times = "" if usually is None else f" (usually {clock(usually)})"
        if self.show is not None:
            prefix, text = self._name(), f"{what} {clock(seconds)}"
            room = self._width() - len(prefix) - len(text)
            self._show(prefix + text + (times if len(times) <= room else ""), False)
            self.is_passing = True
        elif seconds == 0:
            self._line(f"{what}{times}")

    def say(self, text: str) -> None:
        """A remark on a line of its own."""
        if self.show is not None:
            self._show(f"{self.prefix}{text}", True)
        else:
            self._line(text)

    def close(self) -> None:
        """End the line that moves: what comes next stands below it.

        A line that tells what goes on is gone when that is over.
        """
        if self.is_open and self.is_passing:
            self._show("", False)
        elif self.is_open and self.show is _on_terminal:
            _write("\n")
        self.is_open = False

    def _show(self, line: str, is_last: bool) -> None:
        if self.show is not None:
            self.show(line, is_last)
            self.is_open, self.is_passing = not is_last, False

    def _moving(self, report: Report) -> str:
        """The report with a bar, no wider than the terminal."""
        prefix = self._name()
        width = self._width() - len(prefix)
        line = report.line(width, bar=BAR // 2 + 1)
        length = min(BAR, width - len(line) - 1)
        if length < BAR // 4:
            return prefix + line
        filled = round(length * report.epoch / report.epochs)
        return f"{prefix}{'━' * filled}{'╌' * (length - filled)} {line}"

    def _name(self) -> str:
        """What stands before a line that moves; shortened on a narrow terminal."""
        most = max(0, self._width() - NAME)
        if len(self.prefix) <= most:
            return self.prefix
        return f"{self.prefix[: most - 2]}… " if most > 2 else ""

    def _width(self) -> int:
        # The last column stays free: some terminals begin a new line there.
        return shutil.get_terminal_size((100, 24)).columns - 1

    def _is_time(self) -> bool:
        now = time.monotonic()
        return now - self.last_line > max(QUICK, SHARE * (now - self.began))

    def _line(self, text: str) -> None:
        self.last_line = time.monotonic()
        _write(f"{self.prefix}{text}\n")


def _on_terminal(line: str, is_last: bool) -> None:
    """Write over the line that moves."""
    _write(f"\r\x1b[2K{line}" + ("\n" if is_last else ""))


def _write(text: str) -> None:
    """Write to standard error, unless nobody listens any more: training goes on without."""
    with suppress(OSError):
        sys.stderr.write(text)
        sys.stderr.flush()


def _notebook_cell() -> Any:
    """What shows a line in the output of a notebook's cell, over the one before; else `None`."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if getattr(shell, "kernel", None) is None:
        return None
    display = importlib.import_module("IPython.display").display
    handle: list[Any] = []

    def show(line: str, is_last: bool) -> None:
        text = {"text/plain": line}
        if handle:
            handle[0].update(text, raw=True)
        else:
            handle.append(display(text, raw=True, display_id=True))
        if is_last:
            handle.clear()

    return show
