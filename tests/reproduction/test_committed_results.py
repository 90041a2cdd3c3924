"""The committed tables and figures are what the committed raw data make, byte for byte."""

import json
from pathlib import Path

import pytest

from mastac.cli.main import main
from mastac.learning.settings import Settings
from mastac.reproduction.measures import table1_rows
from mastac.reproduction.paper import REPRODUCTIONS, REQUIRED, cells_of
from mastac.reproduction.raw_data import read_raw

COMMITTED = Path(__file__).parents[2] / "reproduction"
RAW, RESULTS = COMMITTED / "laptop", COMMITTED / "results"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("results")
    assert main(["reproduce", "all", "--from", str(RAW), "--out", str(out)]) == 0
    return out


def test_tables_come_out_byte_for_byte(made: Path) -> None:
    committed = sorted(path.name for path in RESULTS.iterdir())
    assert sorted(path.name for path in made.iterdir()) == committed
    for name in committed:
        if Path(name).suffix in (".txt", ".csv", ".tex"):
            assert (made / name).read_bytes() == (RESULTS / name).read_bytes(), name


def test_every_cell_of_the_preset_is_there_with_its_own_configuration() -> None:
    """Raw data whose cell has been changed since is no result of the preset."""
    found = {(cell.env, cell.cell): cell for cell in read_raw(RAW)}
    for cell in cells_of("all", "laptop"):
        config = found.pop((cell.env, cell.name)).config
        assert (config["epochs"], tuple(config["seeds"])) == (cell.epochs, cell.seeds), cell.path
        for name, value in cell.knobs.items():
            stored = config["knobs"].get(
                name, getattr(Settings(), name)
            )  # a knob younger than the data
            assert (list(value) if isinstance(value, tuple) else value) == stored, (
                f"{cell.path}: {name}"
            )
    assert not found


def test_the_rows_of_the_paper_have_all_its_epochs_and_five_seeds() -> None:
    rows = {(row["env"], row["cell"]): row for row in table1_rows(read_raw(RAW))}
    for env, epochs in REPRODUCTIONS["paper"].epochs.items():
        for name in REQUIRED:
            assert rows[env, name]["epochs"] == epochs
            assert rows[env, name]["seeds"] >= 5


def test_raw_data_name_no_place_on_a_machine() -> None:
    for path in RAW.glob("*/*/*.json"):
        assert (
            "/tmp" not in path.read_text()
            and "/home" not in path.read_text()
            and "/work" not in path.read_text()
        )
        json.loads(path.read_text())
