"""A new user's first minutes: the file and the commands of README give the picture it shows."""

import re
import shlex
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from mastac.cli.main import main

ROOT = Path(__file__).parents[1]
PART = re.search(
    r"^## See your system$(.*?)^## ", (ROOT / "README.md").read_text("utf-8"), re.M | re.S
)


def test_six_agents_are_drawn_by_three_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert PART is not None
    name, table = re.findall(r"This is `([a-z.]+)`|```\n(.*?)```", PART[1], re.S)
    install, *commands = [
        shlex.split(line, comments=True) for line in re.findall(r"^ {4}(\S.*)", PART[1], re.M)
    ]
    assert install == ["pip", "install", "."] and len(commands) == 2
    (tmp_path / name[0]).write_text(table[1])
    monkeypatch.chdir(tmp_path)
    for program, *words in commands:
        assert program == "mastac" and main(words) == 0
    (shown,) = re.findall(r"\]\(docs/(\S+)\)", PART[1])[:1]
    (named,) = re.findall(r"# (\S+) is the picture below", PART[1])
    assert Path(shown).name == Path(named).name
    drawn = matplotlib.image.imread(tmp_path / named)
    wanted = matplotlib.image.imread(ROOT / "docs" / shown)
    assert np.allclose(drawn.shape, wanted.shape, rtol=0.05)
    assert np.mean(drawn[..., :3].min(-1) < 0.9) > 0.02, "an empty picture"
    page = (tmp_path / "river.html").read_text("utf-8")
    agents = {agent for line in table[1].split()[1:] for agent in line.split(",")[:2]}
    assert len(agents) == 6 and all(f'"{agent}"' in page for agent in agents)
