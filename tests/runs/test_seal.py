"""Tables that were cut or edited are no results; what a crash leaves is mended."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mastac import UserError
from mastac.files import append_text, as_csv, write_text
from mastac.runs.folder import RunFolder
from mastac.runs.results import read_results
from mastac.runs.seal import RESULTS, SealedTables, last_sound_epoch

TABLES = ("metrics.csv", "evaluation.csv", "timing.csv")


def written(folder: RunFolder, tables: SealedTables, first: int, last: int) -> None:
    """The rows of one chunk of two seeds."""
    rows = [
        [s, e, 4 * e, e, -1.5 * s - e, 0.25, 1.0, 2.0] for e in range(first, last) for s in (0, 1)
    ]
    tables.append(folder.metrics, rows)
    tables.append(folder.evaluation, [[s, last, -float(last)] for s in (0, 1)])
    tables.append(folder.timing, [[last, 0.5, 100.0, 10.0]])


def noted(folder: RunFolder, tables: SealedTables, epoch: int) -> None:
    """A checkpoint's manifest: all that says what the tables held."""
    manifest = {"epoch": epoch, "files": {}, "tables": tables.seals()}
    (folder.checkpoints / f"{epoch}.json").write_text(json.dumps(manifest))


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run with checkpoints at epochs 4 and 8, and a chunk written after the last one."""
    folder = RunFolder(tmp_path / "run")
    folder.checkpoints.mkdir(parents=True)
    folder.config.write_text(json.dumps({"env": "lq-3", "algorithm": "mastac", "seeds": [0, 1]}))
    tables = SealedTables(folder)
    tables.begin(None)
    for first in (0, 4, 8):
        written(folder, tables, first, first + 4)
        if first < 8:
            noted(folder, tables, first + 4)
    return folder


def resumed(folder: RunFolder, say: Callable[[str], None] = print) -> tuple[int, SealedTables]:
    epoch = last_sound_epoch(folder, say)
    tables = SealedTables(folder)
    seals = json.loads((folder.checkpoints / f"{epoch}.json").read_text())["tables"]
    tables.begin(seals)
    return epoch, tables


def contents(folder: RunFolder) -> list[bytes]:
    return [(folder.path / name).read_bytes() for name in TABLES]


def test_rows_after_the_checkpoint_and_a_cut_line_are_dropped_and_written_again(folder) -> None:
    undisturbed = contents(folder)
    for name in TABLES:
        path = folder.path / name
        path.write_bytes(path.read_bytes()[:-3])
    epoch, tables = resumed(folder)
    assert epoch == 8
    written(folder, tables, 8, 12)
    assert contents(folder) == undisturbed
    noted(folder, tables, 12)
    assert last_sound_epoch(folder, print) == 12, "the digest goes on where it was"


def cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 3])


def edited(path: Path) -> None:
    path.write_text(path.read_text().replace("-", "", 1))


def without_a_row(path: Path) -> None:
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:1] + lines[2:]))


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize(
    ("damage", "words"),
    [(cut, "cut to"), (Path.unlink, "lost"), (without_a_row, "altered")],
)
def test_a_damaged_table_is_refused_by_name(folder, name, damage, words) -> None:
    damage(folder.path / name)
    before = [path.read_bytes() for path in sorted(folder.path.rglob("*.*")) if path.is_file()]
    with pytest.raises(UserError, match=f"{name}' has been {words}.*restore it"):
        last_sound_epoch(folder, print)
    assert before == [
        path.read_bytes() for path in sorted(folder.path.rglob("*.*")) if path.is_file()
    ]


def test_what_an_older_checkpoint_seals_is_computed_again_from_there(folder) -> None:
    lines = folder.metrics.read_text().splitlines(keepends=True)
    folder.metrics.write_text("".join(lines[:12]))
    told: list[str] = []
    epoch, _ = resumed(folder, told.append)
    assert epoch == 4
    assert len(told) == 1
    assert "metrics.csv' has been cut to 11 of 16 rows; what follows epoch 4" in told[0]
    assert [path.name for path in folder.checkpoints.iterdir()] == ["4.json"]
    assert folder.metrics.read_text() == "".join(lines[:9])


def test_a_reader_of_a_run_at_work_sees_whole_chunks(folder) -> None:
    tables = resumed(folder)[1]
    assert read_results(folder.path).curve()[1].shape == (2, 8)
    # One write after the other, the last one of each by bytes: what is seen is what was before.
    whole = [*contents(folder)]
    written(folder, tables, 8, 12)
    after = contents(folder)
    for name, content in zip(TABLES, whole, strict=True):
        (folder.path / name).write_bytes(content)
    for name, content, longer in zip(TABLES, whole, after, strict=True):
        for end in range(len(content), len(longer), 7):
            (folder.path / name).write_bytes(longer[:end])
            run = read_results(folder.path)
            assert run.curve()[1].shape == (2, 8)
            assert run.curve(greedy=True)[0].tolist() == [4, 8]
        (folder.path / name).write_bytes(longer)
    assert read_results(folder.path).curve()[1].shape == (2, 12)


@pytest.mark.parametrize("name", RESULTS)
@pytest.mark.parametrize("damage", [cut, Path.unlink, without_a_row, edited])
def test_tables_of_an_ended_run_are_held_against_their_seal(folder, name, damage) -> None:
    tables = resumed(folder)[1]
    folder.summary.write_text(json.dumps({"epochs": 8, "sealed": tables.seals(RESULTS)}))
    assert read_results(folder.path).is_finished
    damage(folder.path / name)
    with pytest.raises(UserError, match=f"{name}' has been .* since the run ended; restore it"):
        read_results(folder.path)


def test_rows_added_to_an_ended_run_are_noticed(folder) -> None:
    tables = resumed(folder)[1]
    folder.summary.write_text(json.dumps({"epochs": 8, "sealed": tables.seals(RESULTS)}))
    with folder.metrics.open("a") as file:
        file.write(as_csv([[0, 8, 36, 8, 0.0, 0.1, 0.1, 0.1]]))
    with pytest.raises(UserError, match="altered since the run ended"):
        read_results(folder.path)


@pytest.mark.parametrize(
    "seal", [3, {}, {"metrics.csv": {"rows": 1, "bytes": 10**30, "sha256": 0}}]
)
def test_a_damaged_seal_is_no_traceback(folder, seal) -> None:
    folder.summary.write_text(json.dumps({"epochs": 8, "sealed": seal}))
    with pytest.raises(UserError, match=r"has been|is too large"):
        read_results(folder.path)


def test_nothing_is_written_through_a_symbolic_link(folder, tmp_path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    (folder.path / "config.json.partial").symlink_to(precious)
    write_text(folder.config, "{}")
    folder.failures.symlink_to(precious)
    for write in (lambda: append_text(folder.failures, "x"), lambda: folder.keep_failure("x")):
        with pytest.raises((OSError, UserError), match="symbolic link"):
            write()
    with pytest.raises(UserError, match=r"failures.log' is a symbolic link"):
        folder.writing().__enter__()
    assert precious.read_text() == "precious"
    assert folder.config.read_text() == "{}"


def test_what_killed_processes_left_is_removed_and_nothing_else(folder, tmp_path) -> None:
    left = ["checkpoints/12.orbax-checkpoint-tmp", "checkpoints/8.orbax-checkpoint-tmp-1"]
    left += ["checkpoints/10"]
    for name in (*left, "checkpoints/notes"):
        (folder.path / name).mkdir()
        (folder.path / name / "file").touch()
    for name in ("metrics.csv.partial", "checkpoints/10.json.partial"):
        (folder.path / name).touch()
    (folder.checkpoints / "16").symlink_to(folder.checkpoints / "notes")
    folder.tidy()
    assert sorted(path.name for path in folder.checkpoints.iterdir()) == [
        "4.json",
        "8.json",
        "notes",
    ]
    assert (folder.checkpoints / "notes" / "file").exists()
    assert not list(folder.path.glob("*.partial"))
