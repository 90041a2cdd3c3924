"""What a task does on its machine, without any cluster."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from mastac.errors import UserError
from mastac.jobs import Job
from mastac.jobs.tasks import TOKEN, Task, run_job, unpack
from mastac.runs.interruption import Stopped
from mastac.runs.progress import Report
from mastac.version import __version__


@dataclass(frozen=True)
class Folder(Job):
    """A job that leaves a folder with a file for each report; `error` ends it after the first."""

    error: BaseException | None = None

    @property
    def is_done(self) -> bool:
        return (self.path / "3").exists()

    def work(self, progress: Any) -> None:
        for epoch in (1, 2, 3):
            (self.path / "checkpoints").mkdir(parents=True, exist_ok=True)
            (self.path / str(epoch)).write_text(os.environ.get("MASTAC_TRIED", ""))
            (self.path / "checkpoints" / str(epoch)).touch()
            if self.error is not None:
                raise self.error
            if progress is not False:
                progress(Report(epoch, 3, epoch, 0.0, 0.0, None, 1.0, None))


@pytest.fixture
def task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Task:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv("MASTAC_TRIED", raising=False)
    root = tmp_path / "root"
    root.mkdir()
    (root / TOKEN).write_text("mine")
    job = Folder("a", root / "cells" / "a")
    return Task(job, root, "mine", 10_000, {"MASTAC_TRIED": "yes"}, __version__)


def test_a_machine_that_shares_the_folder_works_in_it(task: Task) -> None:
    done = run_job(task)
    assert done.outcome is not None and done.outcome.failure == "" and done.files is None
    assert task.job.is_done and (task.job.path / "3").read_text() == "yes"


def test_another_machine_sends_back_all_but_the_checkpoints(task: Task) -> None:
    heard: list[tuple[str, int]] = []

    def hear(name: str, report: Report) -> bool:
        heard.append((name, report.epoch))
        return report.epoch == 2

    done = run_job(replace(task, token="another", report=hear))
    assert done.outcome is not None and done.outcome.is_ended_early
    assert heard == [("a", 1), ("a", 2)] and not task.job.path.exists()
    assert done.files is not None and done.files.keys() == {"1", "2"}
    unpack(done.files, task.job.path)
    assert [path.name for path in sorted(task.job.path.iterdir())] == ["1", "2", "checkpoints"]


def test_errors_travel_in_words(task: Task, capsys) -> None:
    for error, failure in (
        (UserError("these do not go together"), "these do not go together"),
        (MemoryError("no room"), "MemoryError: no room"),
    ):
        done = run_job(replace(task, job=replace(task.job, error=error), token="another"))
        assert done.outcome is not None and done.files is None
        assert isinstance(done.outcome.error, UserError) and done.outcome.failure == failure
        assert "process" in done.outcome.machine
    assert "MemoryError" in capsys.readouterr().err


def test_what_a_signal_stopped_has_no_outcome(task: Task) -> None:
    assert run_job(replace(task, job=replace(task.job, error=Stopped("x")))).outcome is None


def test_machines_with_another_version_refuse(task: Task) -> None:
    done = run_job(replace(task, version="0.0"))
    assert done.outcome is not None and "is installed there, here it is 0.0" in done.outcome.failure
    assert not task.job.path.exists()
