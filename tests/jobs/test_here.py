"""Jobs in one process: what came of each, whose they are, and how they end."""

import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mastac.errors import UserError
from mastac.jobs import Here, Job
from mastac.runs.interruption import Stopped, interruptions
from mastac.runs.progress import Report


@dataclass(frozen=True)
class Written(Job):
    """A job that leaves a file, unless what it does first raises."""

    first: Callable[[Any], object] = lambda progress: None

    @property
    def is_begun(self) -> bool:
        return self.path.with_suffix(".begun").exists()

    @property
    def is_done(self) -> bool:
        return self.path.exists()

    def work(self, progress: Any) -> None:
        self.first(progress)
        self.path.write_text(self.name)


def report(epoch: int) -> Report:
    return Report(epoch, 3, epoch, 0.0, float(epoch), None, 1.0, None)


def raising(error: BaseException) -> Callable[[Any], object]:
    def first(progress: Any) -> None:
        raise error

    return first


def test_one_that_cannot_be_done_costs_no_other(tmp_path: Path) -> None:
    (tmp_path / "c.begun").touch()
    jobs = [
        Written("a", tmp_path / "a", raising(MemoryError("no room"))),
        Written("b", tmp_path / "b", raising(UserError("wrong"))),
        Written("c", tmp_path / "c", raising(UserError("wrong"))),
        Written("d", tmp_path / "d"),
    ]
    came = {job.name: outcome for job, outcome in Here().run(jobs)}
    assert [came[name].failure for name in "abcd"] == ["MemoryError: no room", "wrong", "wrong", ""]
    assert [came[name].is_refused for name in "abcd"] == [False, True, False, False]
    assert [path.name for path in sorted(tmp_path.glob("?"))] == ["d"]


def test_the_traceback_is_of_what_is_no_mistake_of_the_user(tmp_path: Path, capsys) -> None:
    for error, is_shown in ((ZeroDivisionError("x"), True), (UserError("x"), False)):
        ((_, outcome),) = Here().run([Written("a", tmp_path / "a", raising(error))])
        outcome.explained()
        assert ("Traceback" in capsys.readouterr().err) == is_shown


def test_the_next_is_asked_for_after_what_came_of_the_one_before(tmp_path: Path) -> None:
    happened: list[str] = []

    def jobs():
        for name in "ab":
            happened.append(f"asked for {name}")
            yield Written(name, tmp_path / name)

    for job, _ in Here(lambda job: happened.append(f"{job.name} begins")).run(jobs()):
        happened.append(f"told of {job.name}")
    assert happened == [f"{what}{k}{more}" for k in "ab" for what, more in STEPS]


STEPS = (("asked for ", ""), ("", " begins"), ("told of ", ""))


def test_what_another_process_is_at_work_on_is_passed_over(tmp_path: Path) -> None:
    first, second = (Written(name, tmp_path / name) for name in "ab")
    with first.claimed() as is_mine:
        assert is_mine
        assert [job.name for job, _ in Here().run([first, second])] == ["b"]
    # What is done is not done again, and said to be done.
    begun: list[Job] = []
    assert [outcome.failure for _, outcome in Here(begun.append).run([second])] == [""]
    assert not begun


def test_who_watches_may_end_a_job(tmp_path: Path) -> None:
    heard: list[int] = []

    def first(progress: Any) -> None:
        for epoch in (1, 2, 3):
            progress(report(epoch))

    def watch(job: Job, report: Report) -> bool:
        heard.append(report.epoch)
        return job.name == "a" and report.epoch == 2

    jobs = [Written(name, tmp_path / name, first) for name in "ab"]
    came = {job.name: outcome for job, outcome in Here().run(jobs, watch)}
    assert came["a"].is_ended_early and not came["b"].is_ended_early
    assert heard == [1, 2, 1, 2, 3] and not jobs[0].is_done and jobs[1].is_done


def test_a_signal_stops_after_the_job_at_work(tmp_path: Path) -> None:
    jobs = [
        Written("a", tmp_path / "a", lambda _: signal.raise_signal(signal.SIGTERM)),
        Written("b", tmp_path / "b"),
    ]
    told: list[str] = []
    with interruptions(), pytest.raises(Stopped, match="stopped after a") as stopped:
        told += [job.name for job, _ in Here().run(jobs)]
    assert stopped.value.exit_code == 128 + signal.SIGTERM
    assert jobs[0].is_done and not jobs[1].is_done
