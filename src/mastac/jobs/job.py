"""A job: work that leaves one folder or file. What came of it. Imports no JAX itself."""

import sys
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mastac.errors import UserError
from mastac.files import locked
from mastac.runs.interruption import Stopped
from mastac.runs.progress import Report
from mastac.runs.run import ProgressLike


@dataclass(frozen=True)
class Job(ABC):
    """Work that leaves one folder or file, and goes on where it was stopped.

    **Arguments:**

    - `name`: what messages call it; no other job of the same caller has it.
    - `path`: the folder or file.
    """

    name: str
    path: Path

    @property
    def lock(self) -> Path | None:
        """Who does the job holds a lock on this file; `None` where nobody else could do it."""
        return self.path.with_name(f"{self.path.name}.lock")

    @contextmanager
    def claimed(self) -> Iterator[bool]:
        """Hold the lock within the block; whether it is held: false if another process does."""
        if self.lock is None:
            yield True
            return
        with locked(self.lock) as is_held:
            yield is_held

    @property
    def is_begun(self) -> bool:
        """Whether there is something to go on with."""
        return False

    @property
    @abstractmethod
    def is_done(self) -> bool:
        """Whether nothing is left to do."""

    @abstractmethod
    def work(self, progress: ProgressLike) -> None:
        """Do it, or what is left of it.

        **Arguments:**

        - `progress`: as for [`train`][mastac.runs.run.train]; what it raises ends the work.

        **Raises:**

        - `UserError` for settings that do not go together, and files that cannot be used.
        - `Stopped` after a signal, where the job saves its state.
        """


@dataclass(frozen=True)
class Outcome:
    """What came of a job.

    - `error`: why it could not be done; `None` if it was, or was ended early.
    - `is_refused`: the error came before anything was begun.
    - `is_ended_early`: whoever watched the job ended it.
    - `machine`: where it was; empty for this process.
    """

    error: Exception | None = None
    is_refused: bool = False
    is_ended_early: bool = False
    machine: str = ""

    @property
    def failure(self) -> str:
        """Why it could not be done, in one line; empty if it was."""
        if self.error is None or isinstance(self.error, UserError):
            return "" if self.error is None else str(self.error)
        return f"{type(self.error).__name__}: {' '.join(str(self.error).split())[:200]}"

    def explained(self) -> str:
        """The failure; of an error that is no mistake of the user the traceback is printed."""
        if self.error is not None and not isinstance(self.error, UserError):
            traceback.print_exception(self.error, file=sys.stderr)
        return self.failure


Watch = Callable[[Job, Report], bool]
"""Hears how a job is getting on; whether it is to end there."""


class Where(Protocol):
    """Where jobs are done: in this process, or on a cluster."""

    def run(self, jobs: Iterable[Job], watch: Watch | None = None) -> Iterator[tuple[Job, Outcome]]:
        """Do jobs, and tell what came of each as it ends.

        A job that another process is at work on is passed over in silence. One that cannot be done
        costs no other.

        **Arguments:**

        - `jobs`: a list; or an iterator, of which the next is asked for when there is room for it,
            so that it may depend on what came of those before.
        - `watch`: hears the reports of jobs that give any, and may end them.

        **Raises:**

        - `Stopped` after a signal.
        """
        ...


class EndedEarly(Exception):
    """Raised from within a job by who watches it."""


def attempted(job: Job, progress: ProgressLike, machine: str = "") -> Outcome:
    """Do a job in this process, and tell what came of it; only `Stopped` is raised."""
    try:
        job.work(progress)
    except EndedEarly:
        return Outcome(is_ended_early=True, machine=machine)
    except Stopped:
        raise
    except Exception as error:  # such as memory of the device running out
        is_refused = isinstance(error, UserError) and not job.is_begun
        return Outcome(error, is_refused, machine=machine)
    finally:
        if (jax := sys.modules.get("jax")) is not None:
            jax.clear_caches()  # no later job runs this one's programs
    return Outcome(machine=machine)
