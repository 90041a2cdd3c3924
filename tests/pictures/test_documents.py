"""Pictures in the documentation are there, and a command that stands beside them makes them."""

import importlib.util
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
SHOWN = [
    (page.name, picture)
    for page in sorted(DOCS.glob("*.md"))
    for picture in re.findall(r"!\[[^]]*\]\((pictures/[^)]*)\)", page.read_text(encoding="utf-8"))
]


@pytest.fixture(scope="module")
def pictures():
    """What `docs/pictures.py` draws: command, folder and names."""
    spec = importlib.util.spec_from_file_location("pictures", DOCS / "pictures.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.PICTURES


@pytest.mark.parametrize(("page", "picture"), SHOWN)
def test_a_command_beside_the_picture_makes_it(page, picture, pictures):
    folder, name = Path(picture).parts[1:]
    command, names = next((c, kept) for c, (where, kept) in pictures.items() if where == folder)
    assert (DOCS / picture).is_file() and Path(name).stem in names
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
    there = {
        f"{path.parent.name}/{path.name}"
        for path in (DOCS / "pictures").rglob("*.*")
        if path.parent.name != "pictures"
    }
    assert there == made and len(SHOWN) > 10
