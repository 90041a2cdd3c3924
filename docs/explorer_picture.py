"""Make the picture of the page to explore in the documentation again; needs Chromium.

    python docs/explorer_picture.py

Writes the page into a folder that is removed again, and keeps a picture of it.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

HOME = Path(__file__).parents[1]
sys.path.insert(0, str(HOME / "tests"))

import browser  # noqa: E402

CHOICES = ("warehouse-40", "--agent", "warehouse-6", "--kappa", "2")
PICTURE = HOME / "docs" / "pictures" / "explorer.png"
WIDTH, HEIGHT = 1100, 700  # pixels


def main() -> int:
    """Write the page, and take the picture."""
    if browser.CHROMIUM is None:
        sys.exit(browser.WHY_NOT)
    # Processes of Chromium that end late may still write into its profile.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        page = Path(folder, "graph.html")
        subprocess.run(
            [sys.executable, "-m", "mastac", "graph", *CHOICES, "--html", str(page)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        with browser.browser(Path(folder, "profile")) as chromium:
            tab = chromium.tab(WIDTH, HEIGHT)
            tab.send("Emulation.setScrollbarsHidden", hidden=True)
            tab.open(page)
            tab.wait_for("explorer.page.base.length > 0")
            tab.run("new Promise(done => setTimeout(done, 500))")  # lit edges fade in
            tab.screenshot(PICTURE)
    print(PICTURE.relative_to(HOME))
    return 0


if __name__ == "__main__":
    sys.exit(main())
