"""Train the policies that the documentation shows at work, and draw its films again.

    python docs/animations.py

It takes about a minute of one processor. The pages that show the pictures name the commands, which
are run in the folder of the repository.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

HOME = Path(__file__).parent
RUN = "runs/warehouses"
COMMANDS = (
    f"train warehouse-9 --algorithm mastac-model --epochs 62 --out {RUN}",
    f"rollout {RUN} --animate docs/films/warehouse-9.gif --strip docs/films/moments.png "
    "--series docs/films/series.png",
)
"""As they stand on the page; the run is left in a folder that is thrown away."""
FILMS = ("warehouse-9.gif", "moments.png", "series.png")
"""What they leave in docs/films."""


def main() -> int:
    """Run the commands one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        for command in COMMANDS:
            words = command.replace(RUN, str(Path(folder, "run"))).split()
            subprocess.run([sys.executable, "-m", "mastac", *words], check=True, cwd=HOME.parent)
    return 0


if __name__ == "__main__":
    sys.exit(main())
