"""Progress of a run: one line that moves on a terminal, or lines one below the other elsewhere."""

import sys
import time
from dataclasses import dataclass

from rich.console import Console


@dataclass(frozen=True)
class Report:
    """State of a run after a chunk.

    - `epoch`, `epochs`: how many are done, and of how many; `env_steps` of each seed.
    - `train_return`, `greedy_return`: means over the seeds that are still alive; `score` of the
        latter, `None` where there are no reference figures. `promised`: what learnt models say of
        it, `None` without models.
    - `env_steps_per_second`: of all seeds together. `remaining`: estimate, in seconds.
    """

    epoch: int
    epochs: int
    env_steps: int
    train_return: float
    greedy_return: float
    score: float | None
    env_steps_per_second: float
    remaining: float
    promised: float | None = None

    def line(self) -> str:
        """The report in one line."""
        promised = "" if self.promised is None else f" (promised {self.promised:.3f})"
        score = "" if self.score is None else f"  score {self.score:.3f}"
        return (
            f"epoch {self.epoch:>6}/{self.epochs}  steps {self.env_steps:>8,}"
            f"  return {self.train_return:>10.3f}  greedy {self.greedy_return:>10.3f}"
            f"{promised}{score}"
            f"  {self.env_steps_per_second:>8,.0f} steps/s"
            f"  left {clock(self.remaining)}"
        )


def clock(seconds: float) -> str:
    """Seconds as `1:02:03` or `2:03`."""
    whole = max(0, round(seconds))
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


class Progress:
    """Prints reports to standard error; standard output stays free for results.

    **Arguments:**

    - `name`: stands before every line.
    """

    def __init__(self, name: str = "") -> None:
        self.prefix = f"{name}  " if name else ""
        self.console = Console(stderr=True)
        self.live = self.console.is_terminal
        self.last_line = -float("inf")

    def __call__(self, report: Report) -> None:
        done = report.epoch == report.epochs
        if self.live:
            filled = round(20 * report.epoch / report.epochs)
            bar = "━" * filled + "╌" * (20 - filled)
            line = f"\r\x1b[2K{self.prefix}{bar} {report.line()}"[: self.console.width + 5]
            sys.stderr.write(line + ("\n" if done else ""))
            sys.stderr.flush()
        elif done or time.monotonic() - self.last_line > 5:
            self.last_line = time.monotonic()
            print(f"{self.prefix}{report.line()}", file=sys.stderr, flush=True)

    def say(self, text: str) -> None:
        """A remark on a line of its own."""
        prefix = "\r\x1b[2K" if self.live else ""
        print(f"{prefix}{self.prefix}{text}", file=sys.stderr, flush=True)
