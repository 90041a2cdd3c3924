"""Cells on a Ray cluster: one task each, on any free machine.

The cells of a machine that dies go to others.

Where the machines share the output folder, a task works in it and goes on from the last checkpoint.
Elsewhere it works in a folder of its own and sends back everything but the checkpoints, so after
its machine's death it begins anew.
"""

import importlib
import importlib.util
import os
import platform
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mastac.errors import UserError
from mastac.files import locked, write_bytes, write_text
from mastac.reproduction.grid import Estimate, Grid, Place
from mastac.reproduction.reproduce import WAIT, Say, attempt, unfinished
from mastac.runs.folder import RunFolder
from mastac.runs.interruption import Stopped, interruptions
from mastac.version import __version__

RETRIES = 5  # how often a cell is given to another machine
TELL = 60.0  # seconds between lines about what remains
TOKEN = ".reproduction"


@dataclass(frozen=True)
class Job:
    """What a task must know.

    `out` is the driver's folder if this machine sees `token` in it.
    """

    place: Place
    out: Path
    token: str
    cpus: int
    variables: Mapping[str, str]
    version: str


@dataclass(frozen=True)
class Outcome:
    """What a task returns.

    `failure` is empty if the cell is finished; `files` is `None` if the driver sees them already.
    """

    machine: str
    failure: str = ""
    stopped: bool = False
    files: Mapping[str, bytes] | None = None


def train_on_cluster(
    grid: Grid, say: Say, address: str, cpus: int = 1, gpus: float | None = None
) -> dict[str, str]:
    """Train every unfinished cell of `grid`, as many at a time as the cluster has room for.

    **Arguments:**

    - `address`: of a running cluster ("auto", "host:port"), or "local" for one on this machine
        alone.
    - `cpus`, `gpus`: what a cell takes; `gpus=None`: one if the cluster has any.

    **Returns:**

    The failures: cell -> reason.

    **Raises:**

    - `UserError` if Ray is not installed or no cluster answers; `Stopped` after Ctrl-C.
    """
    ray = connected(address)
    failures: dict[str, str] = {}
    token = secrets.token_hex(16)
    grid.out.mkdir(parents=True, exist_ok=True)
    write_text(grid.out / TOKEN, token)
    try:
        with interruptions() as is_interrupted:
            if gpus is None:
                gpus = 1 if ray.cluster_resources().get("GPU", 0) >= 1 else 0
            # A process trains one cell and ends: its memory, its cores and JAX's view of the
            # devices go with it.
            task = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=RETRIES, max_calls=1)(
                run_job
            )
            job = Job(grid.places[0], grid.out.absolute(), token, cpus, _variables(), __version__)
            while left := unfinished(grid, failures):
                with ExitStack() as stack:
                    mine = [place for place in left if stack.enter_context(locked(place.lock))]
                    mine = [place for place in mine if not place.is_finished]
                    _train_all(ray, task, job, mine, grid, say, failures, is_interrupted)
                if not mine:
                    time.sleep(WAIT)  # other processes are at work on the rest
                if number := is_interrupted():
                    raise Stopped("stopped between two cells", number)
    finally:
        (grid.out / TOKEN).unlink(missing_ok=True)
        ray.shutdown()
    return failures


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


def _train_all(
    ray: Any,
    task: Any,
    job: Job,
    places: Sequence[Place],
    grid: Grid,
    say: Say,
    failures: dict[str, str],
    is_interrupted: Callable[[], int],
) -> None:
    """One task for each place; every result is put in its place as it comes."""
    running = {task.remote(replace(job, place=_absolute(place))): place for place in places}
    told, cancelled, stopped = time.monotonic(), False, False
    while running:
        ready, _ = ray.wait(list(running), timeout=WAIT)
        for reference in ready:
            place = running.pop(reference)
            try:
                outcome = ray.get(reference)
            except ray.exceptions.TaskCancelledError:
                stopped = True
                continue
            except ray.exceptions.RayError as error:
                outcome = Outcome(
                    "the cluster", f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
                )
            stopped = stopped or outcome.stopped
            if not outcome.stopped:
                _take(grid, place, outcome, say, failures)
        if is_interrupted() and not cancelled:
            cancelled = True
            for reference in running:
                ray.cancel(reference)
        if time.monotonic() - told > TELL or (ready and not stopped):
            told = time.monotonic()
            say(Estimate(grid.places).line())
    if stopped:
        raise Stopped("the cells at work have been stopped", is_interrupted() or signal.SIGINT)


def _take(grid: Grid, place: Place, outcome: Outcome, say: Say, failures: dict[str, str]) -> None:
    number = f"cell {grid.places.index(place) + 1} of {len(grid.places)}, {place.cell.path}"
    if outcome.failure:
        failures[place.cell.path] = outcome.failure
        say(f"{number}, could not be trained on {outcome.machine}: {outcome.failure}")
        return
    if outcome.files is not None:
        unpack(outcome.files, place.folder)
    say(f"{number}, done on {outcome.machine}")


def run_job(job: Job) -> Outcome:
    """The task: train the cell in the driver's folder if visible here, else in a temporary one."""
    machine = f"{platform.node()} (process {os.getpid()})"
    if job.version != __version__:
        return Outcome(
            machine, f"mastac {__version__} is installed there, here it is {job.version}"
        )
    os.environ.update(job.variables)
    with own_cores(job.cpus):
        if is_shared(job.out, job.token):
            return _attempted(machine, job.place)
        with tempfile.TemporaryDirectory(prefix="mastac-") as folder:
            place = Place(job.place.cell, RunFolder(Path(folder) / job.place.cell.name))
            outcome = _attempted(machine, place)
            return replace(outcome, files=packed(place.folder)) if place.is_finished else outcome


def _attempted(machine: str, place: Place) -> Outcome:
    try:
        return Outcome(machine, attempt(place, False))
    except Stopped:
        return Outcome(machine, stopped=True)


def is_shared(out: Path, token: str) -> bool:
    """Whether the folder `out` seen from here is the driver's."""
    try:
        return (out / TOKEN).read_text(encoding="utf-8") == token
    except OSError:
        return False


def packed(folder: RunFolder) -> dict[str, bytes]:
    """The files of a run apart from its checkpoints."""
    paths = [path for path in sorted(folder.path.rglob("*")) if path.is_file()]
    kept = [path for path in paths if folder.checkpoints not in path.parents]
    return {path.relative_to(folder.path).as_posix(): path.read_bytes() for path in kept}


def unpack(files: Mapping[str, bytes], folder: RunFolder) -> None:
    """Replace the folder of a run as a whole; a crash leaves the old one or the new one."""
    arriving = folder.path.with_name(folder.path.name + ".arriving")
    shutil.rmtree(arriving, ignore_errors=True)
    for name, content in files.items():
        path = arriving / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, content)
    (arriving / "checkpoints").mkdir(exist_ok=True)
    shutil.rmtree(folder.path, ignore_errors=True)
    os.replace(arriving, folder.path)


@contextmanager
def own_cores(count: int) -> Iterator[set[int]]:
    """Keep to `count` cores that no other cell on this machine has; to all where too few are free.

    JAX takes as many threads as it may use cores, so cells beside each other would otherwise fight
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


def _absolute(place: Place) -> Place:
    return Place(place.cell, RunFolder(place.folder.path.absolute()))


def _variables() -> dict[str, str]:
    """JAX's settings of this process, for the tasks."""
    return {name: value for name, value in os.environ.items() if name.startswith(("JAX_", "XLA_"))}
