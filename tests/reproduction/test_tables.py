import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from raw_folders import write_raw

from mastac.errors import UserError
from mastac.reproduction.measures import efficiency_rows, table1_rows
from mastac.reproduction.raw_data import read_raw
from mastac.reproduction.table_text import efficiency_text, table1_text
from mastac.reproduction.tables import efficiency_csv, table1_csv, table1_latex, write_table1


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A half-done grid: two environments, a cell cut short, one with a stopped seed."""
    folder = tmp_path / "raw"
    write_raw(folder, "warehouse-9", "mastac-k2", [-0.5, -0.4, -0.6, -0.5, -0.3], rate=0.05)
    write_raw(folder, "warehouse-9", "mastac", [-0.4, -0.3, -0.5, -0.4, -0.3], rate=0.1)
    write_raw(folder, "warehouse-9", "maddpg", [-4.0, -4.2, -3.8, -4.1, None], seconds=8000.0)
    write_raw(
        folder, "warehouse-9", "qdcg-centralised", [-2.0, -2.2, -2.1, -2.3, -2.4], epochs=1050
    )
    write_raw(folder, "thermal-40", "mastac-k2", [-150.0, -149.0, -151.0], start=-3000.0, rate=0.05)
    write_raw(
        folder, "thermal-40", "maddpg", [-1312.0, -1200.0, -1100.0], start=-3000.0, seconds=None
    )
    return folder


def test_rows_hold_what_the_seeds_say(raw: Path) -> None:
    rows = {(row["env"], row["cell"]): row for row in table1_rows(read_raw(raw))}
    ours, maddpg = rows["warehouse-9", "mastac-k2"], rows["warehouse-9", "maddpg"]
    assert ours["greedy_mean"] == pytest.approx(-0.46)
    assert ours["greedy_std"] == pytest.approx(np.std([0.5, 0.4, 0.6, 0.5, 0.3]))
    assert ours["iqm"] == pytest.approx(-(0.5 + 0.4 + 0.5) / 3)
    assert ours["score"] == pytest.approx((9.14 - 0.46) / 9.14)
    assert (ours["paper_mean"], ours["paper_std"]) == (-0.356, 0.26)
    assert ours["improvement"] is None, "nobody improves on himself"
    assert rows["warehouse-9", "mastac"]["improvement"] == pytest.approx(7 / 25)
    assert (maddpg["improvement"], maddpg["improvement_low"], maddpg["improvement_high"]) == (
        1.0,
        1.0,
        1.0,
    )
    assert (maddpg["seeds"], maddpg["stopped"]) == (5, 1)
    assert maddpg["greedy_mean"] == pytest.approx(-(4.0 + 4.2 + 3.8 + 4.1) / 4)
    assert maddpg["epochs_to_good"] is None
    assert 0 < ours["epochs_to_good"] < rows["warehouse-9", "mastac"]["epochs_to_good"]
    assert ours["env_steps_to_good"] == 8 * ours["epochs_to_good"]
    assert rows["warehouse-9", "qdcg-centralised"]["share"] == pytest.approx(0.3)
    assert not rows["warehouse-9", "facmac"]["run"]
    assert rows["warehouse-9", "facmac"]["paper_mean"] == -1.266


def test_epochs_to_a_score_are_those_of_the_smoothed_mean(raw: Path) -> None:
    cells = {(cell.env, cell.cell): cell for cell in read_raw(raw)}
    at, values = cells["warehouse-9", "mastac"].curve(greedy=True)
    mean = values.mean(0)
    first = next(k for k in range(2, len(at)) if mean[k - 2 : k + 1].mean() >= -0.914)
    rows = {(row["env"], row["cell"]): row for row in table1_rows(list(cells.values()))}
    assert rows["warehouse-9", "mastac"]["epochs_to_good"] == at[first]


def test_a_row_that_was_cut_short_meets_ours_after_as_many_steps(tmp_path: Path) -> None:
    """At the end every seed of ours is better; when the other one ended, none was."""
    write_raw(tmp_path, "warehouse-9", "mastac-k2", [-0.5, -0.4, -0.6, -0.5, -0.3], rate=0.5)
    write_raw(tmp_path, "warehouse-9", "maddpg", [-2.0, -2.2, -2.1, -2.3, -2.4])
    short = write_raw(tmp_path, "warehouse-9", "matd3", [-2.0, -2.2, -2.1, -2.3, -2.4], epochs=350)
    rows = {row["cell"]: row for row in table1_rows(read_raw(tmp_path))}
    assert rows["maddpg"]["improvement"] == 1.0
    assert rows["matd3"]["improvement"] == 0.0
    assert rows["matd3"]["improvement_high"] == 0.0
    config = json.loads((short / "config.json").read_text())
    (short / "config.json").write_text(
        json.dumps(config | {"epochs": 10})
    )  # before the first evaluation
    early = next(row for row in table1_rows(read_raw(tmp_path)) if row["cell"] == "matd3")
    assert early["improvement"] is None


def test_text_has_a_line_for_each_cell_and_says_what_is_missing(raw: Path) -> None:
    text = table1_text(read_raw(raw))
    lines = text.splitlines()
    assert max(map(len, lines)) <= 150
    assert "nan" not in text.lower() and "None" not in text and "inf" not in text
    assert "warehouse-40: not run" in lines
    facmac = next(line for line in lines if line.startswith("FACMAC "))
    assert facmac.split()[1:] == ["-1.266", "±", "0.66", "not", "run"]
    assert (
        next(line for line in lines if line.startswith("MADDPG (team)")).count("(1 stopped)") == 1
    )
    cut = [line for line in lines if line.startswith("QDCG (centralised) †")]
    assert len(cut) == 2
    assert "1,050 (30 %)" in cut[1]
    assert "† cut short: fewer than the paper's 3,500 epochs (share in parentheses)" in lines
    assert sum(line.startswith("†") for line in lines) == 1
    assert "2.2 h" in text and "10 min" in text
    assert any(line.startswith("simple policy") and "-9.14" in line for line in lines)


def test_csv_says_the_same_in_plain_numbers(raw: Path) -> None:
    cells = read_raw(raw)
    found = list(csv.DictReader(io.StringIO(table1_csv(cells))))
    expected = table1_rows(cells)
    assert [(row["env"], row["cell"]) for row in found] == [
        (row["env"], row["cell"]) for row in expected
    ]
    for text, row in zip(found, expected, strict=True):
        assert text["run"] == ("yes" if row["run"] else "no")
        for name, value in row.items():
            if isinstance(value, float):
                assert float(text[name]) == pytest.approx(value, rel=1e-8)
            elif value is None:
                assert text[name] == ""
        assert float(text["bound"]) == {"warehouse-9": 0.0, "thermal-40": -145.41}[row["env"]]


def test_latex_puts_the_best_in_bold_and_marks_what_is_cut_short(raw: Path) -> None:
    text = table1_latex(read_raw(raw))
    rows = {line.split(" & ")[0]: line for line in text.splitlines() if line.endswith("\\\\")}
    columns = rows["MAStAC (exact)"].removesuffix(" \\\\").split(" & ")
    assert len(columns) == 5
    assert columns[1] == "$\\mathbf{-0.35 \\pm 0.26}$", "the paper's best"
    assert columns[2].startswith("$\\mathbf{-"), "ours"
    assert columns[3] == "$\\mathbf{-160.86 \\pm 5.41}$"
    assert columns[4] == "not run"
    assert text.count("\\mathbf") == 4
    assert rows["QDCG (centralised)"].count("$^\\dagger$") == 1
    assert "QDCG (centralised) on warehouse-9: 1,050 (30\\,\\%)" in text
    assert "-1{,}311.87 \\pm 542.13" in rows["MADDPG (team)"]
    assert "MAStAC $\\kappa$=2" in rows and "undecomposed $\\hat{Q}$" in rows
    assert text.count("{") == text.count("}")


def test_efficiency_is_against_what_mastac_reaches(raw: Path) -> None:
    rows = {
        (row["env"], row["target_cell"], row["cell"]): row for row in efficiency_rows(read_raw(raw))
    }
    own = rows["warehouse-9", "mastac-k2", "mastac-k2"]
    assert own["target"] == pytest.approx(-0.46 - 0.0914)
    assert own["ratio"] == 1.0
    exact = rows["warehouse-9", "mastac-k2", "mastac"]
    assert exact["ratio"] == pytest.approx(exact["epochs"] / own["epochs"])
    assert exact["ratio"] > 1.2
    never = rows["warehouse-9", "mastac-k2", "maddpg"]
    assert never["epochs"] is None
    assert never["by_seed"] == {0: None, 1: None, 2: None, 3: None, 4: None}
    assert ("thermal-40", "mastac", "maddpg") not in rows, "the exact version was not run there"
    text, table = efficiency_text(read_raw(raw)), efficiency_csv(read_raw(raw))
    assert "not reached" in text and "0 of 5" in text
    seeds = [row for row in csv.DictReader(io.StringIO(table)) if row["seed"] != "mean"]
    assert len(seeds) == 2 * (5 + 5 + 5 + 5) + 2 * 3


def test_files_are_the_same_byte_for_byte(raw: Path, tmp_path: Path) -> None:
    first, again = write_table1(raw, tmp_path / "a"), write_table1(raw, tmp_path / "b")
    names = [
        "table1.txt",
        "table1.csv",
        "table1.tex",
        "sample_efficiency.txt",
        "sample_efficiency.csv",
    ]
    assert [path.name for path in first] == [
        *names,
        "sample_efficiency.png",
        "sample_efficiency.svg",
    ]
    for one, other in zip(first, again, strict=True):
        assert one.read_bytes() == other.read_bytes()
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        write_table1(raw, tmp_path / "file" / "x")


@pytest.mark.parametrize(
    ("what", "config"),
    [("env_options", {"env_options": {"supply": "primes"}}), ("preset", {"preset": "paper"})],
)
def test_different_configurations_are_not_mixed(raw: Path, what: str, config: dict) -> None:
    write_raw(raw, "warehouse-9", "matd3", [-1.0, -2.0], config=config)
    with pytest.raises(UserError, match=f"warehouse-9: 'mastac-k2' and 'matd3' differ in {what}"):
        table1_text(read_raw(raw))


def test_one_cell_alone_is_a_table(tmp_path: Path) -> None:
    write_raw(tmp_path, "warehouse-40", "maddpg", [-18.0])
    cells = read_raw(tmp_path)
    assert "1 seed, preset default" in table1_text(cells)
    assert efficiency_rows(cells) == []
    assert efficiency_csv(cells).startswith("seed")
    assert "MADDPG" in table1_latex(cells)
    names = ["table1.txt", "table1.csv", "table1.tex"]
    assert [path.name for path in write_table1(tmp_path, tmp_path / "out")] == names
