"""One HTML file out of styles, scripts and data. Text in it is data, never markup."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any

POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"
"""What the browser allows the page: what stands in it, and nothing from elsewhere."""


def page(
    title: str,
    body: str,
    styles: Iterable[str],
    scripts: Iterable[str],
    libraries: Iterable[str],
    data: Mapping[str, Any],
) -> str:
    """The text of a page.

    **Arguments:**

    - `title`: shown by the browser.
    - `body`: what is shown, as HTML.
    - `styles`, `scripts`: names of files of this package. Scripts share one scope and find the data
        in the element `data`.
    - `libraries`: names of scripts in `vendor/`, each with its licence in a file beside it.
    - `data`: ready for JSON, with text from anywhere.
    """
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{html.escape(title)}</title>",
        f"<style>\n{''.join(map(resource, styles))}</style>",
        "</head>",
        "<body>",
        body,
        f'<script type="application/json" id="data">{embedded(data)}</script>',
        *(library for name in libraries for library in _library(name)),
        "<script>",
        '(() => {\n"use strict";',
        *map(resource, scripts),
        "})();",
        "</script>",
        "</body>",
        "</html>",
    ]
    return "\n".join(parts) + "\n"


def embedded(data: Any) -> str:
    r"""JSON that can stand within a script element, whatever text is in it.

    >>> print(embedded(["</script><!--"]))
    ["\u003c/script>\u003c!--"]
    """
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    # A script element ends at "</script" and changes its meaning at "<!--", and at nothing else.
    return text.replace("<", "\\u003c")


def resource(name: str) -> str:
    """The text of a file of this package."""
    return (files("mastac.pages") / name).read_text(encoding="utf-8")


def _library(name: str) -> Iterable[str]:
    licence = resource(f"vendor/{name}.LICENSE.txt").replace("*/", "* /")
    yield f"<script>/*\n{name}\n\n{licence}*/\n{resource(f'vendor/{name}.min.js')}\n</script>"
