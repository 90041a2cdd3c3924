"""The tutorial's files and commands give the output that it quotes; only training is too long."""

import contextlib
import io
import re
import shutil
import sys
from pathlib import Path

import pytest

from mastac.cli.main import main

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "tutorial.md").read_text(encoding="utf-8")


def commands(name: str) -> list[list[str]]:
    """The commands of that name that stand in the page, as words."""
    return [
        line.split(" #")[0].split()
        for line in re.findall(rf"^ {{4}}mastac ({name} .*)", PAGE, re.M)
    ]


def output(words: list[str]) -> str:
    """What a command prints."""
    with contextlib.redirect_stdout(io.StringIO()) as text:
        assert main(words) == 0
    return text.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory):
    """A folder with the two files of the tutorial, as the working directory."""
    place = tmp_path_factory.mktemp("tutorial")
    for file in ("river.csv", "river.py"):
        shutil.copy(DOCS / "river" / file, place)
    with contextlib.chdir(place), pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(place)
        yield place
    sys.modules.pop("river", None)


def test_the_files_are_as_quoted() -> None:
    blocks = re.findall(r"```(?:python)?\n(.*?)```", PAGE, re.S)
    for file in ("river.csv", "river.py"):
        assert (DOCS / "river" / file).read_text(encoding="utf-8") in blocks, file


def test_the_structure_is_as_quoted(folder: Path) -> None:
    table = re.search(r"```\n(What each kappa costs.*?)```", PAGE, re.S)
    assert table is not None
    plain, *others = commands("graph")
    (why,) = (words for words in others if "--why" in words)
    assert table[1].strip() in output(plain)
    assert "in all from kappa = 4 on" in " ".join(output(why).split())


def test_the_graphs_are_right(folder: Path) -> None:
    sentence = "The declared graphs are those of the simulator, as far as these points show."
    (words,) = commands("check")
    assert sentence in PAGE and sentence in output([*words, "--points", "16"])
