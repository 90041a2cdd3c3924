"""Pictures in the documentation are there, and a command that stands beside them makes them."""

import importlib.util
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PICTURE = re.compile(r"!\[[^]]*\]\((pictures/[^)/]+/[^)]+)\)")
SHOWN = [
    (page.name, picture)
    for page in sorted(DOCS.glob("*.md"))
    for picture in PICTURE.findall(page.read_text(encoding="utf-8"))
]


def program(name):
    """A program in docs, as a module."""
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pictures():
    """What `docs/pictures.py` draws: command, folder and names."""
    return program("pictures").PICTURES


@pytest.mark.parametrize(("page", "picture"), SHOWN)
def test_a_command_beside_the_picture_makes_it(page, picture, pictures):
    folder, name = str(Path(picture).parent), Path(picture).stem
    command, names = next((c, kept) for c, (where, kept) in pictures.items() if where == folder)
    assert (DOCS / picture).is_file() and name in names
    source = command.split()[1]
    text = (DOCS / page).read_text(encoding="utf-8")
    assert re.search(rf"mastac graph {re.escape(source)}[^`\n]* --draw", text)


def test_no_picture_is_left_over(pictures):
    made = {
        f"{folder}/{name}{ending}"
        for folder, names in pictures.values()
        for name in names
        for ending in (".png", ".svg")
    }
    drawn = [*(DOCS / "pictures").glob("*/*.*"), *(DOCS / "river/pictures").iterdir()]
    there = {str(path.relative_to(DOCS)) for path in drawn} - {"river/pictures/curves.png"}
    assert there == made and len(SHOWN) > 10


def test_the_commands_of_the_films_stand_on_their_page():
    animations = program("animations")
    page = re.sub(r"\\\n *", "", (DOCS / "watching.md").read_text(encoding="utf-8"))
    for command in animations.COMMANDS:
        assert f"    mastac {command}\n" in page
    files = {path.name: path for path in (DOCS / "films").iterdir()}
    assert files.keys() == set(animations.FILMS)
    assert all(f"docs/films/{name}" in animations.COMMANDS[-1] for name in files)
    assert all(0 < path.stat().st_size < 600_000 for path in files.values())
