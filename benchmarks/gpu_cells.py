"""Cells of the paper's first table on a GPU, at the paper's length (part of `gpu.py`).

Each cell is a process of its own, several at the same time: a cell alone does not fill a card. The
first are those of the rows that the paper has for all environments. A cell that turns out not to
end in time is stopped, and so are those not begun that would cost more than is left, by what cells
cost beside each other. `seconds` are those of training, compilation and evaluations included, while
the card was shared by `at_once` processes.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from mastac.reproduction.grid import Estimate, Grid, Place
from mastac.reproduction.paper import CELLS, PAPER_TABLE, REQUIRED
from mastac.reproduction.raw_data import export_cell, read_cell
from mastac.text import seeds_text

AT_ONCE = 3
CLOSING = 12.0
"""Seconds for the last evaluation, the summary and the raw data of a cell."""
STARTING = 40.0
"""Seconds under which no cell is begun."""
LATE = 8.0
"""Seconds after which a cell that does not stop is ended."""
HEADER = ("env", "cell", "label", "epochs", "seeds", "at_once", "seconds", "wall_s", "ms_per_epoch")
HEADER += ("compile_s", "final20_mean", "final20_std", "paper_mean", "paper_std", "final20_score")
HEADER += ("greedy_mean", "greedy_std", "greedy_score", "stopped")


class NoTime(Exception):
    """A cell would not end in time."""


def places(runs: Path, tiny: bool) -> list[Place]:
    """The cells in the order in which they are begun, with run folders below `runs`."""
    found = Grid(runs, "table1", "smoke" if tiny else "paper").places
    if tiny:
        return [place for place in found if place.cell.name == "mastac-k2"]
    return sorted(found, key=lambda place: place.cell.name not in REQUIRED)


def train(place: Place, until: float) -> None:
    """Train a cell, unless what it has done says that it will not end in time."""

    def report(now: Any) -> None:
        left = until - time.time()
        if now.remaining is not None and now.remaining + CLOSING > left:
            raise NoTime(
                f"stopped: {now.remaining:.0f} s of training were to come, {left:.0f} left"
            )

    place.job.work(report)


def figures(place: Place, raw: Path) -> dict[str, Any]:
    """What a row says of a cell that has ended, from its raw data, which are written."""
    target = raw / place.cell.path
    export_cell(place.folder.path, target)
    cell, timing = read_cell(target), place.progress()
    final, greedy = cell.final20(), cell.greedy()
    reference = cell.reference
    simple, best = reference["simple"], reference["best_known"]
    score = lambda value: (value - simple) / (best - simple)  # noqa: E731
    paper = PAPER_TABLE.get((place.cell.name, place.cell.env), ("", ""))
    return {
        "seconds": cell.seconds,
        "ms_per_epoch": 1e3 * (timing.per_epoch or 0.0),
        "compile_s": timing.apart,
        "final20_mean": float(final.mean()),
        "final20_std": float(final.std()),
        "final20_score": float(score(final.mean())),
        "paper_mean": paper[0],
        "paper_std": paper[1],
        "greedy_mean": float(greedy.mean()),
        "greedy_std": float(greedy.std()),
        "greedy_score": float(score(greedy.mean())),
        "stopped": len(cell.summary.get("failed") or {}),
    }


def one_cell(path: str, runs: Path, part: Any, at_once: int) -> None:
    """Train one cell and append its row."""
    from gpu_common import Rows

    (place,) = [place for place in places(runs, part.tiny) if place.cell.path == path]
    cell = place.cell
    rows = Rows(part.out / "gpu-cells.csv", HEADER, keep=True)
    about = {"env": cell.env, "cell": cell.name, "label": CELLS[cell.name].label}
    about |= {"epochs": cell.epochs, "seeds": seeds_text(cell.seeds)}
    began = time.time()
    with rows.row(**about, at_once=at_once) as row:
        try:
            train(place, part.until)
            row |= figures(place, part.out / "raw")
        finally:
            row["wall_s"] = time.time() - began


def is_hopeless(place: Place, begun: list[Place], left: float) -> bool:
    """Whether a cell is known to take longer than is left, from what others have taken."""
    if left < STARTING:
        return True
    seconds = Estimate([*begun, place]).remaining(place)
    return seconds is not None and seconds + CLOSING > left


def main() -> None:
    """All cells that the time allows, several at the same time."""
    from gpu_common import Part

    part, args = Part.from_arguments("--cell", "--runs")
    at_once = 1 if part.tiny else AT_ONCE
    if args.cell:
        one_cell(args.cell, Path(args.runs), part, at_once)
        return
    with tempfile.TemporaryDirectory() as runs:
        all_cells(part, Path(runs), at_once)


def all_cells(part: Any, runs: Path, at_once: int) -> None:
    """Begin one cell after the other, each in a process, and wait for them."""
    from gpu_common import Rows

    rows = Rows(part.out / "gpu-cells.csv", HEADER)
    waiting, begun = places(runs, part.tiny), []
    at_work: list[subprocess.Popen[bytes]] = []
    while waiting or at_work:
        at_work = [process for process in at_work if process.poll() is None]
        if part.left < -LATE:
            for process in at_work:
                process.kill()
        if waiting and len(at_work) < at_once:
            place = waiting.pop(0)
            if is_hopeless(place, begun, part.left):
                about = {"env": place.cell.env, "cell": place.cell.name}
                rows.add({**about, "message": f"not begun: {part.left:.0f} s were left"})
                continue
            begun.append(place)
            command = [sys.executable, __file__, *sys.argv[1:], "--runs", str(runs)]
            at_work.append(subprocess.Popen([*command, "--cell", place.cell.path]))
        time.sleep(0.2)


if __name__ == "__main__":
    main()
