"""Tuning on a Ray cluster, in a process of its own: see `on_a_cluster.py`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import mastac
from mastac.files import read_json

SCRIPT = Path(__file__).with_name("on_a_cluster.py")
EPOCHS, INTERVAL = 40_000, 2_000


@pytest.mark.slow
def test_trials_side_by_side_are_interrupted_gone_on_with_and_stopped_early(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    words = ["lq-3", "--algorithm", "zeroth-order", "--seeds", "3", "--env-set", "horizon=4"]
    words += ["--epochs", str(EPOCHS), "--evaluation-interval", str(INTERVAL)]
    words += ["--set", "actor_hidden=[4]", "--set", "rollout_steps=8"]
    words += ["--knobs", "actor_lr", "--trials", "2", "--fresh-seeds", "0"]
    command = [sys.executable, str(SCRIPT), str(tmp_path), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])

    assert said["codes"] == [130, 0], said
    assert "stopped; go on with the same command" in said["said"][0]
    assert all(0 < rows < EPOCHS for rows in said["rows"]), "stopped in the middle, and saved"
    found = read_json(tmp_path / "real" / "best.json")
    assert [trial["state"] for trial in found["trials"]] == ["finished"] * 2
    # A trial is the run that it would have been alone, without a stop.
    path = tmp_path / "real" / "trials" / "1"
    alone = mastac.train(
        *("lq-3", "zeroth-order"),
        seeds=3,
        env_options={"horizon": 4},
        epochs=EPOCHS,
        evaluation_interval=INTERVAL,
        actor_hidden=(4,),
        rollout_steps=8,
        out=tmp_path / "alone",
        progress=False,
        **found["trials"][1]["knobs"],
    )
    for name in ("metrics.csv", "evaluation.csv"):
        assert (path / name).read_bytes() == (alone.path / name).read_bytes()

    states = said["states"]
    assert states[0] == "finished" and "stopped early" in states
    assert set(states) == {"finished", "stopped early"}
