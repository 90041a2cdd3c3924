"""Make the picture of a report in the documentation again; needs Chromium.

    python docs/report_picture.py

Trains the runs that it shows, unless build/report has them (some minutes), writes their report, and
keeps a picture of its upper part.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

HOME = Path(__file__).parents[1]
sys.path.insert(0, str(HOME / "tests"))

import browser  # noqa: E402

ALGORITHMS = ("mastac", "independent", "maddpg")
PICTURE = HOME / "docs" / "pictures" / "report.png"
WIDTH, HEIGHT = 1100, 1190  # pixels


def main() -> int:
    """Train what is missing, write the page, and take the picture."""
    if browser.CHROMIUM is None:
        sys.exit(browser.WHY_NOT)
    folder = Path("build/report")
    runs = []
    for name in ALGORITHMS:
        runs.append(folder / name)
        if not (HOME / runs[-1] / "summary.json").is_file():
            choices = ["--algorithm", name, "--epochs", "150", "--seeds", "0-4"]
            mastac("train", "warehouse-9", *choices, "--out", str(runs[-1]))
    page = folder / "report.html"
    mastac("report", *map(str, runs), "--out", str(page))
    # Processes of Chromium that end late may still write into its profile.
    profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    with profile as place, browser.browser(Path(place)) as chromium:
        tab = chromium.tab(WIDTH, HEIGHT)
        tab.send("Emulation.setScrollbarsHidden", hidden=True)
        tab.open(HOME / page, "window.report")
        tab.screenshot(PICTURE)
    print(PICTURE.relative_to(HOME))
    return 0


def mastac(*words: str) -> None:
    """Run a command of the package, from the folder of the repository."""
    subprocess.run([sys.executable, "-m", "mastac", *words], check=True, cwd=HOME)


if __name__ == "__main__":
    sys.exit(main())
