"""The run folder: its files, and who may write them.

They are written so that a crash at any moment leaves a run that can be resumed.
"""

import errno
import itertools
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from mastac.errors import StorageError, UserError
from mastac.files import (
    PARTIAL,
    append_text,
    error_number,
    locked,
    read_json,
    write_json,
    write_text,
)
from mastac.learning.knob_names import stored_knobs
from mastac.runs.checkpoints import clear_leftovers
from mastac.runs.schemas import Config, Summary
from mastac.structure import Couplings, CouplingSequence

METRICS = (
    "seed",
    "epoch",
    "env_steps",
    "updates",
    "episode_return",
    "critic_loss",
    "value",
    "gradient_norm",
)
EVALUATION = ("seed", "epoch", "episode_return")
UNREADABLE = "[*?\\"
"""Characters that the checkpoint library takes for patterns, or for another folder's name."""
TIMING = ("epoch", "seconds", "env_steps_per_second", "updates_per_second")


class RunFolder:
    """Paths of one run's files, how they are begun, and who may write them."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config = self.path / "config.json"
        self.couplings = self.path / "couplings.json"
        self.environment = self.path / "environment.json"
        self.metrics = self.path / "metrics.csv"
        self.evaluation = self.path / "evaluation.csv"
        self.timing = self.path / "timing.csv"
        self.summary = self.path / "summary.json"
        self.certificate = self.path / "certificate.json"
        self.checkpoints = self.path / "checkpoints"
        self.policies = self.path / "policies"
        self.controllers = self.path / "controllers"
        self.failures = self.path / "failures.log"
        self.lock = self.path / ".lock"
        self._held: tuple[int, int] | None = None

    @property
    def appended(self) -> tuple[Path, ...]:
        """The files that grow while a run is at work."""
        return (self.metrics, self.evaluation, self.timing, self.failures)

    def policy(self, seed: int) -> Path:
        """The file with the greedy policies of one seed."""
        return self.policies / f"seed-{seed}.npz"

    @staticmethod
    def numbered(env_id: str, algorithm: str) -> "RunFolder":
        """A new folder `runs/<env>-<algorithm>-<number>`, with the first number that is free."""
        parent = Path("runs")
        for number in itertools.count(1):
            folder = RunFolder(parent / f"{env_id}-{algorithm}-{number}")
            folder.check_path()
            try:
                parent.mkdir(exist_ok=True)
                folder.path.mkdir()  # fails for all but one of those that start together
                return folder
            except FileExistsError:
                continue
            except OSError as error:
                raise folder.not_writable(error) from error
        raise AssertionError

    def check_path(self) -> None:
        """`UserError` if checkpoints could not be read back from a folder of this name."""
        whole = self.path.resolve().as_posix()
        sign = next((sign for sign in UNREADABLE if sign in whole), None)
        if sign is not None:
            raise UserError(
                f"the run folder '{whole}' has '{sign}' in its path, where checkpoints cannot be "
                "read back; choose a folder without it"
            )

    def check_is_free(self) -> None:
        """`UserError` unless a new run can be written here: no such folder yet, or an empty one."""
        if self.path.exists() and not self.path.is_dir():
            raise UserError(f"--out '{self.path}' is a file; name a folder")
        if self.config.exists():
            raise UserError(
                f"--out '{self.path}' holds a run already; continue it with "
                f"'{self.how_to_resume()}' or choose another folder"
            )
        if self.path.is_dir() and any(path != self.lock for path in self.path.iterdir()):
            raise UserError(
                f"--out '{self.path}' is not empty and holds no run; choose another folder"
            )
        nearest = next(
            parent for parent in [self.path, *self.path.absolute().parents] if parent.exists()
        )
        if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
            raise UserError(
                f"--out '{self.path}' is not writable; choose a folder that you may write to"
            )
        self.check_path()

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Hold a free folder for a new run: of two that claim it at once, one is refused."""
        self.check_is_free()
        with self.writing():
            self.check_is_free()  # another run may have begun and ended since
            yield

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the folder's lock; `UserError` if another process does.

        The operating system releases it when the process ends, however it ends.
        """
        self.check_path()
        with ExitStack() as stack:
            try:
                is_held = stack.enter_context(locked(self.lock))
            except OSError as error:
                raise self.not_writable(error) from error
            if not is_held:
                raise UserError(
                    f"another process is writing to the run folder '{self.path}'; "
                    "wait for it or stop it"
                )
            self._held = self._lock_file()
            stack.callback(setattr, self, "_held", None)
            self.check_is_ours()
            yield

    def _lock_file(self) -> tuple[int, int] | None:
        """What tells the lock's file from another at the same place; `None` if there is none."""
        try:
            found = self.lock.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def check_is_ours(self) -> None:
        """`UserError` if the folder is no longer the one that was locked, or leads elsewhere."""
        if self._held is not None and self._lock_file() != self._held:
            raise self._gone()
        for path in (self.checkpoints, self.policies, self.controllers, *self.appended):
            if path.is_symlink():
                raise UserError(
                    f"'{path}' is a symbolic link, and a run writes to its own folder alone; put "
                    "what it leads to in its place"
                )

    @contextmanager
    def storing(self) -> Iterator[None]:
        """Around what writes to a run at work: what the system refuses is told in one sentence.

        What was saved before is whole, whatever happens within.
        """
        self.check_is_ours()
        try:
            yield
        except Exception as error:
            number = error_number(error)
            if number is None:
                raise
            if number == errno.ENOENT:
                raise self._gone() from error
            raise StorageError(
                f"the run folder '{self.path}' cannot be written to ({os.strerror(number)}); what "
                f"was saved before is whole: mend that and go on with: {self.how_to_resume()}"
            ) from error

    def _gone(self) -> StorageError:
        return StorageError(
            f"the run folder '{self.path}' was deleted, moved or replaced while the run was at "
            "work; where it is now, 'mastac resume' goes on from its last checkpoint"
        )

    def begin(
        self,
        config: Mapping[str, Any],
        couplings: Couplings | CouplingSequence,
        environment: Mapping[str, Any],
    ) -> None:
        """Write what the run is; `config.json` comes last: a folder that has it can be resumed."""
        try:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
            self.policies.mkdir(exist_ok=True)
            write_json(self.couplings, couplings.to_dict())
            write_text(self.environment, json.dumps(environment, allow_nan=False) + "\n")
            write_json(self.config, config)
        except OSError as error:
            raise self.not_writable(error) from error

    def not_writable(self, error: OSError) -> UserError:
        """The error for a folder that the operating system refuses to write to."""
        if self.config.exists():
            return StorageError(
                f"the run folder '{self.path}' is not writable ({error.strerror}); mend that, or "
                "copy the folder to where you may write and go on with the copy"
            )
        return UserError(
            f"--out '{self.path}' is not writable ({error.strerror}); choose another folder"
        )

    def read_config(self) -> dict[str, Any]:
        """The stored configuration; `UserError` if there is none or it cannot be read."""
        if not self.path.is_dir():
            raise UserError(f"there is no run folder '{self.path}'")
        if not self.config.is_file():
            raise UserError(f"'{self.path}' is not a run folder: it has no config.json")
        config = read_json(self.config, Config)
        return config | {"knobs": stored_knobs(config["knobs"])} if "knobs" in config else config

    def how_to_resume(self) -> str:
        """What goes on with the run: only Python can pass an environment that has no name."""
        config = self.read_config()
        if config.get("custom") and config.get("origin") is None:
            return f"mastac.resume({str(self.path)!r}, env=...)"
        return f"mastac resume {self.path}"

    def tidy(self) -> None:
        """Make what folders are missing, and remove what killed processes left half written."""
        self.checkpoints.mkdir(exist_ok=True)
        self.policies.mkdir(exist_ok=True)
        clear_leftovers(self.checkpoints)
        for folder in (self.path, self.checkpoints, self.policies):
            for path in folder.glob(f"*{PARTIAL}"):
                path.unlink()

    def keep_failure(self, text: str) -> None:
        """Note a simulator that failed, with the time of day."""
        line = f"{datetime.now().isoformat(timespec='seconds')}  {text}\n"
        with self.storing():
            append_text(self.failures, line)


def read_summary(folder: RunFolder) -> dict[str, Any]:
    """`summary.json` of a run that has ended; `UserError` if it is damaged."""
    fix = f"delete it, and write it again with '{folder.how_to_resume()}'"
    return read_json(folder.summary, Summary, fix)
