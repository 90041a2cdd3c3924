"""`mastac tune` on a Ray cluster of two cores: interrupted, gone on with, and with pruning.

A program of its own because Ray leaves files open, which is an error in our tests. What it finds
is printed as JSON.
"""

import json
import math
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mastac.jobs import Job
from mastac.runs.progress import Report
from mastac.tuning import search
from mastac.tuning.trials import Trainer


@dataclass(frozen=True)
class SlowJob(Job):
    """A training that takes a moment, whose returns are a function of the knobs."""

    knobs: Mapping[str, Any]

    @property
    def is_done(self) -> bool:
        return (self.path / "returns").exists()

    def work(self, progress: Any) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        value = -abs(math.log10(self.knobs.get("actor_lr", 1e-3)) + 3)  # the preset is best
        for epoch in range(1, 11):
            progress(Report(epoch, 10, epoch, value, value, None, 1.0, None))
            time.sleep(0.3)
        np.savetxt(self.path / "returns", [value])


class SlowTrainer(Trainer):
    """A trainer of such."""

    def job(self, name: str, path: Path, knobs: Mapping[str, Any], **changed: Any) -> Job:
        return SlowJob(name, path, knobs)

    def returns(self, path: Path) -> np.ndarray:
        return np.loadtxt(path / "returns", ndmin=1)

    def command(self, path: Path) -> str:
        return path.name


def pruned(address: str, out: Path) -> dict[str, Any]:
    """A search whose trials fall behind."""
    search.Trainer = SlowTrainer
    asked: dict[str, Any] = {"knobs": ["actor_lr"], "epochs": 10, "fresh_seeds": 0}
    found = search.tune("lq-3", out=out, trials=6, ray=address, progress=False, **asked)
    more = search.tune("lq-3", out=out, trials=7, ray=address, progress=False, **asked)
    assert list(more.trials[:6]) == list(found.trials)
    return {"states": [trial.state for trial in more.trials]}


def rows_of(run: Path) -> int:
    """How many epochs are in the table of a run."""
    path = run / "metrics.csv"
    return max(0, len(path.read_text().splitlines()) - 1) if path.exists() else 0


def interrupted(words: list[str], out: Path) -> dict[str, Any]:
    """A search that Ctrl-C stops while two trials are at work, and then goes on."""
    command = [sys.executable, "-m", "mastac", "tune", *words, "--out", str(out)]
    # A shell that runs in the background has its children ignore Ctrl-C.
    heeds = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    pipe = subprocess.PIPE
    first = subprocess.Popen(command, stderr=pipe, stdout=pipe, text=True, preexec_fn=heeds)
    waited = time.monotonic()
    while not all(rows_of(out / "trials" / str(k)) for k in (0, 1)):
        assert first.poll() is None and time.monotonic() - waited < 200, first.communicate()
        time.sleep(0.05)
    first.send_signal(signal.SIGINT)
    said = first.communicate(timeout=100)[1]
    rows = [rows_of(out / "trials" / str(k)) for k in (0, 1)]
    again = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    return {
        "codes": [first.returncode, again.returncode],
        "said": [said, again.stderr],
        "rows": rows,
    }


def main(place: Path, *words: str) -> None:
    """Both, on one cluster."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False}
    )
    try:
        found = interrupted([*words, "--ray", str(cluster.address)], place / "real")
        print(json.dumps(found | pruned(str(cluster.address), place / "slow")), flush=True)
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
