"""Kill runs at random moments and resume them.

    python benchmarks/resume_after_kill.py

Each trial starts the same training in a process of its own, sends SIGKILL at a random moment, and
resumes on the command line until the run has ended. `metrics.csv` must then equal that of a run
that was never stopped byte for byte, and the final policies bit for bit. One row for each trial.
"""

import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from common import write

TRIALS, EPOCHS = 10, 300
COMMAND = ["lq-4", "--epochs", str(EPOCHS), "--seeds", "0-1", "--evaluation-interval", "5"]


def mastac(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "mastac", *arguments, "--no-progress"]


def identical(a: Path, b: Path) -> bool:
    """Whether two runs have the same metrics and policies."""
    if (a / "metrics.csv").read_bytes() != (b / "metrics.csv").read_bytes():
        return False
    for path in sorted((a / "policies").glob("*.npz")):
        with np.load(path) as x, np.load(b / "policies" / path.name) as y:
            if any(not np.array_equal(x[name], y[name]) for name in x.files):
                return False
    return True


def epochs_in(folder: Path) -> int:
    """Epochs in the metrics of both seeds so far."""
    metrics = folder / "metrics.csv"
    return max(0, metrics.read_text().count("\n") - 1) // 2 if metrics.exists() else 0


def main() -> None:
    random.seed(0)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole"
        subprocess.run(
            mastac("train", *COMMAND, "--out", str(whole)), check=True, capture_output=True
        )
        for trial in range(TRIALS):
            killed = Path(folder) / f"killed-{trial}"
            target = random.randrange(EPOCHS)
            process = subprocess.Popen(
                mastac("train", *COMMAND, "--out", str(killed)),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            while epochs_in(killed) < target and process.poll() is None:
                time.sleep(0.01)
            time.sleep(random.uniform(0.0, 0.5))
            process.kill()
            process.wait()
            reached, done = epochs_in(killed), (killed / "summary.json").exists()
            if not (killed / "config.json").exists():
                continue  # killed before there was a run
            subprocess.run(mastac("resume", str(killed)), check=True, capture_output=True)
            rows.append([trial, target, reached, done, identical(whole, killed)])
            print(rows[-1], flush=True)
    header = ["trial", "killed_from_epoch", "epochs_written", "had_ended", "identical"]
    write("resume_after_kill", header, rows)


if __name__ == "__main__":
    main()
