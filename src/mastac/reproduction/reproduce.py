"""Reproduce the paper: train the missing cells, write tables and figures.

Several processes may work on one folder: each cell is trained by whoever gets its lock. A process
that is killed leaves a cell that the next one resumes. Imports JAX only when a cell is trained.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path

from mastac.errors import UserError
from mastac.files import locked
from mastac.jobs import Here, Job, Outcome
from mastac.jobs.cluster import Cluster
from mastac.reproduction.grid import Estimate, Grid, Place
from mastac.reproduction.paper import PRODUCTS
from mastac.runs.interruption import interruptions

WAIT = 2.0  # seconds between looks at cells that other processes are training
TELL = 60.0  # seconds between lines about what remains, where cells are trained elsewhere

Say = Callable[[str], None]


def reproduce(
    grid: Grid,
    what: str,
    say: Say | None = None,
    cluster: Cluster | None = None,
) -> list[Path]:
    """Train what is missing in `grid` and write the results of `what`.

    **Arguments:**

    - `grid`: the cells and their folder.
    - `what`: which table or figure, or "all".
    - `say`: receives lines about progress.
    - `cluster`: where the cells are trained; `None`: here, one after the other.

    **Returns:**

    The files written.

    **Raises:**

    - `Stopped` after Ctrl-C, once the current chunk has been finished and saved.
    - `UserError` naming the cells that could not be trained, after all others have been.
    """
    say = say or (lambda text: None)
    grid.check()
    say(Estimate(grid.places).line())
    failures = train_cells(grid, say, cluster)
    written = write_results(grid, what)
    raise_failures(failures, len(grid.places))
    return written


def train_cells(grid: Grid, say: Say, cluster: Cluster | None = None) -> dict[str, str]:
    """Train every unfinished cell, and return the failures: cell -> reason.

    They are trained in order, or on a cluster as many at a time as it has room for. A cell that
    another process is training is tried again later.
    """
    failures: dict[str, str] = {}
    places = {place.cell.path: place for place in grid.places}
    is_waiting = False

    def begins(job: Job) -> str:
        place = places[job.name]
        begun = "goes on" if place.is_begun else "begins"
        say(f"\ncell {_number(grid, place)}, {job.name} ({place.cell.label}), {begun}")
        return f"{_number(grid, place)} {job.name}"

    if cluster is not None:
        cluster.idle = Seldom(lambda: say(Estimate(grid.places).line()))
    with interruptions() as interrupted_by, cluster or nullcontext(Here(begins)) as where:
        while left := unfinished(grid, failures):
            tried = 0
            for job, outcome in where.run([place.job for place in left]):
                tried += 1
                if failure := outcome.explained():
                    failures[job.name] = failure
                _tell(grid, places[job.name], outcome, say)
            if not tried and not is_waiting:
                cells = f"{len(left)} cell{'s' if len(left) > 1 else ''}"
                say(f"waiting for {cells} at work in other processes")
            is_waiting = not tried
            if is_waiting:
                time.sleep(WAIT)
                interrupted_by.stop_if_asked("stopped between two cells")
    return failures


class Seldom:
    """Called often, it does something once a minute."""

    def __init__(self, do: Callable[[], None]) -> None:
        self.do, self.last = do, time.monotonic()

    def __call__(self) -> None:
        if time.monotonic() - self.last > TELL:
            self.last = time.monotonic()
            self.do()


def unfinished(grid: Grid, failures: Mapping[str, str]) -> list[Place]:
    """Places whose cell is neither finished nor failed."""
    return [
        place for place in grid.places if not place.is_finished and place.cell.path not in failures
    ]


def _tell(grid: Grid, place: Place, outcome: Outcome, say: Say) -> None:
    """Say what came of a cell, and what is left."""
    where = f" on {outcome.machine}" if outcome.machine else ""
    if outcome.failure:
        say(f"{place.cell.path} could not be trained{where}: {outcome.failure}")
    elif outcome.machine:
        say(f"cell {_number(grid, place)}, {place.cell.path}, done{where}")
    say(Estimate(grid.places).line())


def write_results(grid: Grid, what: str) -> list[Path]:
    """Export the finished cells to `raw/`, and make the tables and figures of `what` from them."""
    from mastac.reproduction.raw_data import export_cell

    with locked(grid.out / "results.lock", wait=True):
        for place in grid.whole:
            if place.is_finished:
                export_cell(place.folder.path, grid.raw / place.cell.path)
        if not any(place.is_finished for place in grid.places):
            return []
        return results_from(grid.raw, what, grid.out)


def results_from(raw: Path, what: str, out: Path) -> list[Path]:
    """Tables and figures from raw data alone; trains nothing."""
    written = []
    comparable = [name for name in PRODUCTS if _is_comparison(raw, name)]
    for name in comparable if what == "all" else [what]:
        if name == "table1":
            from mastac.reproduction.tables import write_table1

            written += write_table1(raw, out)
        else:
            from mastac.reproduction.figures import write_figure

            written += write_figure(name, raw, out)
    return written


def _is_comparison(raw: Path, name: str) -> bool:
    """Whether some environment has two of a product's cells, or more."""
    cells = {cell for names in PRODUCTS[name].values() for cell in names}
    return any(
        len(cells & {path.parent.name for path in env.glob("*/summary.json")}) > 1
        for env in raw.glob("*")
    )


def raise_failures(failures: dict[str, str], cells: int) -> None:
    """`UserError` naming what could not be trained, if anything."""
    if failures:
        told = "; ".join(f"{path}: {failure}" for path, failure in failures.items())
        raise UserError(f"{len(failures)} of {cells} cells could not be trained ({told})")


def _number(grid: Grid, place: Place) -> str:
    return f"{grid.places.index(place) + 1} of {len(grid.places)}"


def folder_for(preset: str) -> Path:
    """Where a preset's reproduction goes if the user names no folder."""
    return Path("runs") / f"reproduce-{preset}"
