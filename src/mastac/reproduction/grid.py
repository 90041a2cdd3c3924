"""The cells of a reproduction on disk: which are done, which remain, and how long they take."""

import itertools
import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mastac.errors import UserError
from mastac.files import read_json
from mastac.jobs import TrainingJob
from mastac.reproduction.costs import STORED, cost
from mastac.reproduction.paper import CELLS, Cell, cells_of
from mastac.runs.config import ExperimentConfig, resolve
from mastac.runs.folder import RunFolder
from mastac.runs.schemas import Summary
from mastac.runs.tables import read_table
from mastac.text import clock

VERSIONS = ("versions", "git_revision")  # may differ between runs that are the same


def config_of(cell: Cell) -> ExperimentConfig:
    """The complete configuration of a cell, checked."""
    from mastac.envs.registry import checked_options

    return resolve(cell.env, checked_options(cell.env, cell.env_options), **cell.arguments)


@dataclass(frozen=True)
class Place:
    """A cell with its place on disk."""

    cell: Cell
    folder: RunFolder

    @property
    def job(self) -> TrainingJob:
        """What trains the cell."""
        choices = {"env_options": self.cell.env_options, **self.cell.arguments}
        return TrainingJob(self.cell.path, self.folder.path, self.cell.env, choices)

    @property
    def is_begun(self) -> bool:
        return self.job.is_begun

    @property
    def is_finished(self) -> bool:
        return self.job.is_done

    def progress(self) -> "Timing":
        """Epochs and seconds so far, from `timing.csv`."""
        return Timing.read(self.folder.timing)

    def check(self) -> None:
        """Refuse a folder that holds another configuration than the plan's; versions may differ."""
        if not self.is_begun:
            return
        wanted = json.loads(json.dumps(config_of(self.cell).to_dict()))
        for name, stored, planned in _differences(self.folder.read_config(), wanted):
            raise UserError(
                f"cell {self.cell.path} in '{self.folder.path}' was trained with {name} {stored}, "
                f"the plan has {planned}; choose another --out, or delete that folder to train it "
                "anew"
            )


@dataclass(frozen=True)
class Timing:
    """Epochs done, and the seconds that they took.

    - `per_epoch`: seconds of an epoch, the median over chunks.
    - `apart`: seconds that the first chunk took longer: it was compiled.
    """

    epochs: int = 0
    seconds: float = 0.0
    per_epoch: float | None = None
    apart: float = 0.0

    @staticmethod
    def read(path: Path) -> "Timing":
        """From a run's `timing.csv`; nothing done where there is none."""
        table = read_table(path, required=("epoch", "seconds"))
        if not table:
            return Timing()
        ends, seconds = table["epoch"].astype(int).tolist(), table["seconds"].tolist()
        lengths = [after - before for before, after in itertools.pairwise([0, *ends])]
        rates = [took / length for took, length in zip(seconds, lengths, strict=True) if length > 0]
        if not rates:
            return Timing(ends[-1], sum(seconds))
        usual = statistics.median(rates)
        apart = max(0.0, seconds[0] - usual * lengths[0])
        return Timing(ends[-1], sum(seconds), usual, apart)


class Grid:
    """The cells of a plan below the folder `out`, in the order of training."""

    def __init__(
        self,
        out: str | Path,
        what: str,
        preset: str,
        only: Sequence[str] = (),
        seeds: Sequence[int] | None = None,
    ):
        self.out = Path(out)
        self.places = [self.place(cell) for cell in cells_of(what, preset, only, seeds)]
        self.whole = [self.place(cell) for cell in cells_of("all", preset, seeds=seeds)]

    def place(self, cell: Cell) -> Place:
        """Where a cell is, or will be."""
        return Place(cell, RunFolder(self.out / "cells" / cell.env / cell.name))

    @property
    def raw(self) -> Path:
        """Folder of the raw data of finished cells, from which tables and figures are made."""
        return self.out / "raw"

    def check(self) -> None:
        """Refuse an impossible cell, and a folder with cells of another configuration."""
        if self.out.exists() and not self.out.is_dir():
            raise UserError(f"--out '{self.out}' is a file; name a folder")
        for place in self.places:
            config_of(place.cell)
        for place in self.whole:
            place.check()


