"""Draw all pictures of the documentation again.

    python docs/pictures.py

Each is made by a command of the package, which the page that shows the picture names. Commands are
run in the folder of the repository; of what they draw, the pages' pictures are kept.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HOME = Path(__file__).parent
SIX = "docs/pictures/six-agents.json"
RIVER = "docs/river/river.csv"
PICTURES = {
    f"graph {RIVER}": ("river/pictures", ("state", "unrolled", "dependency")),
    f"graph {SIX} --agent 3": (
        "pictures/six-agents",
        (
            *("couplings", "state", "observation", "reward"),
            *("unrolled", "folded", "dependency", "training"),
        ),
    ),
    "graph warehouse-9": ("pictures/warehouse-9", ("couplings", "dependency")),
    "graph thermal-40 --kappa 2": ("pictures/thermal-40", ("couplings", "dependency")),
    "graph lq-12 --kappa 1": ("pictures/lq-12", ("unrolled", "dependency")),
    "graph lq-100 --kappa 2": ("pictures/lq-100", ("dependency",)),
}
"""The commands without `--draw`, the folder of each under docs, and what is kept."""


def main() -> int:
    """Draw them, and say which files were written."""
    for command, (folder, names) in PICTURES.items():
        with tempfile.TemporaryDirectory() as drawn:
            words = [sys.executable, "-m", "mastac", *command.split(), "--draw", drawn]
            subprocess.run(words, check=True, stdout=subprocess.DEVNULL, cwd=HOME.parent)
            kept = HOME / folder
            kept.mkdir(parents=True, exist_ok=True)
            for name in names:
                for ending in (".png", ".svg"):
                    shutil.copyfile(Path(drawn, name + ending), kept / f"{name}{ending}")
        print(f"mastac {command} --draw {folder}: {', '.join(names)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
