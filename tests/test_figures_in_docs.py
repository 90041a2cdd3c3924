"""Every picture and every table of measured figures in the documents names what makes it."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mastac.cli.main import COMMANDS

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
PICTURE = re.compile(r"\]\(([^)\s]+\.(?:png|svg|gif|jpe?g))\)")
ROW = re.compile(r"^\| `([^`]+)` \| \[[^]]+\]\(([^)]+)\) \| `([^`]+)`", re.MULTILINE)
COMMAND = re.compile(
    r"(?:`|^ {4})(mastac [a-z]|python (?:benchmarks|tools)/|python -m (?:mastac|pytest)|make )",
    re.MULTILINE,
)
FIGURE = re.compile(r"\d\.\d|\d ?±|\d,\d{3}|\d %")


def pictures(document: Path, text: str) -> set[Path]:
    """The pictures that a document shows or links to, from the root of the repository."""
    found = ((document.parent / place).resolve() for place in PICTURE.findall(text))
    return {path.relative_to(ROOT.resolve()) for path in found}


def is_program_of(picture: Path, command: str) -> bool:
    """Whether the command is there and can make the picture."""
    words = command.split()
    if words[0] == "mastac":
        return words[1] in COMMANDS
    program, name = ROOT / words[1], re.compile(rf'"{picture.stem}(\.png)?"')
    return program.is_file() and bool(name.search(program.read_text(encoding="utf-8")))


def is_drawn_by(picture: Path, text: str) -> bool:
    """Whether a page has the command that draws a picture into a folder named as its source."""
    drawn = re.findall(r"mastac graph (\S+)[^`\n]* --draw", text)
    return picture.parent.name in {Path(source).stem for source in drawn}


def unmade_tables(text: str) -> Iterator[str]:
    """Headings of the sections that have a table of three figures or more, and no command."""
    for section in re.split(r"^## ", text, flags=re.MULTILINE):
        for table in re.findall(r"(?:^\|.*\n)+", section, flags=re.MULTILINE):
            cells = [cell for row in table.splitlines()[2:] for cell in row.split("|")]
            if sum(map(bool, map(FIGURE.search, cells))) >= 3 and not COMMAND.search(section):
                yield section.splitlines()[0]


def test_every_picture_has_a_command_that_can_make_it() -> None:
    table = (ROOT / "docs" / "figures.md").read_text(encoding="utf-8")
    rows = {(Path(picture), page): command for picture, page, command in ROW.findall(table)}
    shown = {
        (picture, os.path.relpath(path, ROOT / "docs"))
        for path in DOCUMENTS
        for text in [path.read_text(encoding="utf-8")]
        for picture in pictures(path, text)
        if not is_drawn_by(picture, text)
    }
    assert shown == set(rows), "docs/figures.md and the documents name different pictures"
    for (picture, _), command in rows.items():
        assert (ROOT / picture).is_file(), picture
        assert is_program_of(picture, command), f"{command!r} does not make {picture}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_tables_of_figures_name_their_command(document: Path) -> None:
    unmade = list(unmade_tables(document.read_text(encoding="utf-8")))
    assert not unmade, f"{document.name}: no command makes the figures of {unmade}"


def test_what_nothing_makes_is_found() -> None:
    figures = "| a | b |\n|---|---|\n| 0.5 | 1.5 |\n| 12 % | x |\n"
    assert list(unmade_tables(f"# Page\n\n## Made\n`mastac graph ENV`\n\n{figures}")) == []
    assert list(unmade_tables(f"`mastac graph ENV`\n\n## Unmade\n\n{figures}")) == ["Unmade"]
    page = ROOT / "docs" / "page.md"
    assert pictures(page, "![x](../benchmarks/new.png)") == {Path("benchmarks/new.png")}
    command = "`mastac graph my/net.csv --kappa 2 --draw DIR`"
    assert is_drawn_by(Path("docs/pictures/net/state.png"), command)
    assert not is_drawn_by(Path("docs/pictures/other/state.png"), command)
    assert is_program_of(Path("variance.png"), "python benchmarks/variance.py figure")
    assert not is_program_of(Path("new.png"), "python benchmarks/variance.py figure")
    assert not is_program_of(Path("new.png"), "mastac invent")
