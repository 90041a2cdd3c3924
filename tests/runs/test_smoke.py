"""The smoke preset from end to end: every kind of learner is trained, and every result written."""

import subprocess
import sys
from pathlib import Path

import pytest

from mastac.reproduction.paper import CELLS, cells_of

FILES = {
    f"{name}.{suffix}"
    for name in ("figure1", "figure2", "figure11", "sample_efficiency")
    for suffix in ("png", "svg")
}
FILES |= {
    "table1.txt",
    "table1.csv",
    "table1.tex",
    "sample_efficiency.txt",
    "sample_efficiency.csv",
}


def reproduce(out: Path) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "mastac",
        "reproduce",
        "all",
        "--preset",
        "smoke",
        "--out",
        str(out),
    ]
    return subprocess.run(command, capture_output=True, text=True, check=True)


@pytest.mark.slow
def test_smoke_preset(tmp_path: Path) -> None:
    out = tmp_path / "smoke"
    done = reproduce(out)
    cells = cells_of("all", "smoke")
    assert {
        path.name for path in out.iterdir() if path.is_file() and path.suffix != ".lock"
    } == FILES
    first = {name: (out / name).read_bytes() for name in FILES}
    table = first["table1.txt"].decode()
    for cell in cells:
        assert CELLS[cell.name].label in table
        assert (out / "cells" / cell.env / cell.name / "summary.json").is_file()
    assert f"all {len(cells)} cells are done" in done.stderr
    # What is done is not trained again, and the same raw data give the same files.
    again = reproduce(out)
    assert "compiling" in done.stderr and "compiling" not in again.stderr
    assert {name: (out / name).read_bytes() for name in FILES} == first
