"""README and the page on simulators outside JAX do what they say."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
SHORT = "epochs=5, actor_hidden=[4], critic_hidden=[4], batch_size=4, progress=False"


def test_from_a_simulator_to_a_controller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page, readme = (
        (ROOT / name).read_text(encoding="utf-8")
        for name in ("docs/host-simulators.md", "README.md")
    )
    simulator, training = re.findall(r"```python\n(.*?)```", page, flags=re.S)[:2]
    assert training in re.findall(r"```python\n(.*?)```", readme, flags=re.S)
    assert len(training.splitlines()) <= 10
    (tmp_path / "tanks.py").write_text(simulator)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert "epochs=400, workers=2" in training
    try:
        exec(training.replace("epochs=400, workers=2", SHORT), {})
    finally:
        sys.modules.pop("tanks", None)
    actions = capsys.readouterr().out.splitlines()[-1]
    assert all(0 <= float(number) <= 2 for number in re.findall(r"array\(\[([\d.e+-]+)\]", actions))
    assert "'lower': array" in actions
    assert (tmp_path / "runs" / "tanks" / "summary.json").is_file()
    with np.load(tmp_path / "controllers" / "lower.npz") as controller:
        assert controller.files
