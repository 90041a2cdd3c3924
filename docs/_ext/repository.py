"""Links out of `docs/`: pages of the site where there is one, else names in the repository.

Files outside `docs/` that are linked to become downloads. Folders cannot: they are named.
"""

import re
from pathlib import Path

from sphinx.application import Sphinx

LINK = re.compile(r"(?<!!)\[((?:[^\[\]])*)\]\(\.\./([^)#\s]+)\)")
PAGES = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "README.md": "index.md",
}
ROOT = Path(__file__).parents[2]


def site_links(app: Sphinx, docname: str, source: list[str]) -> None:
    def link(match: re.Match[str]) -> str:
        text, path = match[1], match[2]
        if path in PAGES:
            return f"[{text}]({PAGES[path]})"
        if (ROOT / path).is_dir():
            return text if path in text else f"{text} (`{path}`)"
        return match[0]

    source[0] = LINK.sub(link, source[0])


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", site_links)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
