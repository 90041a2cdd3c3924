"""Reproduce the paper: train the missing cells one after the other, write tables and figures.

Several processes may work on one folder: each cell is trained by whoever gets its lock. A process
that is killed leaves a cell that the next one resumes. Imports JAX only when a cell is trained.
"""

import shutil
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

from mastac.errors import UserError
from mastac.files import locked
from mastac.reproduction.grid import Estimate, Grid, Place
from mastac.reproduction.paper import PRODUCTS
from mastac.runs.interruption import Stopped, interruptions
from mastac.runs.progress import Progress
from mastac.runs.run import ProgressLike, resume, train

OURS = {
    "checkpoints",
    "policies",
    "couplings.json",
    "couplings.json.partial",
    "config.json.partial",
    "environment.json",
    "environment.json.partial",
    ".lock",
}
WAIT = 2.0  # seconds between looks at cells that other processes are training

Say = Callable[[str], None]


def reproduce(
    grid: Grid,
    what: str,
    say: Say | None = None,
    train_all: Callable[[Grid, Say], dict[str, str]] | None = None,
) -> list[Path]:
    """Train what is missing in `grid` and write the results of `what`.

    **Arguments:**

    - `grid`: the cells and their folder.
    - `what`: which table or figure, or "all".
    - `say`: receives lines about progress.
    - `train_all`: trains the cells and returns the failures; [`train_cells`][] if `None`.

    **Returns:**

    The files written.

    **Raises:**

    - `Stopped` after Ctrl-C, once the current chunk has been finished and saved.
    - `UserError` naming the cells that could not be trained, after all others have been.
    """
    say = say or (lambda text: None)
    grid.check()
    say(Estimate(grid.places).line())
    failures = (train_all or train_cells)(grid, say)
    written = write_results(grid, what)
    raise_failures(failures, len(grid.places))
    return written


def train_cells(grid: Grid, say: Say) -> dict[str, str]:
    """Train every unfinished cell in order, and return the failures: cell -> reason.

    A cell that another process is training is tried again later.
    """
    failures: dict[str, str] = {}
    waiting = False
    with interruptions() as is_interrupted:
        while left := unfinished(grid, failures):
            tried = [
                place
                for place in left
                if _train_if_free(grid, place, failures, say, is_interrupted)
            ]
            if not tried and not waiting:
                cells = f"{len(left)} cell{'s' if len(left) > 1 else ''}"
                say(f"waiting for {cells} at work in other processes")
            waiting = not tried
            if waiting:
                time.sleep(WAIT)
                _stop_if(is_interrupted)
    return failures


def unfinished(grid: Grid, failures: Mapping[str, str]) -> list[Place]:
    """Places whose cell is neither finished nor failed."""
    return [
        place for place in grid.places if not place.is_finished and place.cell.path not in failures
    ]


def _train_if_free(
    grid: Grid, place: Place, failures: dict[str, str], say: Say, is_interrupted: Callable[[], int]
) -> bool:
    """Train the cell unless another process does or did; returns whether it was tried."""
    with locked(place.lock) as held:
        if not held or place.is_finished:
            return False
        say(f"\n{_header(grid, place)}")
        failure = attempt(place, Progress(f"{_number(grid, place)} {place.cell.path}"))
    if failure:
        failures[place.cell.path] = failure
        say(f"{place.cell.path} could not be trained: {failure}")
    say(Estimate(grid.places).line())
    _stop_if(is_interrupted)
    return True


def _stop_if(is_interrupted: Callable[[], int]) -> None:
    if number := is_interrupted():
        raise Stopped("stopped between two cells", number)


def train_cell(place: Place, progress: ProgressLike) -> None:
    """Train one cell, or go on where it was stopped."""
    # The cell's lock says who is to train it, this one who writes: a task on a cluster may outlive
    # the process that sent it.
    with locked(place.folder.path.with_name(f"{place.folder.path.name}.writing"), wait=True):
        if not place.is_finished:
            _begin_or_resume(place, progress)


def _begin_or_resume(place: Place, progress: ProgressLike) -> None:
    if place.is_begun:
        resume(place.folder.path, progress=progress)
        return
    # A folder without a configuration: the process that began it was killed before it wrote one.
    if place.folder.path.is_dir():
        strange = sorted({path.name for path in place.folder.path.iterdir()} - OURS)
        if strange:
            raise UserError(
                f"'{place.folder.path}' is no run of ours (it holds '{strange[0]}'); move it away"
            )
        shutil.rmtree(place.folder.path)
    cell = place.cell
    train(
        cell.env,
        env_options=cell.env_options,
        out=place.folder.path,
        progress=progress,
        **cell.arguments,
    )


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


def attempt(place: Place, progress: ProgressLike) -> str:
    """Train a cell, and return why that failed; empty if it did not.

    One bad cell must not cost a night's other cells.
    """
    import jax

    try:
        train_cell(place, progress)
    except UserError as mistake:
        return str(mistake)
    except Stopped:
        raise
    except Exception as error:  # such as memory of the device running out
        traceback.print_exc(file=sys.stderr)
        return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    finally:
        jax.clear_caches()  # no later cell runs this one's programs
    return ""


def _number(grid: Grid, place: Place) -> str:
    return f"{grid.places.index(place) + 1} of {len(grid.places)}"


def _header(grid: Grid, place: Place) -> str:
    begun = "goes on" if place.is_begun else "begins"
    return f"cell {_number(grid, place)}, {place.cell.path} ({place.cell.label}), {begun}"


def folder_for(preset: str) -> Path:
    """Where a preset's reproduction goes if the user names no folder."""
    return Path("runs") / f"reproduce-{preset}"
