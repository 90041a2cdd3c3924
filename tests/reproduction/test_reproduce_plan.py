"""The plan of a reproduction: its cells, what counts as done, estimates, locks, mistakes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mastac import UserError
from mastac.algorithms import ALGORITHMS
from mastac.cli.main import main
from mastac.files import read_json, write_json
from mastac.jobs import tasks
from mastac.reproduction.costs import STORED, measured
from mastac.reproduction.grid import Estimate, Grid, Place, config_of, is_at_work, plan_table
from mastac.reproduction.paper import (
    CELLS,
    ENVS,
    PAPER_TABLE,
    PRODUCTS,
    REPRODUCTIONS,
    REQUIRED,
    cells_of,
)
from mastac.reproduction.reproduce import results_from
from mastac.runs.folder import RunFolder

RAW = Path(__file__).parents[2] / "reproduction" / "laptop"
MISTAKES = {
    # mistake: words that the answer must hold
    "table2": "unknown result 'table2'; did you mean 'table1'?",
    "": "RESULT",
    "table1 --preset laptp": "did you mean 'laptop'?",
    "table1 --only warehouse-8": "did you mean 'warehouse-9'?",
    "figure2 --only warehouse-9 mastac-k2": "unknown environment or cell of figure2 'mastac-k2'",
    "table1 --only warehouse-9 mastac-k8": "leaves nothing of table1",
    "table1 --seeds 3-1": "1-3",
    "table1 --cpus 2": "--ray",
    "table1 --ray local --cpus 0": "cpus is 0",
    "table1 --from {tmp}/none": "none",
    "table1 --from {tmp}": "no raw data",
    "table1 --from {tmp} --preset smoke": "--from trains nothing",
    "table1 --out {tmp}/file": "is a file",
    "table1 --plan --out {tmp}/file": "is a file",
}


def finish(place: Place, failed: dict | None = None) -> None:
    begin(place)
    write_json(place.folder.summary, {"failed": failed or {}})


def begin(place: Place, **changes) -> None:
    place.folder.path.mkdir(parents=True)
    write_json(place.folder.config, config_of(place.cell).to_dict() | changes)


def timing(place: Place, *rows: tuple[int, float]) -> None:
    lines = [
        "epoch,seconds,env_steps_per_second,updates_per_second",
        *(f"{e},{s},1,1" for e, s in rows),
    ]
    place.folder.timing.write_text("\n".join(lines) + "\n")


@pytest.fixture
def grid(tmp_path: Path) -> Grid:
    return Grid(tmp_path / "out", "figure2", "smoke")


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_one_sentence_and_end_with_2(mistake: str, tmp_path: Path, capsys) -> None:
    (tmp_path / "file").touch()
    assert main(["reproduce", *mistake.format(tmp=tmp_path).split()]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and said.startswith("mastac: ")
    assert MISTAKES[mistake] in said


def test_mistakes_and_plans_need_no_jax(tmp_path: Path) -> None:
    code = (
        "import sys; from mastac.cli.main import main; main(sys.argv[1:]); "
        "sys.exit(any(name in sys.modules for name in ('jax', 'ray', 'matplotlib')))"
    )
    for words in ("all --plan", "table1 --only nothing", "table1 --ray local --preset no"):
        command = [
            sys.executable,
            "-c",
            code,
            "reproduce",
            *words.split(),
            "--out",
            str(tmp_path / "out"),
        ]
        assert subprocess.run(command, capture_output=True, check=False).returncode == 0, words
    assert not (tmp_path / "out").exists(), "a plan leaves nothing behind"


def test_the_grid_is_what_the_paper_compares() -> None:
    everything = {cell.path for cell in cells_of("all", "laptop")}
    assert len(everything) == len(cells_of("all", "laptop")), "no cell twice"
    assert everything == {cell.path for what in PRODUCTS for cell in cells_of(what, "laptop")}
    assert {f"{env}/{name}" for name, env in PAPER_TABLE} <= {
        cell.path for cell in cells_of("table1", "paper")
    }
    first = cells_of("table1", "laptop")[: len(REQUIRED) * len(ENVS)]
    assert {cell.path for cell in first} == {f"{env}/{name}" for env in ENVS for name in REQUIRED}
    assert {cell.name for cell in cells_of("figure11", "laptop")} == {
        f"mastac-k{k}" for k in (2, 4, 6, 8)
    }
    assert {info.algorithm for info in CELLS.values()} <= set(ALGORITHMS)
    assert len({info.label for info in CELLS.values()}) == len(CELLS)


@pytest.mark.parametrize("preset", ["smoke", "laptop", "paper"])
def test_every_cell_has_a_configuration_of_its_own(preset: str) -> None:
    cells = cells_of("all", preset)
    configs = [json.dumps(config_of(cell).to_dict()) for cell in cells]
    assert len(set(configs)) == len(configs)
    assert {cell.seeds for cell in cells} == {tuple(range(REPRODUCTIONS[preset].seeds))}


def test_only_keeps_what_is_named() -> None:
    def paths(*only: str) -> list[str]:
        return [cell.path for cell in cells_of("table1", "laptop", only)]

    assert paths("mastac") == [f"{env}/mastac" for env in ENVS]
    assert paths("thermal-40", "mastac", "matd3") == ["thermal-40/mastac", "thermal-40/matd3"]
    assert paths("warehouse-9/matd3") == ["warehouse-9/matd3"]
    assert paths("warehouse-9/matd3", "mastac")[-1] == "warehouse-9/matd3"
    assert cells_of("figure2", "laptop", seeds=[7])[0].seeds == (7,)


def test_a_found_cell_must_be_the_planned_one(grid: Grid) -> None:
    finish(grid.places[0])
    grid.check()
    place = grid.places[1]
    knobs = config_of(place.cell).to_dict()["knobs"]
    for changes, words in (
        ({"versions": {"mastac": "0"}, "git_revision": "x"}, ""),
        ({"epochs": 61}, "was trained with epochs 61, the plan has 60"),
        ({"seeds": [0, 1, 2]}, r"seeds \[0, 1, 2\], the plan has \[0, 1\]"),
        ({"knobs": knobs | {"batch_size": 33}}, "batch_size 33, the plan has 32"),
        ({"knobs": knobs | {"old": 1}}, r"old 1, the plan has \(none\)"),
        (
            {"knobs": {k: v for k, v in knobs.items() if k != "tau"}},
            r"tau \(none\), the plan has 0",
        ),
    ):
        begin(place, **changes)
        if words:
            with pytest.raises(UserError, match=f"cell {place.cell.path} .*{words}.*another --out"):
                grid.check()
        else:
            grid.check()
        place.folder.config.unlink()
        place.folder.path.rmdir()


def test_one_folder_takes_one_preset_whatever_is_asked_for(grid: Grid) -> None:
    begin(grid.places[0])
    with pytest.raises(UserError, match=r"warehouse-9/mastac .* epochs 60, the plan has 3500"):
        Grid(grid.out, "figure11", "laptop").check()


def test_estimates_come_from_the_cell_itself_or_from_its_environment(tmp_path: Path) -> None:
    grid = Grid(tmp_path, "figure2", "laptop")
    done, half, untouched = grid.places
    assert Estimate(grid.places).total() == (0, 3)
    assert "not known" in Estimate(grid.places).line()
    finish(done)
    timing(done, (1750, 200.0), (3500, 20.0))  # the first chunk compiles
    begin(half)
    timing(half, (70, 99.0), (140, 140.0), (210, 140.0))
    estimate = Estimate(grid.places)
    assert estimate.remaining(done) == 0
    assert estimate.remaining(half) == pytest.approx((3500 - 210) * 2.0)
    # Of the third it is known what it costs beside these two, and compiling takes as long as it did
    # there on the average.
    each = read_json(STORED)
    of_done, of_half, of_third = (each[place.cell.path] for place in grid.places)
    whole = of_third * (3500 * 220 / 3500 / of_done + 3500 * 2.0 / of_half) / 2
    compiling = (200 - 1750 * 220 / 3500 + 0) / 2
    assert estimate.remaining(untouched) == pytest.approx(whole + compiling)
    text = plan_table(grid.places)
    assert "1 of 3 cells are done" in text and "done" in text and "6%" in text and "3:40" in text


def test_one_cell_that_was_timed_says_what_all_others_cost(tmp_path: Path) -> None:
    grid = Grid(tmp_path, "table1", "laptop")
    first = grid.places[0]
    begin(first)
    timing(first, (100, 50.0), (200, 20.0), (300, 20.0))
    estimate = Estimate(grid.places)
    assert estimate.remaining(first) == pytest.approx((first.cell.epochs - 300) * 0.2)
    assert estimate.total()[1] == 0
    each, place = read_json(STORED), grid.places[-1]
    shares = [each[p.cell.path] * p.cell.epochs * len(p.cell.seeds) for p in (place, first)]
    whole = shares[0] / shares[1] * first.cell.epochs * 0.2
    assert place.cell.env != first.cell.env
    assert estimate.remaining(place) == pytest.approx(whole + 30)  # and 30 s to compile it


def test_costs_are_those_of_the_committed_raw_data() -> None:
    assert read_json(STORED) == measured(RAW)


def test_a_cell_whose_seeds_all_failed_is_a_result(grid: Grid) -> None:
    finish(grid.places[0], {"0": {}, "1": {}})
    assert grid.places[0].is_finished
    assert "done, 2 of 2 seeds stopped" in plan_table(grid.places)


def test_a_lock_has_one_holder_and_goes_with_it(grid: Grid) -> None:
    place = grid.places[0]
    assert not is_at_work(place.job)
    with place.job.claimed() as mine:
        assert mine and is_at_work(place.job)
        with place.job.claimed() as other:
            assert not other
        assert "at work" in plan_table(grid.places)
    assert not is_at_work(place.job)


def test_a_half_begun_folder_is_begun_anew_but_nobody_elses_is(grid: Grid, monkeypatch) -> None:
    begun = []
    monkeypatch.setattr(
        "mastac.jobs.training.train", lambda env, **options: begun.append(options["out"])
    )
    place = grid.places[0]
    (place.folder.path / "checkpoints").mkdir(parents=True)
    place.job.work(False)
    assert begun == [place.folder.path] and not place.folder.path.exists()
    (place.folder.path / "letters").mkdir(parents=True)
    with pytest.raises(UserError, match="letters"):
        place.job.work(False)
    assert (place.folder.path / "letters").exists()


def test_runs_travel_whole_and_without_checkpoints(grid: Grid, tmp_path: Path) -> None:
    finish(grid.places[0])
    source, target = grid.places[0].folder, RunFolder(tmp_path / "target")
    (source.path / "policies").mkdir()
    (source.path / "policies" / "seed-0.npz").write_bytes(b"\0\1")
    (source.path / "checkpoints" / "5").mkdir(parents=True)
    (source.path / "checkpoints" / "5" / "large").write_bytes(b"x")
    target.checkpoints.mkdir(parents=True)
    (target.checkpoints / "3.json").touch()
    tasks.unpack(tasks.packed(source.path), target.path)
    assert {path.name for path in target.path.rglob("*") if path.is_file()} == {
        "config.json",
        "summary.json",
        "seed-0.npz",
    }
    assert (target.policies / "seed-0.npz").read_bytes() == b"\0\1"
    assert not (tmp_path / "target.arriving").exists()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="threads cannot be bound here")
def test_cells_beside_each_other_keep_to_their_own_cores(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    before = os.sched_getaffinity(0)
    with tasks.own_cores(1) as first:
        assert len(first) == 1 and os.sched_getaffinity(0) == first
        os.sched_setaffinity(0, before)
        with tasks.own_cores(len(before)) as too_many:
            assert too_many == set() and os.sched_getaffinity(0) == before
        if len(before) > 1:
            with tasks.own_cores(1) as second:
                assert not first & second
    assert os.sched_getaffinity(0) == before


def test_a_folder_is_shared_if_the_token_is_seen(tmp_path: Path) -> None:
    assert not tasks.is_shared(tmp_path, "a")
    (tmp_path / tasks.TOKEN).write_text("a")
    assert tasks.is_shared(tmp_path, "a") and not tasks.is_shared(tmp_path, "b")


def test_ray_is_optional(monkeypatch, capsys) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["reproduce", "table1", "--ray", "local"]) == 2
    assert "pip install 'mastac[ray]'" in capsys.readouterr().err


def test_all_is_what_there_is_something_to_compare_of(monkeypatch, tmp_path: Path) -> None:
    asked = []
    monkeypatch.setattr(
        "mastac.reproduction.tables.write_table1", lambda raw, out: asked.append("table1") or []
    )
    monkeypatch.setattr(
        "mastac.reproduction.figures.write_figure", lambda name, raw, out: asked.append(name) or []
    )
    for name in ("mastac", "mastac-k2", "mastac-k4"):
        (tmp_path / "warehouse-40" / name).mkdir(parents=True)
        (tmp_path / "warehouse-40" / name / "summary.json").touch()
    assert results_from(tmp_path, "all", tmp_path) == []
    assert asked == ["table1", "figure1", "figure11"], "of figure2 there is but one curve"
    results_from(tmp_path, "figure2", tmp_path)
    assert asked[3:] == ["figure2"]
