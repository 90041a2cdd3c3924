"""The prepared run for a GPU, in its tiny form on this machine."""

import csv
import importlib
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def part(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return lambda name: importlib.import_module(f"gpu_{name}")


def rows_of(path):
    with path.open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def test_the_tiny_form_times_an_update_and_compares_it(tmp_path):
    command = [sys.executable, BENCHMARKS / "gpu.py", "--tiny", "--out", tmp_path]
    subprocess.run([*command, "--parts", "update", "check", "--seconds", "400"], check=True)
    large, small = rows_of(tmp_path / "gpu-update.csv")
    assert large["message"].startswith("does not fit: ") and not large["update_ms"]
    assert not small["message"]
    assert float(small["update_ms"]) > 0 and float(small["products_ms"]) > 0
    assert float(small["foreseen_gb"]) < float(small["free_gb"])
    compared = rows_of(tmp_path / "gpu-check.csv")
    assert [row["precision"] for row in compared] == ["highest", "default"]
    assert {row["is_equal"] for row in compared} == {"True"}
    assert all(float(row["tflops"]) > 0 for row in rows_of(tmp_path / "gpu-card.csv"))


def test_what_fails_is_a_row_and_the_next_one_is_measured(part, tmp_path):
    rows = part("common").Rows(tmp_path / "some.csv", ("what", "ms"))
    with rows.row(what="first"):
        raise ValueError("no\nmemory")
    with rows.row(what="second") as row:
        row["ms"] = 2.0
    first, second = rows_of(tmp_path / "some.csv")
    assert (first["message"], first["ms"]) == ("ValueError: no memory", "")
    assert (second["message"], second["ms"]) == ("", "2")


def test_kernels_of_a_loop_count_as_often_as_it_runs(part):
    def program(times):
        step = lambda x, _: (jnp.sin(x) @ x, None)  # noqa: E731
        function = jax.jit(lambda x: jax.lax.scan(step, x, None, length=times)[0])
        text = function.lower(jnp.ones((40, 40))).compile().as_text()
        return part("loop").kernels(text)

    four, twelve = program(4), program(12)
    assert four >= 4 * 2  # a sine and a product in every step
    assert twelve - four >= 2 * 8


def test_arrays_that_differ_are_found_by_their_places(part):
    check = part("check")
    expected = {"a": jnp.array([3.0, 4.0]), "b": jnp.array([1.0])}
    found = expected | {"b": jnp.array([1.5])}
    assert check.worst(expected, found) == (0.5, "b")
    error, where = check.worst(expected, expected | {"a": jnp.array([jnp.nan, 4.0])})
    assert where == "a" and error != error


def test_no_cell_is_begun_that_is_known_not_to_end(part, tmp_path):
    cells = part("cells")
    (first, *_, last) = [p for p in cells.places(tmp_path, False) if p.cell.name == "mastac-k2"]
    assert not cells.is_hopeless(first, [], 100.0)  # nothing is known yet
    assert cells.is_hopeless(first, [], cells.STARTING - 1)
    first.folder.path.mkdir(parents=True)
    first.folder.timing.write_text(
        "epoch,env_steps,seconds,env_steps_per_second\n100,800,50,1\n200,1600,10,1\n"
    )
    assert cells.is_hopeless(last, [first], 100.0)
    assert not cells.is_hopeless(last, [first], 1e6)
