"""What a task of a cluster does on its machine: one job, on cores of its own.

Where the machine shares the caller's folder, the task works in it and goes on from what is there.
Elsewhere it works in a folder of its own and sends back everything but the checkpoints, so after
its machine's death it begins anew.
"""

import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from mastac.errors import UserError
from mastac.files import locked, write_bytes
from mastac.jobs.job import EndedEarly, Job, Outcome, attempted
from mastac.runs.interruption import Stopped
from mastac.runs.progress import Report
from mastac.runs.run import ProgressLike
from mastac.version import __version__

TOKEN = ".cluster"


@dataclass(frozen=True)
class Task:
    """What a task must know.

    **Arguments:**

    - `job`: the job, in the caller's folder.
    - `root`: the caller's folder, which is this machine's too if `token` is in it.
    - `cpus`: how many cores it keeps to; `variables`: of the environment.
    - `version`: the caller's version of this package.
    - `report`: takes the job's name and its reports; whether it is to end. `None`: nobody listens.
    """

    job: Job
    root: Path
    token: str
    cpus: int
    variables: Mapping[str, str]
    version: str
    report: Callable[[str, Report], bool] | None = None


@dataclass(frozen=True)
class Done:
    """What a task returns.

    **Arguments:**

    - `outcome`: what came of the job; `None` if a signal stopped it.
    - `files`: what the job left; `None` if the caller sees it already, or it left nothing whole.
    """

    outcome: Outcome | None
    files: Mapping[str, bytes] | None = None


def run_job(task: Task) -> Done:
    """Do a task's job in the caller's folder if it is visible here, else in a temporary one."""
    machine = f"{platform.node()} (process {os.getpid()})"
    if task.version != __version__:
        text = f"mastac {__version__} is installed there, here it is {task.version}"
        return Done(Outcome(UserError(text), machine=machine))
    os.environ.update(task.variables)
    with own_cores(task.cpus):
        if is_shared(task.root, task.token):
            return Done(_attempted(task.job, task.report, machine))
        with tempfile.TemporaryDirectory(prefix="mastac-") as folder:
            job = replace(task.job, path=Path(folder) / task.job.path.name)
            outcome = _attempted(job, task.report, machine)
            is_whole = outcome is not None and outcome.error is None
            return Done(outcome, packed(job.path) if is_whole else None)


def _attempted(
    job: Job, report: Callable[[str, Report], bool] | None, machine: str
) -> Outcome | None:
    """What came of a job; `None` if a signal stopped it."""

    def heard(each: Report) -> None:
        if report is not None and report(job.name, each):
            raise EndedEarly

    progress: ProgressLike = False if report is None else heard
    try:
        outcome = attempted(job, progress, machine)
    except Stopped:
        return None
    if outcome.error is None or isinstance(outcome.error, UserError):
        return outcome
    # Not every error can travel: its words do.
    return replace(outcome, error=UserError(outcome.explained()))


def is_shared(root: Path, token: str) -> bool:
    """Whether the folder `root` seen from here is the caller's."""
    try:
        return (root / TOKEN).read_text(encoding="utf-8") == token
    except OSError:
        return False


def packed(folder: Path) -> dict[str, bytes]:
    """The files of a run apart from its checkpoints."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    kept = [path for path in paths if folder / "checkpoints" not in path.parents]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in kept}


def unpack(files: Mapping[str, bytes], folder: Path) -> None:
    """Replace the folder of a run as a whole; a crash leaves the old one or the new one."""
    arriving = folder.with_name(f"{folder.name}.arriving")
    shutil.rmtree(arriving, ignore_errors=True)
    for name, content in files.items():
        path = arriving / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, content)
    (arriving / "checkpoints").mkdir(exist_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(arriving, folder)


@contextmanager
def own_cores(count: int) -> Iterator[set[int]]:
    """Keep to `count` cores that no other job on this machine has; to all where too few are free.

    JAX takes as many threads as it may use cores, so jobs beside each other would otherwise fight
    for all of them.
    """
    folder = Path(tempfile.gettempdir()) / f"mastac-cores-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    with ExitStack() as stack:
        cores: set[int] = set()
        for core in sorted(allowed):
            if len(cores) < count and stack.enter_context(locked(folder / str(core))):
                cores.add(core)
        if len(cores) < count:
            yield set()
            return
        os.sched_setaffinity(0, cores)
        try:
            yield cores
        finally:
            os.sched_setaffinity(0, allowed)
