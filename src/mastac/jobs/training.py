"""The job of training: a run folder. Imports JAX when it trains."""

import shutil
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mastac.envs.naming import ImportedEnvironment
from mastac.envs.registry import NamedEnvironment
from mastac.errors import UserError
from mastac.files import locked
from mastac.jobs.job import Job
from mastac.runs.folder import RunFolder
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
"""What may be in a run folder whose configuration, which comes last, was not written."""


@dataclass(frozen=True)
class TrainingJob(Job):
    """One run: an environment and settings, in a run folder.

    **Arguments:**

    - `env`: as for [`train`][mastac.runs.run.train]; `choices`: its further arguments.
    - `is_shared`: whether other processes may do the same job: two locks stand beside the folder.
    """

    env: Any
    choices: Mapping[str, Any]
    is_shared: bool = True

    @property
    def folder(self) -> RunFolder:
        """The run folder."""
        return RunFolder(self.path)

    @property
    def lock(self) -> Path | None:
        """As of any job; none where the folder is nobody else's."""
        return super().lock if self.is_shared else None

    @property
    def is_begun(self) -> bool:
        """Whether the folder holds a run."""
        return self.folder.config.is_file()

    @property
    def is_done(self) -> bool:
        """Whether the run has ended."""
        return self.is_begun and self.folder.summary.is_file()

    def work(self, progress: ProgressLike) -> None:
        """Train, or go on where the run was stopped."""
        # The job's lock says who is to train, this one who writes: a task on a cluster may outlive
        # the process that sent it.
        writing = self.path.with_name(f"{self.path.name}.writing")
        with locked(writing, wait=True) if self.is_shared else nullcontext():
            if not self.is_done:
                self._begin_or_resume(progress)

    def _begin_or_resume(self, progress: ProgressLike) -> None:
        if self.is_begun:
            has_name = isinstance(self.env, str | NamedEnvironment | ImportedEnvironment)
            resume(self.path, progress=progress, env=None if has_name else self.env)
            return
        # A folder without a configuration: the process that began it was killed before it wrote
        # one.
        if self.path.is_dir():
            strange = sorted({path.name for path in self.path.iterdir()} - OURS)
            if strange:
                raise UserError(
                    f"'{self.path}' is no run of ours (it holds '{strange[0]}'); move it away"
                )
            shutil.rmtree(self.path)
        train(self.env, out=self.path, progress=progress, **self.choices)
