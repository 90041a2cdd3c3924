"""What goes wrong while runs are at work: `python faults.py FOLDER KILLS [NAME …]`.

Each fault is a function that provokes it and asserts how it ends. What came of each is printed as
JSON: "" where all went as it should, "skipped: …", or what went wrong.
"""

import ctypes
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fake_runs
from fake_runs import CHUNK, EPOCHS, contents, leftovers
from processes import Command, Gate, until

from mastac.cli import resume
from mastac.runs import execution
from mastac.runs.checkpoints import saved_epochs
from mastac.runs.results import read_results


class Skipped(Exception):
    """The fault cannot be provoked here."""


def ends_well(path: Path, whole: dict[str, bytes]) -> None:
    """Going on with a run ends it as if nothing had happened."""
    command = Command(path)
    assert command.end() == 0, command.said
    assert contents(path) == whole
    assert leftovers(path) == []
    assert saved_epochs(path / "checkpoints") == [EPOCHS - CHUNK, EPOCHS]


def sigkill_at_random_moments(place: Path, whole: dict[str, bytes]) -> str:
    """Readers see whole chunks of the undisturbed run after each, and each run ends as that one."""
    chance, began = random.Random(0), time.monotonic()
    ends_well(place / "timed", whole)
    took = time.monotonic() - began
    undisturbed = read_results(place / "timed").curve()[1]
    kills = resumes = runs = halves = 0
    while kills < KILLS:
        path = place / f"run-{runs}"
        runs += 1
        while kills < KILLS and not (path / "summary.json").exists():
            if path.exists() and not (path / "config.json").exists():
                shutil.rmtree(path)  # killed before there was a run
            resumes += path.exists()
            command = Command(path)
            time.sleep(chance.uniform(0.0, took))
            command.send(signal.SIGKILL)
            code = command.end()
            assert code in (0, -signal.SIGKILL), command.said
            kills += code != 0
            halves += bool(leftovers(path))
            if (path / "config.json").exists():
                seen = read_results(path).curve()[1]
                assert (seen == undisturbed[:, : seen.shape[1]]).all()
                assert seen.shape[1] % CHUNK == 0
        resumes += path.exists()
        ends_well(path, whole)
        shutil.rmtree(path)
    return f"{kills} kills, {halves} of them left something half written; {resumes} resumes"


def resume_beside_resume(place: Path, whole: dict[str, bytes]) -> None:
    """Of two that go on with a run one is refused, and after a crash of the first none is."""
    gate, path = Gate(place), place / "run"
    first = Command(path, before=gate.close)
    gate.reached()
    for words in (("resume",), ("train", "lq-3", "--out"), ("certify",)):
        other = Command(path, *words, str(path))
        assert other.end() == 2
        assert other.said.count("\n") == 0
        assert other.said.startswith("mastac: ")
    first.send(signal.SIGKILL)
    assert first.end() == -signal.SIGKILL
    ends_well(path, whole)


def train_beside_train(place: Path, whole: dict[str, bytes]) -> None:
    """Of two that begin a run in one folder one is refused before it writes anything."""
    path = place / "run"
    both = [Command(place / "run") for _ in range(2)]
    codes = sorted(command.end() for command in both)
    if codes != [0, 0]:  # the second may have found a run that was begun, or one that had ended
        assert codes == [0, 2]
    assert contents(path) == whole


def readers_beside_a_writer(place: Path, whole: dict[str, bytes]) -> None:
    """What reads a run at work sees whole chunks, and policies that are whole."""
    path = place / "run"
    command = Command(path)
    seen = set()
    while not (path / "summary.json").exists():
        if (path / "policies" / "seed-1.npz").exists():
            run = read_results(path)
            trained, (evaluated, _) = run.curve()[1], run.curve(greedy=True)
            assert trained.shape[1] == (evaluated[-1] if len(evaluated) else 0)
            seen.add(trained.shape[1])
            assert len((path / "policies" / "seed-1.npz").read_bytes()) == 80_000
    assert command.end() == 0
    assert seen <= {*range(0, EPOCHS + 1, CHUNK)}
    assert contents(path) == whole


