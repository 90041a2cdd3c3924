"""Jobs on a Ray cluster: one task each, on any free machine.

The jobs of a machine that dies go to others.
"""

import importlib
import importlib.util
import os
import secrets
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mastac.errors import UserError
from mastac.files import write_text
from mastac.jobs.job import Job, Outcome, Watch
from mastac.jobs.tasks import TOKEN, Done, Task, run_job, unpack
from mastac.runs.interruption import Stopped, interruptions
from mastac.runs.progress import Report
from mastac.version import __version__

RETRIES = 5  # how often a job is given to another machine
WAIT = 2.0  # seconds between looks at what is at work
LISTEN = 0.2  # the same where reports are heard
VARIABLES = ("JAX_", "XLA_", "MASTAC_")  # what begins so holds for tasks, too


class Board:
    """Where tasks report, and read whether they are to end: an actor of the cluster.

    A task does not wait for an answer, so it may end one report late.
    """

    def __init__(self) -> None:
        self.reports: list[tuple[str, Report]] = []
        self.ended: set[str] = set()

    def report(self, name: str, report: Report) -> bool:
        """Keep a job's report; whether the job is to end."""
        self.reports.append((name, report))
        return name in self.ended

    def taken(self) -> list[tuple[str, Report]]:
        """The reports since the last call, by the names of their jobs."""
        reports, self.reports = self.reports, []
        return reports

    def end(self, name: str) -> None:
        """Have a job end when it reports next."""
        self.ended.add(name)


@dataclass(frozen=True)
class Reporting:
    """Reports to a board, from the machine of a task."""

    board: Any

    def __call__(self, name: str, report: Report) -> bool:
        ray = importlib.import_module("ray")
        return ray.get(self.board.report.remote(name, report))


