import json
from pathlib import Path

import numpy as np
import pytest
from raw_folders import write_raw
from run_folders import REFERENCE, rising, write_run

from mastac.errors import UserError
from mastac.reproduction.raw_data import FILES, export_cell, read_raw
from mastac.runs.results import read_results


def run_folder(folder: Path, returns: np.ndarray, failed: dict | None = None) -> Path:
    """A run folder as the reproduction leaves it: epochs in `metrics.csv` count from 0."""
    write_run(folder, returns, reference=REFERENCE)
    seeds, epochs = returns.shape
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "epochs": epochs,
        "seeds": list(range(seeds)),
        "env_options": {},
        "preset": "default",
    }
    (folder / "config.json").write_text(json.dumps(config))
    head, *rows = (folder / "metrics.csv").read_text().splitlines()
    fields = [row.split(",") for row in rows]
    rows = [",".join([seed, str(int(epoch) - 1), *rest]) for seed, epoch, *rest in fields]
    (folder / "metrics.csv").write_text("\n".join([head, *rows]) + "\n")
    summary = json.loads((folder / "summary.json").read_text()) | {"failed": failed or {}}
    (folder / "summary.json").write_text(json.dumps(summary))
    (folder / "timing.csv").write_text(
        "epoch,seconds,env_steps_per_second,updates_per_second\n5,30.5,8,1\n10,1.25,9,9\n"
    )
    return folder


@pytest.mark.parametrize("epochs", [7, 100, 250, 400])
def test_windows_are_means_of_equal_parts_of_the_run(tmp_path: Path, epochs: int) -> None:
    returns = rising(seeds=3, epochs=epochs)
    export_cell(run_folder(tmp_path / "run", returns), tmp_path / "raw" / "warehouse-9" / "mastac")
    (cell,) = read_raw(tmp_path / "raw")
    at, values = cell.curve()
    windows = min(100, epochs)
    parts = np.split(np.arange(epochs), [(k * epochs) // windows for k in range(1, windows)])
    np.testing.assert_array_equal(at, [part[-1] + 1 for part in parts])
    np.testing.assert_allclose(
        values, np.stack([returns[:, part].mean(1) for part in parts], 1), rtol=1e-5
    )
    np.testing.assert_array_equal(cell.results.metrics["env_steps"], np.tile(at * 8, 3))
    np.testing.assert_allclose(
        cell.final20(), returns[:, -round(0.2 * epochs) :].mean(1), rtol=1e-8
    )
    if epochs % 100 == 0:
        np.testing.assert_allclose(values[:, -20:].mean(1), cell.final20(), rtol=1e-5)


def test_what_is_kept_is_what_the_run_had(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", rising(seeds=2, epochs=200))
    export_cell(run, tmp_path / "raw" / "warehouse-9" / "mastac")
    (cell,) = read_raw(tmp_path / "raw")
    stored = read_results(run)
    assert (cell.env, cell.cell, cell.seeds, cell.epochs, cell.env_steps) == (
        "warehouse-9",
        "mastac",
        (0, 1),
        200,
        1600,
    )
    assert cell.seconds == 31.75
    assert cell.timing["first_chunk_seconds"] == 30.5
    assert cell.config == stored.config
    assert cell.reference == REFERENCE
    assert {
        key: value for key, value in cell.summary.items() if key != "final20_by_seed"
    } == stored.summary
    np.testing.assert_array_equal(cell.greedy(), stored.greedy_by_seed())
    np.testing.assert_allclose(cell.curve(greedy=True)[1], stored.curve(greedy=True)[1], rtol=1e-5)


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", rising(seeds=2, epochs=200))
    first, again = (
        tmp_path / "a" / "warehouse-9" / "mastac",
        tmp_path / "b" / "warehouse-9" / "mastac",
    )
    for target in (first, again, again):
        export_cell(run, target)
    assert {path.name for path in first.iterdir()} == set(FILES)
    for name in FILES:
        assert (first / name).read_bytes() == (again / name).read_bytes()
    assert sum((first / name).stat().st_size for name in FILES) < 20_000


def test_a_seed_that_stopped_keeps_what_it_had_and_has_no_final_figure(tmp_path: Path) -> None:
    returns = rising(seeds=3, epochs=200)
    returns[1, 190:] = np.nan
    export_cell(
        run_folder(tmp_path / "run", returns, {"1": {"epoch": 190}}),
        tmp_path / "raw" / "warehouse-9" / "mastac",
    )
    (cell,) = read_raw(tmp_path / "raw")
    np.testing.assert_array_equal(np.isnan(cell.final20()), [False, True, False])
    np.testing.assert_array_equal(np.isnan(cell.greedy()), [False, True, False])
    _, values = cell.curve()
    assert np.isfinite(values[1, :95]).all() and np.isnan(values[1, 95:]).all()


def test_what_has_not_ended_is_not_exported(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", rising(), finished=False)
    with pytest.raises(UserError, match="has not ended"):
        export_cell(folder, tmp_path / "raw" / "warehouse-9" / "mastac")
    assert not (tmp_path / "raw").exists()


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no folder"):
        read_raw(tmp_path / "none")
    with pytest.raises(UserError, match="holds no raw data"):
        read_raw(tmp_path)
    folder = write_raw(tmp_path, "warehouse-9", "mastac", [-1.0, -2.0])
    folder.rename(tmp_path / "warehouse-9" / "other")
    assert [cell.cell for cell in read_raw(tmp_path)] == ["other"]
    (tmp_path / "warehouse-9" / "other" / "curve.csv").unlink()
    with pytest.raises(UserError, match=r"lack curve\.csv"):
        read_raw(tmp_path)
    write_raw(tmp_path / "b", "warehouse-9", "mastac", [-1.0])
    (tmp_path / "b" / "warehouse-9").rename(tmp_path / "b" / "warehouse-40")
    with pytest.raises(UserError, match="are of warehouse-9"):
        read_raw(tmp_path / "b")
