"""Training trials, each an ordinary run, here or on a cluster."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mastac.jobs import Job, TrainingJob, Where
from mastac.runs.repeat import repeat_command
from mastac.runs.results import read_results
from mastac.tuning.findings import Findings, Fresh
from mastac.tuning.folder import TuningFolder


@dataclass
class Trainer:
    """Trains runs that differ in some knobs.

    - `env`: as for `mastac.train`; `choices`: its further arguments; `fixed`: knobs of all runs.
    - `where`: in this process, or on a cluster.
    - `is_shared`: whether other machines may be at work on a run.
    """

    env: Any
    choices: Mapping[str, Any]
    fixed: Mapping[str, Any]
    where: Where
    is_shared: bool = False

    def job(self, name: str, path: Path, knobs: Mapping[str, Any], **changed: Any) -> Job:
        """The training of one run; `changed`: arguments that are others than for all runs."""
        choices = {**self.choices, **self.fixed, **knobs, **changed}
        return TrainingJob(name, path, self.env, choices, self.is_shared)

    def returns(self, path: Path) -> np.ndarray:
        """Greedy return of each seed of a run that has ended `[seeds]`, NaN if it stopped."""
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
        jobs = [
            self.job(f"{side}, fresh seeds", folder.fresh(names[side]), knobs, seeds=others)
            for side, knobs in sides
        ]
        for _, outcome in self.where.run(jobs):
            if outcome.error is not None:
                raise outcome.error
        default, best = (self.returns(job.path).tolist() for job in jobs)
        return Fresh(tuple(others), default, best)
