"""What is shown of a run: whole at every width, true about the time, and quick to stop."""

import os
import signal
import sys
import threading
import time
from io import StringIO
from types import ModuleType, SimpleNamespace

import pytest

from mastac.runs import progress
from mastac.runs.compilation_cache import VARIABLE, cache_folder
from mastac.runs.compiling import CompileTimes, Compiling, compile_all
from mastac.runs.interruption import Stopped, interruptions
from mastac.runs.progress import Pace, Progress, Report

LONG = Report(
    epoch=12_345,
    epochs=100_000,
    env_steps=12_345_678,
    train_return=-123_456.789,
    greedy_return=-1234.567,
    score=-12.345,
    env_steps_per_second=123_456.7,
    remaining=123_456.0,
    promised=-1234.5,
)


USUAL = Report(1200, 10_000, 60_000, -12.345, -11.234, 0.912, 1234.5, 83.0)
WORDS = ("greedy", "score", "steps/s", "left")


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("name", ["", "12 of 96 warehouse-40/mastac-2"])
@pytest.mark.parametrize("width", [40, 80, 100, 120])
def test_lines_fit_the_terminal(width: int, name: str, monkeypatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(width))
    shown = Progress(name)
    shown(LONG)
    shown(USUAL)
    shown.working("compiling", 3.0, 75.0)
    shown.say("a remark")
    _, longest, usual, compiling, remark = terminal.getvalue().split("\r\x1b[2K")
    assert max(map(len, (longest, usual, compiling))) < width
    assert longest.endswith("left 34:17:36") and usual.endswith("left 1:23")
    assert "compiling 0:03" in compiling
    if width >= 80:
        assert "score" in usual and "score" in longest
    if not name:
        assert ("━" in usual) == (width >= 80)
        assert all(word in line for line in (longest, usual) for word in WORDS) == (width >= 80)
        assert ("return -12.35" in usual) == (width >= 100)
        assert compiling == "compiling 0:03 (usually 1:15)"
    assert remark.endswith("a remark\n")
    shown(USUAL)
    shown.close()
    shown.working("compiling", 3.0, None)
    shown.close()
    shown.close()
    lines = terminal.getvalue().split("\n")
    assert len(lines) == 3 and lines[1].endswith("left 1:23")
    assert lines[2].endswith("compiling 0:03\r\x1b[2K"), "what is over is no longer told"


def test_a_log_holds_whole_lines_the_more_seldom_the_longer_the_run(capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    shown, reports = Progress("a cell"), []
    for second in range(0, 4001, 2):
        now[0] = float(second)
        shown(LONG)
        if captured := capsys.readouterr().err:
            reports.append((second, captured))
    assert {text for _, text in reports} == {f"a cell  {LONG.line()}\n"}
    assert "\r" not in LONG.line() and "promised -1,234.50" in LONG.line()
    seconds = [second for second, _ in reports]
    assert seconds[:4] == [0, 6, 12, 18]
    assert 180 <= seconds[-1] - seconds[-2] <= 202
    for so_far in (0.0, 0.2, 0.4):
        shown.working("compiling", so_far, None)
    assert capsys.readouterr().err == "a cell  compiling\n"


def test_one_line_moves_in_the_cell_of_a_notebook(monkeypatch, capsys) -> None:
    lines: list[list[str]] = []

    class Handle:
        def update(self, text: dict, raw: bool) -> None:
            lines[-1].append(text["text/plain"])

    def display(text: dict, raw: bool, display_id: bool) -> Handle:
        lines.append([text["text/plain"]])
        return Handle()

    ipython, shown = ModuleType("IPython"), ModuleType("IPython.display")
    ipython.get_ipython = lambda: SimpleNamespace(kernel=object())  # pyright: ignore
    shown.display = display  # pyright: ignore
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", shown)
    told = Progress()
    told.working("compiling", 0.0, 2.0)
    told.working("compiling", 1.0, 2.0)
    told.say("a remark")
    told(LONG)
    told.working("compiling the last evaluation", 1.0, None)
    told.close()
    assert lines[0] == [
        "compiling 0:00 (usually 0:02)",
        "compiling 0:01 (usually 0:02)",
        "a remark",
    ]
    assert len(lines) == 2 and "━" in lines[1][0]
    assert lines[1][1:] == ["compiling the last evaluation 0:01", ""]
    assert capsys.readouterr() == ("", "")


def test_time_left_follows_the_later_chunks() -> None:
    pace = Pace()
    assert pace.remaining(10) is None
    pace.add(10, 5.0)
    assert pace.remaining(30) == 15.0
    for _ in range(20):
        pace.add(10, 20.0)
    assert pace.remaining(30) == 60.0
    assert "left ?" in Report(1, 2, 3, 0.0, 0.0, None, 1.0, None).line()


class Sleeps:
    """A program that takes its time to compile."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def compile(self) -> None:
        time.sleep(self.seconds)


def test_the_seconds_of_compiling_stand_apart() -> None:
    told: list[tuple[str, float, float | None]] = []
    lowered = lambda *_: [Sleeps(0.5), Sleeps(0.1)]  # noqa: E731
    compiling = Compiling("mastac on lq-3", lowered, lambda *what: told.append(what))
    assert compiling.to_come(7, 5) == 0
    for _ in range(2):  # the second time there is nothing to do
        compiling("state", "keys", 10, 5)
    assert 0.6 <= compiling.spent() < 5
    assert compiling.spent() == 0
    # A last chunk of another length will have to be compiled.
    assert compiling.to_come(0, 5) == compiling.to_come(10, 5) == 0
    assert 0.6 <= compiling.to_come(7, 5) < 5
    assert [(what, usually) for what, _, usually in told] == [("compiling", None)] * len(told)
    seconds = [so_far for _, so_far, _ in told]
    assert seconds[0] == 0 and len(told) > 3 and seconds == sorted(seconds)


def test_what_a_compiler_raises_reaches_the_user() -> None:
    with pytest.raises(ZeroDivisionError):
        compile_all([SimpleNamespace(compile=lambda: 1 / 0)], lambda _: None)


def test_what_compiling_took_is_known_the_next_time(tmp_path, monkeypatch) -> None:
    assert CompileTimes("mastac on lq-3").usually() is None
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    folder = cache_folder()
    assert folder is not None
    folder.mkdir()
    times = CompileTimes("mastac on lq-3")
    (folder / "program-cache").write_bytes(b"")
    times.keep(20.0)
    assert CompileTimes("mastac on lq-3").usually() == 20.0
    assert CompileTimes("mastac on lq-8").usually() is None
    CompileTimes("mastac on lq-3").keep(1.0)  # all programs were found: no news
    assert CompileTimes("mastac on lq-3").usually() == 20.0
    (folder / "seconds.json").write_text("{")
    assert CompileTimes("mastac on lq-3").usually() is None


def test_ctrl_c_while_compiling_stops_at_once() -> None:
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    began = time.monotonic()

    def compile_slowly() -> None:
        with is_interrupted.nothing_to_save("go on with: so"):
            timer.start()
            compile_all([Sleeps(3.0)], lambda _: None)

    with interruptions() as is_interrupted, pytest.raises(Stopped, match="go on with: so"):
        compile_slowly()
    assert time.monotonic() - began < 2
    assert is_interrupted()
