"""Training one trial: an ordinary run whose evaluations are reported while it is at work."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mastac.envs.naming import ImportedEnvironment
from mastac.envs.registry import NamedEnvironment
from mastac.runs.folder import RunFolder
from mastac.runs.progress import Progress, Report
from mastac.runs.repeat import repeat_command
from mastac.runs.results import read_results
from mastac.runs.run import resume, train
from mastac.tuning.findings import Findings, Fresh
from mastac.tuning.folder import TuningFolder
from mastac.tuning.space import Range

Watch = Callable[[Report], None]


class Watched(Progress):
    """The progress of a run, which is also reported elsewhere."""

    def __init__(self, name: str, watch: Watch) -> None:
        super().__init__(name)
        self.watch = watch

    def __call__(self, report: Report) -> None:
        super().__call__(report)
        self.watch(report)


@dataclass
class Trainer:
    """Trains runs that differ in some knobs.

    - `env`: as for `mastac.train`; `choices`: its further arguments; `fixed`: knobs of all runs.
    - `space`: the knobs that are searched.
    - `progress`: whether to print.
    """

    env: Any
    choices: Mapping[str, Any]
    fixed: Mapping[str, Any]
    space: Mapping[str, Range]
    progress: bool

    def returns(
        self,
        path: Path,
        knobs: Mapping[str, Any],
        name: str,
        watch: Watch = lambda _: None,
        **changed: Any,
    ) -> np.ndarray:
        """Train, or go on, in a folder; greedy return of each seed `[seeds]`, NaN if it stopped.

        What `watch` raises ends the run; it keeps its folder.
        """
        progress = Watched(name, watch) if self.progress else watch
        run, named = RunFolder(path), isinstance(self.env, NamedEnvironment | ImportedEnvironment)
        if run.config.is_file():
            resume(path, progress, env=None if named else self.env)
        else:
            shutil.rmtree(path, ignore_errors=True)  # of a run that was killed as it began
            chosen = {**self.choices, **self.fixed, **knobs, **changed}
            train(self.env, out=path, progress=progress, **chosen)
        return read_results(path).greedy_by_seed()

    def command(self, path: Path) -> str:
        """What repeats a run."""
        return repeat_command(read_results(path))

    def compared(
        self, folder: TuningFolder, findings: Findings, seeds: tuple[int, ...], count: int
    ) -> Fresh | None:
        """Best and preset on so many seeds that no trial had; `None` where they are the same."""
        if not count or findings.best is None or findings.best.number == 0:
            return None
        first = max(seeds) + 1
        others = list(range(first, first + count))
        sides = (("default", {}), ("best", findings.best.knobs))
        # A folder for each, so that more seeds or another best train anew, and nothing is lost.
        names = {
            "default": f"default-{count}",
            "best": f"trial-{findings.best.number}-{count}",
        }
        default, best = (
            self.returns(folder.fresh(names[side]), knobs, f"{side}, fresh seeds", seeds=others)
            for side, knobs in sides
        )
        return Fresh(tuple(others), default.tolist(), best.tolist())
