"""Folders and files that tests of the command line share."""

import json
from pathlib import Path

import pytest
from run_folders import REFERENCE, rising, write_run


@pytest.fixture
def places(tmp_path: Path) -> dict[str, str]:
    """Folders and files that mistakes name."""
    write_run(tmp_path / "run", rising(epochs=5), reference=REFERENCE, kappa=2)
    write_run(tmp_path / "other", rising(epochs=5), env="lq-8")
    (tmp_path / "file").write_text("")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("")
    (tmp_path / "broken.json").write_text('{"agents": ["a", ')
    graphs = {"agents": ["a", "b"], "state": [["a", "b"]], "observation": [], "reward": []}
    (tmp_path / "couplings.json").write_text(json.dumps(graphs))
    (tmp_path / "stranger.json").write_text(json.dumps(graphs | {"state": [["a", "c"]]}))
    names = ("run", "other", "file", "full")
    files = {"broken": "broken.json", "couplings": "couplings.json", "stranger": "stranger.json"}
    return {name: str(tmp_path / files.get(name, name)) for name in (*names, *files)} | {
        "tmp": str(tmp_path)
    }
