"""Examples run, and the documents that quote them quote what runs."""

import re
from pathlib import Path

import numpy as np
import pytest

import mastac
from mastac.examples import tanks

ROOT = Path(__file__).parents[1]
SMALL = {"actor_hidden": [8], "critic_hidden": [8], "batch_size": 32, "progress": False}


def test_an_environment_of_ones_own_trains_and_acts(tmp_path: Path) -> None:
    env = tanks.env
    assert mastac.value_dependency(env.couplings).members("lower") == ("upper", "middle", "lower")
    mastac.train(env, kappa=None, epochs=4, seeds=[0, 1], out=tmp_path / "tanks", **SMALL)
    run = mastac.load(tmp_path / "tanks")
    assert np.isfinite(run.summary["greedy_mean"])
    actions = run.policy(seed=1).act({"upper": [0.2], "middle": [1.0], "lower": [1.3]})
    assert list(actions) == ["upper", "middle", "lower"]
    assert all(-1 <= float(action[0]) <= 1 for action in actions.values())
    with pytest.raises(mastac.UserError, match="pass it from Python"):
        run.evaluate(episodes=2)


@pytest.mark.parametrize("document", ["README.md", "docs/own-environment.md"])
def test_documents_quote_the_example_as_it_is(document: str) -> None:
    blocks = re.findall(
        r"```python\n(.*?)```", (ROOT / document).read_text(encoding="utf-8"), flags=re.DOTALL
    )
    source = Path(tanks.__file__).read_text(encoding="utf-8")
    assert any("mastac.Environment(" in block and block in source for block in blocks)
    for block in blocks:
        compile(block, document, "exec")


@pytest.mark.parametrize(
    "document", sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]), ids=lambda path: path.name
)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8")):
        assert (document.parent / target).exists(), f"{document.name} links to {target}"
