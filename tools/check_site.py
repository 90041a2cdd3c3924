"""Check the pages of a built site: links lead somewhere, and nothing comes from the network.

    python tools/check_site.py build/site

A link to another site is left alone. A page that loads a script, a style, a font or a picture from
one is a mistake, as is a link to a file or a heading that is not there.
"""

import re
import sys
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}
NOT_LOADED = {"canonical", "next", "prev", "search", "index", "author"}
STYLE_URL = re.compile(r"""(?:url\(|@import)\s*['"]?(?:https?:)?//[^'")\s]+""")


class Page(HTMLParser):
    """The links, the loaded files and the anchors of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors = {""}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if LOADED.get(tag) in given and given.get("rel") not in NOT_LOADED:
            self.loaded.append(given[LOADED[tag]])


@cache
def page(path: Path) -> Page:
    """A page, read once."""
    return Page(path.read_text(encoding="utf-8"))


def mistakes(path: Path) -> Iterator[str]:
    """What is wrong with a page."""
    for address in page(path).loaded:
        parts = urlsplit(address)
        if parts.scheme not in ("", "data") or parts.netloc:
            yield f"loads {address} from the network"
        elif not parts.scheme and not (path.parent / unquote(parts.path)).is_file():
            yield f"loads {address}, which is not there"
    for address in page(path).links:
        parts = urlsplit(address)
        if parts.scheme or parts.netloc:
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        if not target.is_file():
            yield f"links to {address}, which is not there"
        elif target.suffix == ".html" and unquote(parts.fragment) not in page(target).anchors:
            yield f"links to {address}, but that page has no such heading"


def main(folder: Path) -> int:
    """1 if anything is wrong."""
    pages = sorted(path for path in folder.rglob("*.html") if "_static" not in path.parts)
    wrong = [f"{path.relative_to(folder)} {what}" for path in pages for what in mistakes(path)]
    for style in sorted(folder.rglob("*.css")):
        for match in STYLE_URL.findall(style.read_text(encoding="utf-8")):
            wrong.append(f"{style.relative_to(folder)} loads {match} from the network")
    wrong += [] if pages else ["there are no pages"]
    print("\n".join(wrong) or f"{len(pages)} pages, all links lead somewhere")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