class Estimate:
    """Seconds left, from what a cell, or others, have taken here so far.

    Of a cell that was not begun it is known from committed raw data how much more, or less, it
    costs than others.
    """

    def __init__(self, places: Sequence[Place]) -> None:
        self.timings = {place.cell.path: place.progress() for place in places}
        self.places = places
        self.costs = read_json(STORED)

    @cached_property
    def _timed(self) -> list[Place]:
        return [p for p in self.places if self.timings[p.cell.path].per_epoch is not None]

    @cached_property
    def _compiling(self) -> float:
        """Seconds that a cell takes to compile."""
        return statistics.fmean(self.timings[place.cell.path].apart for place in self._timed)

    def _whole(self, place: Place) -> float | None:
        """Seconds of a cell's epochs, from its own or those of its environment, else of any."""
        timing, cell = self.timings[place.cell.path], place.cell
        if timing.per_epoch is not None:
            return timing.per_epoch * cell.epochs
        here = [timed for timed in self._timed if timed.cell.env == cell.env] or self._timed
        whole = [(timed, self._whole(timed) or 0.0) for timed in here]
        ratios = [
            seconds / beside
            for timed, seconds in whole
            if (beside := cost(timed.cell, self.costs)) is not None
        ]
        units = cost(cell, self.costs)
        return None if units is None or not ratios else units * statistics.median(ratios)

    def remaining(self, place: Place) -> float | None:
        """Seconds to go; `None` where nothing like it has been timed."""
        if place.is_finished:
            return 0.0
        timing, whole = self.timings[place.cell.path], self._whole(place)
        if whole is None:
            return None
        share = max(0, place.cell.epochs - timing.epochs) / place.cell.epochs
        return whole * share + (0.0 if timing.epochs else self._compiling)

    def total(self) -> tuple[float, int]:
        """Seconds to go for one process, and how many cells have no estimate and are left out."""
        seconds = [self.remaining(place) for place in self.places]
        known = [value for value in seconds if value is not None]
        return sum(known), len(seconds) - len(known)

    def line(self) -> str:
        """What is done and what is left, in one line."""
        left = [place for place in self.places if not place.is_finished]
        if not left:
            return f"all {len(self.places)} cells are done"
        seconds, unknown = self.total()
        time = (
            f"about {clock(seconds)} for one process"
            if unknown < len(left)
            else "time not known yet"
        )
        rest = f" and {unknown} that have no estimate yet" if 0 < unknown < len(left) else ""
        done = f"{len(self.places) - len(left)} of {len(self.places)} cells are done"
        return f"{done}; left: {time}{rest}"


def plan_table(places: Sequence[Place]) -> str:
    """The cells in the order of training, with state and time: spent, or `≈` still to come."""
    from mastac.text import seeds_text, table

    estimate = Estimate(places)
    rows = []
    for place in places:
        timing, left = estimate.timings[place.cell.path], estimate.remaining(place)
        time = (
            clock(timing.seconds)
            if place.is_finished
            else "?"
            if left is None
            else f"≈ {clock(left)}"
        )
        cell = place.cell
        about = (cell.path, CELLS[cell.name].label, f"{cell.epochs:,}", seeds_text(cell.seeds))
        rows.append((*about, state(place, timing), time))
    head = ("cell", "row of the table", "epochs", "seeds", "state", "time")
    return f"{table(head, rows)}\n\n{estimate.line()}"


def state(place: Place, timing: Timing) -> str:
    """`done`, how far a cell is and whether a process is at work on it, or empty."""
    if place.is_finished:
        failed = len(read_json(place.folder.summary, Summary).get("failed") or {})
        seeds = len(place.cell.seeds)
        return "done" if not failed else f"done, {failed} of {seeds} seeds stopped"
    share = f"{timing.epochs / place.cell.epochs:.0%}" if timing.epochs else ""
    return " ".join(word for word in (share, "at work" if is_at_work(place.job) else "") if word)


def is_at_work(job: TrainingJob) -> bool:
    """Whether some process is at work on it."""
    if job.lock is None or not job.lock.exists():
        return False
    with job.claimed() as is_mine:
        return not is_mine


def _differences(
    stored: Mapping[str, Any], wanted: Mapping[str, Any]
) -> Iterator[tuple[str, str, str]]:
    """(name, stored value, wanted value) of what differs; knobs and options one by one."""
    for name in dict.fromkeys((*wanted, *stored)):
        here, there = stored.get(name), wanted.get(name)
        if name in VERSIONS or (name in stored and name in wanted and here == there):
            continue
        if isinstance(here, Mapping) and isinstance(there, Mapping):
            yield from _differences(here, there)
        else:
            yield name, _shown(stored, name), _shown(wanted, name)


def _shown(values: Mapping[str, Any], name: str) -> str:
    return json.dumps(values[name]) if name in values else "(none)"