def signals(place: Path, whole: dict[str, bytes]) -> None:
    """The chunk at work is finished and saved, and the exit code is the signal's."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        path = place / number.name
        path.mkdir()
        gate = Gate(path)
        command = Command(path / "run", before=gate.close)
        gate.reached()
        command.send(number)
        if number != signal.SIGINT:  # others come twice without impatience
            command.send(number)
        command.until("stopping after this chunk")
        gate.let_through()
        assert command.end() == 128 + number
        assert command.said.endswith(
            f"mastac: stopped after epoch 6 of {EPOCHS}; go on with: mastac resume {path / 'run'}"
        )
        ends_well(path / "run", whole)


def sighup_under_nohup(place: Path, whole: dict[str, bytes]) -> None:
    """A SIGHUP that is ignored stays ignored."""
    gate = Gate(place)

    def before() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        gate.close()

    command = Command(place / "run", before=before)
    gate.reached()
    command.send(signal.SIGHUP)
    gate.let_through()
    assert command.end() == 0
    assert contents(place / "run") == whole


def second_ctrl_c_during_a_save(place: Path, whole: dict[str, bytes]) -> None:
    """The save at work does not count, the one before does."""
    gate, path = Gate(place), place / "run"

    def before() -> None:
        save = execution.policies_of

        def slowly(*about: Any) -> Any:
            gate.wait(len(saved_epochs(path / "checkpoints")) * CHUNK)
            return save(*about)

        setattr(execution, "policies_of", slowly)  # noqa: B010

    command = Command(path, before=before)
    gate.reached()
    command.send(signal.SIGINT)
    command.until("press Ctrl-C again")
    command.send(signal.SIGINT)
    assert command.end() == 130
    assert command.said.endswith(f"mastac: stopped at once; go on with: mastac resume {path}")
    assert saved_epochs(path / "checkpoints") == [2, 4]
    ends_well(path, whole)


def stuck(*_: object) -> None:
    """As compiled code is: no signal ends it, and Python cannot."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # another thread hears of it
    ctypes.CDLL(None).sleep(60)


def ctrl_c_in_compiled_code(place: Path, whole: dict[str, bytes]) -> None:
    """The first one is answered at once, and the second ends the process soon."""
    path = place / "run"
    command = Command(path, before=lambda: setattr(fake_runs, "SLOWLY", stuck))
    command.until("from the beginning")
    time.sleep(0.2)
    began = time.monotonic()
    command.send(signal.SIGINT)
    command.until("press Ctrl-C again")
    command.send(signal.SIGINT)
    assert command.end() == 130
    assert time.monotonic() - began < 20  # of the 60 that it would sleep
    assert command.said.endswith(f"mastac: stopped at once; go on with: mastac resume {path}")
    ends_well(path, whole)


def ctrl_c_in_a_command_that_saves_nothing(place: Path, whole: dict[str, bytes]) -> None:
    """It ends the command, whatever is at work."""
    here = place / "here"

    def run(args: object) -> int:
        here.touch()
        stuck()
        return 0

    command = Command(place / "run", before=lambda: setattr(resume, "run", run))
    until(here.exists)
    time.sleep(0.2)
    command.send(signal.SIGINT)
    assert command.end() == 130
    assert command.said == "mastac: stopped"


def nobody_listens(place: Path, whole: dict[str, bytes]) -> None:
    """Training goes on to its end where standard error leads nowhere, or there is none."""

    def broken(*numbers: int) -> Callable[[], None]:
        def before() -> None:
            for number in numbers:
                reading, writing = os.pipe()
                os.close(reading)
                os.dup2(writing, number)

        return before

    def closed() -> None:
        sys.stdin = sys.stdout = sys.stderr = None  # as Python starts where they are closed
        for number in range(3):
            os.close(number)

    for name, before, code in (
        ("err", broken(2), 0),
        ("out", broken(1), 141),
        ("both", broken(1, 2), 141),
        ("closed", closed, 0),
    ):
        assert Command(place / name, before=before).end() == code, name
        assert contents(place / name) == whole, name


def folder_is_deleted(place: Path, whole: dict[str, bytes]) -> None:
    """The run ends, and makes no folder again."""
    gate, path = Gate(place), place / "run"
    command = Command(path, before=gate.close)
    gate.reached()
    shutil.rmtree(path)
    gate.let_through()
    assert command.end() == 1
    assert command.said.startswith(f"mastac: the run folder '{path}' was deleted, moved")
    assert not path.exists()


def folder_is_moved_and_another_run_begun(place: Path, whole: dict[str, bytes]) -> None:
    """The first run leaves the second alone, and goes on where it is now."""
    gate, path = Gate(place), place / "run"
    command = Command(path, before=gate.close)
    gate.reached()
    path.rename(place / "moved")
    ends_well(path, whole)
    gate.let_through()
    assert command.end() == 1
    assert contents(path) == whole
    ends_well(place / "moved", whole)


