"""Kill a run at a random moment and resume it: `python benchmarks/resume_after_kill.py`.

Each trial starts the same training in a process of its own, sends SIGKILL after a random time, resumes with the
command line until the run has ended, and compares `metrics.csv` byte for byte and the final policies bit for bit with
those of an uninterrupted run. The result is one row for each trial.
"""

import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from common import write

TRIALS = 10
COMMAND = ["lq-4", "--epochs", "200", "--seeds", "0-1", "--set", "evaluation_interval=10"]


def mastac(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "mastac", *arguments, "--no-progress"]


def same(a: Path, b: Path) -> bool:
    if (a / "metrics.csv").read_bytes() != (b / "metrics.csv").read_bytes():
        return False
    for path in sorted((a / "policies").glob("*.npz")):
        with np.load(path) as x, np.load(b / "policies" / path.name) as y:
            if any(not np.array_equal(x[name], y[name]) for name in x.files):
                return False
    return True


def main() -> None:
    random.seed(0)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole"
        began = time.monotonic()
        subprocess.run(mastac("train", *COMMAND, "--out", str(whole)), check=True, capture_output=True)
        duration = time.monotonic() - began
        for trial in range(TRIALS):
            killed = Path(folder) / f"killed-{trial}"
            after = random.uniform(0.3, 1.0) * duration
            process = subprocess.Popen(
                mastac("train", *COMMAND, "--out", str(killed)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            time.sleep(after)
            process.kill()
            process.wait()
            reached = len((killed / "metrics.csv").read_text().splitlines()) if (killed / "metrics.csv").exists() else 0
            done = (killed / "summary.json").exists()
            subprocess.run(mastac("resume", str(killed)), check=True, capture_output=True)
            rows.append([trial, after / duration, max(0, reached - 1) // 2, done, same(whole, killed)])
            print(rows[-1], flush=True)
    write("resume_after_kill", ["trial", "killed_at_share_of_run", "epochs_reached", "had_ended", "identical"], rows)


if __name__ == "__main__":
    main()
