"""The command `mastac` with one more preset, `tiny`: two cells of a few epochs each."""

import os
import subprocess
import sys
import time
from pathlib import Path

from mastac.cli.main import main
from mastac.reproduction.paper import REPRODUCTIONS, Preset
from mastac.runs import saving

NAMES = ("mastac-k2", "mastac")
EPOCHS = int(os.environ.get("TINY_EPOCHS", "6"))
KNOBS = {
    "updates_per_epoch": 1,
    "batch_size": 8,
    "actor_hidden": [4],
    "critic_hidden": [4],
    "evaluation_interval": max(1, EPOCHS // 6),
}
TINY = Preset(
    "for tests",
    "default",
    2,
    {"warehouse-9": EPOCHS},
    {
        "table1": {"warehouse-9": NAMES},
        "figure1": {"warehouse-9": NAMES},
        "figure2": {"warehouse-9": NAMES[1:]},
    },
    {"*": KNOBS},
)
REPRODUCTIONS["tiny"] = TINY
if "TINY_EPOCHS" in os.environ:
    saving.SECONDS_BETWEEN, saving.LARGEST_SHARE = 0.0, 1.0  # after every chunk


def wait_for(path: Path, process: subprocess.Popen) -> None:
    began = time.monotonic()
    while not path.exists() and process.poll() is None:
        assert time.monotonic() - began < 120, f"{path} does not come"
        time.sleep(0.02)


if __name__ == "__main__":
    sys.exit(main())
