"""What README and docs name is there after an installation, in an empty folder."""

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mastac.cli.main import COMMANDS, build_parser

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
READERS = {"module", "my_module", "my_package.my_module", "my_tanks", "platoon", "river", "tanks"}
"""Modules that the reader is to write."""
OUTSIDE = "mastac.examples.outside."
"""Modules that need packages of extras; `examples/test_outside.py` tests them."""

RESOLVE = """
import importlib, sys
import mastac
from mastac.envs.naming import environment_from
print(mastac.__file__)
for place in sys.argv[1:]:
    if ":" in place:
        environment_from(place)
    else:
        name = place.removeprefix("mastac.").split(".")[0]
        hasattr(mastac, name) or importlib.import_module(f"mastac.{name}")
"""
INIT = """
import sys
from mastac.cli.main import main
sys.exit(main(["init", "my_tanks"]) or main(["graph", "my_tanks:env"]))
"""


def texts() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in DOCUMENTS)


def commands() -> Iterator[tuple[str, list[str]]]:
    """Each command that stands in code, with its options; lines may go on after a backslash."""
    joined = re.sub(r"\\\n\s*", " ", texts())
    lines = re.findall(r"^ {4}(mastac .*)", joined, flags=re.MULTILINE)
    lines += [" ".join(code.split()) for code in re.findall(r"`(mastac [^`]*)`", joined)]
    for line in lines:
        name = re.match(r"mastac ([a-z][a-z-]*)", line)
        if name is not None:
            yield name[1], re.findall(r"(?<=\s)--[a-z-]+", line.split(" #")[0])


def test_commands_and_their_options_exist() -> None:
    _, parsers = build_parser()
    named = set()
    for name, options in commands():
        assert name in COMMANDS, f"a document names the command 'mastac {name}'"
        known = {option for action in parsers[name]._actions for option in action.option_strings}
        assert set(options) <= known, f"a document names options of 'mastac {name}'"
        named.add(name)
    assert named == set(COMMANDS)


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The content of the wheel."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    words = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    subprocess.run([*words, "--directory", str(folder)], cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as content:
        content.extractall(folder / "site")
    return folder / "site"


def run(code: str, *words: str, installed: Path, folder: Path) -> str:
    """The output of Python code that sees the installed package, in an empty folder."""
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_holds_the_whole_package(installed: Path) -> None:
    def files(place: Path) -> set[Path]:
        found = (path.relative_to(place) for path in (place / "mastac").rglob("*"))
        return {path for path in found if path.suffix and "__pycache__" not in path.parts}

    assert files(installed) == files(ROOT / "src")


def test_names_in_documents_are_in_the_wheel(installed: Path, tmp_path: Path) -> None:
    places = set(
        re.findall(r"(?<![\w./:-])([a-z_]\w*(?:\.[a-z_]\w*)*:[a-z_]\w*)(?![\w:])", texts())
    )
    ours = {p for p in places if p.split(":")[0] not in READERS and not p.startswith(OUTSIDE)}
    assert ours and all(place.startswith("mastac.") for place in ours), ours
    blocks = re.findall(r"```python\n(.*?)```", texts(), flags=re.DOTALL)
    names = set(re.findall(r"\b(mastac\.[A-Za-z]\w*)", "\n".join(blocks)))
    output = run(RESOLVE, *ours, *names, installed=installed, folder=tmp_path)
    assert output.startswith(str(installed))


def test_a_page_is_written_by_the_wheel(installed: Path, tmp_path: Path) -> None:
    code = "import sys; from mastac.cli.main import main; sys.exit(main(sys.argv[1:]))"
    words = ("graph", "lq-3", "--html", "page.html")
    run(code, *words, installed=installed, folder=tmp_path)
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "cytoscape" in text and "The Cytoscape Consortium" in text
    assert list(installed.glob("mastac-*.dist-info/licenses/**/cytoscape.LICENSE.txt"))


def test_a_first_environment_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    output = run(INIT, installed=installed, folder=tmp_path)
    assert "mastac train my_tanks:env" in output and "4 agents" in output