@dataclass
class Cluster:
    """A Ray cluster; within a `with` block it is connected.

    **Arguments:**

    - `address`: of one that runs ("auto", "host:port"), or "local" for one on this machine alone.
    - `root`: the folder below which all jobs leave what they leave.
    - `cpus`, `gpus`: what a job takes; `gpus=None`: one if the cluster has any.
    - `idle`: called every few seconds while jobs are at work.

    **Raises:**

    - `UserError` on entering if Ray is not installed or no cluster answers.
    """

    address: str
    root: Path
    cpus: int = 1
    gpus: float | None = None
    idle: Callable[[], None] = lambda: None

    def __enter__(self) -> "Cluster":
        self.at_work: AtWork | None = None
        with ExitStack() as stack:
            self.ray = connected(self.address)
            stack.callback(self.ray.shutdown)
            self.root.mkdir(parents=True, exist_ok=True)
            self.token = secrets.token_hex(16)
            write_text(self.root / TOKEN, self.token)
            stack.callback((self.root / TOKEN).unlink, missing_ok=True)
            self.interrupted_by = stack.enter_context(interruptions())
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *raised: Any) -> None:
        if self.at_work is not None:
            self.at_work.close()
        self.stack.__exit__(*raised)

    def run(self, jobs: Iterable[Job], watch: Watch | None = None) -> Iterator[tuple[Job, Outcome]]:
        """As [`Where.run`][mastac.jobs.job.Where.run] says.

        A list is handed out at once, so that a cluster which grows with its queue does.
        """
        at_work = self.at_work = AtWork(self, watch)
        waiting, most = iter(jobs), len(jobs) if isinstance(jobs, Sequence) else None
        while True:
            while not self.interrupted_by() and len(at_work) < (most or self.room()):
                if (job := next(waiting, None)) is None:
                    break
                at_work.begin(job)
            if not len(at_work):
                break
            yield from at_work.ended()
            if self.interrupted_by():
                at_work.cancel()
            self.idle()
        if at_work.is_stopped or self.interrupted_by():
            number = self.interrupted_by() or signal.SIGINT
            raise Stopped("what was at work on the cluster has been stopped", number)

    def room(self) -> int:
        """How many jobs the machines that are there now do at the same time; at least one."""
        gpus = self._gpus()

        def fit(machine: dict[str, float]) -> int:
            cores = machine.get("CPU", 0) // self.cpus
            return int(min(cores, machine.get("GPU", 0) // gpus) if gpus else cores)

        return max(1, sum(fit(node["Resources"]) for node in self.ray.nodes() if node["Alive"]))

    def _gpus(self) -> float:
        if self.gpus is None:
            return 1 if self.ray.cluster_resources().get("GPU", 0) >= 1 else 0
        return self.gpus

    def task(self) -> Any:
        """What Ray runs as a task: [`run_job`][mastac.jobs.tasks.run_job]."""
        # A process does one job and ends: its memory, its cores and JAX's view of the devices go
        # with it.
        return self.ray.remote(
            num_cpus=self.cpus, num_gpus=self._gpus(), max_retries=RETRIES, max_calls=1
        )(run_job)


class AtWork:
    """The jobs that a cluster is at work on."""

    def __init__(self, cluster: Cluster, watch: Watch | None) -> None:
        self.cluster, self.watch, self.ray = cluster, watch, cluster.ray
        self.remote = cluster.task()
        self.board = self.ray.remote(num_cpus=0)(Board).remote() if watch else None
        self.running: dict[Any, tuple[Job, ExitStack]] = {}
        self.is_stopped = self.is_cancelled = False

    def __len__(self) -> int:
        return len(self.running)

    def begin(self, job: Job) -> None:
        """Hand out a job, unless another process is at work on it."""
        stack = ExitStack()
        if not stack.enter_context(job.claimed()):
            stack.close()
            return
        variables = {
            name: value for name, value in os.environ.items() if name.startswith(VARIABLES)
        }
        task = Task(
            replace(job, path=job.path.absolute()),
            self.cluster.root.absolute(),
            self.cluster.token,
            self.cluster.cpus,
            variables,
            __version__,
            None if self.board is None else Reporting(self.board),
        )
        self.running[self.remote.remote(task)] = (job, stack)

    def ended(self) -> Iterator[tuple[Job, Outcome]]:
        """Wait a while, listen, and tell what came of the jobs that have ended."""
        ready, _ = self.ray.wait(list(self.running), timeout=LISTEN if self.watch else WAIT)
        self._listen()
        for reference in ready:
            job, stack = self.running.pop(reference)
            with stack:
                outcome = self._outcome(reference, job)
            if outcome is None:
                self.is_stopped = True
            else:
                yield job, outcome

    def _outcome(self, reference: Any, job: Job) -> Outcome | None:
        """What came of a job, whose files are put in their place; `None` if it was stopped."""
        try:
            done: Done = self.ray.get(reference)
        except self.ray.exceptions.TaskCancelledError:
            return None
        except self.ray.exceptions.RayError as error:
            text = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            return Outcome(UserError(text), machine="the cluster")
        if done.files is not None:
            unpack(done.files, job.path)
        return done.outcome

    def _listen(self) -> None:
        """Hear the reports since the last time, and have those end that are to end."""
        if self.board is None or self.watch is None:
            return
        jobs = {job.name: job for job, _ in self.running.values()}
        for name, report in self.ray.get(self.board.taken.remote()):
            if name in jobs and self.watch(jobs[name], report):
                self.board.end.remote(name)

    def cancel(self) -> None:
        """Stop what is at work; it saves its state first."""
        if not self.is_cancelled:
            self.is_cancelled = True
            for reference in self.running:
                # Not what it asks of the board: it would end by that, and not save.
                self.ray.cancel(reference, recursive=False)

    def close(self) -> None:
        """Stop what is still at work, and leave it to others."""
        self.cancel()
        for _, stack in self.running.values():
            stack.close()
        self.running.clear()


def checked_ray() -> None:
    """`UserError` if Ray is not installed."""
    if importlib.util.find_spec("ray") is None:
        raise UserError("--ray needs Ray; install it with: pip install 'mastac[ray]'")


def connected(address: str) -> Any:
    """The module `ray`, connected to a cluster; `UserError` if none answers."""
    checked_ray()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray = importlib.import_module("ray")
    try:
        own = {"include_dashboard": False} if address == "local" else {}
        ray.init(address=address, log_to_driver=False, logging_level="ERROR", **own)
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(f"no Ray cluster answers at '{address}' ({reason})") from error
    return ray
