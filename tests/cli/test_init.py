"""`mastac init` writes what works as it stands."""

import subprocess
import sys
from pathlib import Path

import pytest

from cli.without_jax import without_jax
from mastac.cli.init import KINDS
from mastac.cli.main import main


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_passes_its_own_test(kind: str, tmp_path: Path) -> None:
    done = without_jax(["init", "my_tanks", "--kind", kind], tmp_path)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"my_tanks.py", "test_my_tanks.py"}
    commands = [line.strip() for line in done.stdout.splitlines() if line.startswith("    ")]
    assert commands == [
        "python -m pytest test_my_tanks.py  # after: pip install pytest",
        "mastac check my_tanks:env",
        "mastac train my_tanks:env",
    ]
    for path in tmp_path.iterdir():
        text = path.read_text(encoding="utf-8")
        assert "NAME" not in text and "templates" not in text
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_my_tanks.py"]
    tested = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stdout


MISTAKES = {
    "init my-tanks": "'my-tanks' is no name of a Python module; write for example my_tanks",
    "init my_tanks.py": "write for example my_tanks",
    "init class": "write for example my_tanks",
    "init numpy": "there is a module 'numpy' already",
    "init taken": "'taken.py' exists already",
    "init tested": "'test_tested.py' exists already",
    "init new --kind jaks": "did you mean 'jax'",
    "init": "NAME",
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_writes_nothing(mistake: str, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("taken.py", "test_tested.py"):
        (tmp_path / name).write_text("mine")
    assert main(mistake.split()) == 2
    out, err = capsys.readouterr()
    assert out == "" and MISTAKES[mistake] in err and err.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"taken.py", "test_tested.py"}
    assert (tmp_path / "taken.py").read_text() == "mine"