def symbolic_links(place: Path, whole: dict[str, bytes]) -> None:
    """Nothing is written through a link: it is replaced, or the run is refused."""
    gate, path = Gate(place), place / "run"
    command = Command(path, before=gate.close)
    gate.reached()
    command.send(signal.SIGKILL)
    command.end()
    aim = place / "aim"
    aim.mkdir()
    (aim / "precious").write_text("precious")
    for name in ("metrics.csv.partial", "summary.json", "policies/seed-1.npz", "checkpoints/6"):
        (path / name).unlink(missing_ok=True)
        (path / name).symlink_to(aim if name.endswith("6") else aim / "precious")
    if (path / "summary.json").is_symlink():
        (path / "summary.json").unlink()  # a run with a summary has ended
    ends_well(path, whole)
    assert (aim / "precious").read_text() == "precious"
    (path / "summary.json").unlink()
    for name in ("checkpoints", "policies", "metrics.csv", "failures.log"):
        kept = place / "kept"
        if (path / name).exists():
            (path / name).rename(kept)
        (path / name).symlink_to(kept)
        command = Command(path)
        assert command.end() == 2
        assert f"'{path / name}' is a symbolic link" in command.said
        (path / name).unlink()
        if kept.exists():
            kept.rename(path / name)
    ends_well(path, whole)


@contextmanager
def disk(place: Path, size: str = "4m") -> Iterator[Path]:
    """A small disk of its own."""
    path = place / "disk"
    path.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(path)], capture_output=True
    )
    if made.returncode:
        raise Skipped("no small disk can be mounted here")
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def disk_is_full(place: Path, whole: dict[str, bytes]) -> None:
    """The run ends in a sentence, and goes on when there is room again."""
    for filled in (0, 60_000):  # no room for a row; none for a checkpoint
        with disk(place) as path:
            gate = Gate(place)
            command = Command(path / "run", before=gate.close)
            gate.reached()
            free = shutil.disk_usage(path).free
            (path / "filler").write_bytes(bytes(free - filled))
            gate.let_through()
            assert command.end() == 1, command.said
            assert command.said.startswith("mastac: the run folder"), command.said
            assert "No space left on device" in command.said
            assert command.said.count("\n") == 0
            (path / "filler").unlink()
            ends_well(path / "run", whole)
        for left in (gate.here, gate.open):
            left.unlink()
        (place / "disk").rmdir()


def disk_is_read_only(place: Path, whole: dict[str, bytes]) -> None:
    """Going on is refused; reading is not."""
    with disk(place) as path:
        gate, run = Gate(place), path / "run"
        command = Command(run, before=gate.close)
        gate.reached()
        command.send(signal.SIGKILL)
        command.end()
        command.err.unlink()
        again = place / "again"
        subprocess.run(["mount", "-o", "remount,ro", str(path)], check=True)
        again.symlink_to(run)
        command = Command(again)
        assert command.end() == 1
        assert "is not writable (Read-only file system); mend that, or copy" in command.said
        assert read_results(run).curve()[1].shape == (2, 4)
        subprocess.run(["mount", "-o", "remount,rw", str(path)], check=True)
        ends_well(run, whole)


FAULTS = (
    sigkill_at_random_moments,
    resume_beside_resume,
    train_beside_train,
    readers_beside_a_writer,
    signals,
    sighup_under_nohup,
    second_ctrl_c_during_a_save,
    ctrl_c_in_compiled_code,
    ctrl_c_in_a_command_that_saves_nothing,
    nobody_listens,
    folder_is_deleted,
    folder_is_moved_and_another_run_begun,
    symbolic_links,
    disk_is_full,
    disk_is_read_only,
)
KILLS = 0

if __name__ == "__main__":
    folder, KILLS = Path(sys.argv[1]), int(sys.argv[2])
    undisturbed = Command(folder / "whole")
    assert undisturbed.end() == 0, undisturbed.said
    whole, came = contents(folder / "whole"), {}
    for fault in FAULTS:
        if sys.argv[3:] and fault.__name__ not in sys.argv[3:]:
            continue
        (folder / fault.__name__).mkdir()
        try:
            came[fault.__name__] = fault(folder / fault.__name__, whole) or ""
        except Skipped as skipped:
            came[fault.__name__] = f"skipped: {skipped}"
        except Exception:
            came[fault.__name__] = f"failed: {traceback.format_exc()}"
    print(json.dumps(came))
