"""Jobs in this process, one after the other.

Several processes that do the same jobs share the work: each job is done by whoever gets its lock.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from mastac.jobs.job import EndedEarly, Job, Outcome, Watch, attempted
from mastac.runs.interruption import current
from mastac.runs.progress import Progress, Report
from mastac.runs.run import ProgressLike


class Watched(Progress):
    """The progress of a job, which who watches it hears as well."""

    def __init__(self, name: str, heard: Callable[[Report], None]) -> None:
        super().__init__(name)
        self.heard = heard

    def __call__(self, report: Report) -> None:
        super().__call__(report)
        self.heard(report)


@dataclass
class Here:
    """The process that asks.

    **Arguments:**

    - `begins`: called as a job begins; the name that its progress has, or `None` for no progress.
    """

    begins: Callable[[Job], str | None] = lambda job: None

    def run(self, jobs: Iterable[Job], watch: Watch | None = None) -> Iterator[tuple[Job, Outcome]]:
        """As [`Where.run`][mastac.jobs.job.Where.run] says."""
        for job in jobs:
            with job.claimed() as is_mine:
                if not is_mine:
                    continue
                outcome = Outcome() if job.is_done else attempted(job, self._progress(job, watch))
            yield job, outcome
            current().stop_if_asked(f"stopped after {job.name}")

    def _progress(self, job: Job, watch: Watch | None) -> ProgressLike:
        name = self.begins(job)
        if watch is None:
            return False if name is None else Progress(name)

        def heard(report: Report) -> None:
            if watch(job, report):
                raise EndedEarly

        return heard if name is None else Watched(name, heard)
